/* parallel.c: bf_parallel_for, a loop over all cores.
 *
 * The first parallel loop starts one helper task a further core; they stay, and wait for the next
 * loop. Everybody, the caller too, claims chunks of `grain` iterations by one atomic addition until
 * none is left, so uneven work evens out by itself. The loop is over when all claimed chunks are
 * finished, whether or not every helper has woken up.
 *
 * One loop runs at a time. A loop inside a loop, or beside another task's, runs in its own task
 * alone: that is slower and never a deadlock.
 */
#include <bf/task.h>

#define MOST_HELPERS 63

static bf_mutex busy = BF_MUTEX_INIT;
static int helpers = -1; /* started so far; -1: none was tried */

/* The present loop. `present` counts helpers inside it, who may touch it; `generation` changes when
 * a loop begins and is even while there is none. */
static struct loop {
    long end, grain;
    void (*body)(void *, long, long);
    void *context;
    long next;
} loop;
static int generation, inside;

static void work(void)
{
    for (;;) {
        long from = __atomic_fetch_add(&loop.next, loop.grain, __ATOMIC_RELAXED);
        if (from >= loop.end)
            return;
        long to = loop.end - from < loop.grain ? loop.end : from + loop.grain;
        loop.body(loop.context, from, to);
    }
}

/* A helper enters (counts itself) before it looks whether the loop is still on; the caller closes
 * the loop before it looks whether anybody is inside. Both sequentially consistent: one of the two
 * sees the other. */
static void *help(void *core)
{
    bf_pin((int)(long)core);
    int seen = 0;
    for (;;) {
        int now = __atomic_load_n(&generation, __ATOMIC_SEQ_CST);
        if (now == seen || !(now & 1)) {
            bf_wait(&generation, now, -1);
            continue;
        }
        __atomic_fetch_add(&inside, 1, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&generation, __ATOMIC_SEQ_CST) == now)
            work();
        seen = now;
        if (__atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST) == 0)
            bf_wake(&inside, 1);
    }
    return 0;
}

static void start_helpers(void)
{
    helpers = 0;
    int cores = bf_core_count(), mine = bf_core();
    for (int core = 0; core < cores && helpers < MOST_HELPERS; core++)
        if (core != mine && bf_task_start(help, (void *)(long)core) > 0)
            helpers++;
}

void bf_parallel_for(long begin, long end, long grain, void (*body)(void *, long, long),
                     void *context)
{
    if (begin >= end)
        return;
    if (grain < 1)
        grain = 1;
    if (!bf_mutex_try_lock(&busy)) {
        body(context, begin, end);
        return;
    }
    if (helpers < 0)
        start_helpers();
    loop = (struct loop){end, grain, body, context, begin};
    __atomic_fetch_add(&generation, 1, __ATOMIC_SEQ_CST);
    bf_wake(&generation, helpers);
    work();
    __atomic_fetch_add(&generation, 1, __ATOMIC_SEQ_CST);
    int left;
    while ((left = __atomic_load_n(&inside, __ATOMIC_SEQ_CST)) != 0)
        bf_wait(&inside, left, -1);
    bf_mutex_unlock(&busy);
}
