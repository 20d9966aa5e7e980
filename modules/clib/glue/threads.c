/* threads.c: C11's <threads.h>, a thin layer over bf/task.h.
 *
 * Thread-specific storage is an array in the thread-local block; its destructors run when a thread's
 * function returns or it calls thrd_exit, at most TSS_DTOR_ITERATIONS times.
 */
#include <errno.h>
#include <stdlib.h>
#include <threads.h>

#define KEYS 64

static tss_dtor_t destructor[KEYS];
static int keys;
static _Thread_local void *value[KEYS];

struct first_call {
    thrd_start_t function;
    void *argument;
};

static void run_destructors(void)
{
    for (int round = 0; round < TSS_DTOR_ITERATIONS; round++) {
        int again = 0;
        for (int key = 0; key < KEYS; key++) {
            void *held = value[key];
            if (!held || !destructor[key])
                continue;
            value[key] = 0;
            destructor[key](held);
            again = 1;
        }
        if (!again)
            return;
    }
}

static void *enter(void *given)
{
    struct first_call call = *(struct first_call *)given;
    free(given);
    int result = call.function(call.argument);
    run_destructors();
    return (void *)(long)result;
}

int thrd_create(thrd_t *thread, thrd_start_t function, void *argument)
{
    struct first_call *call = malloc(sizeof *call);
    if (!call)
        return thrd_nomem;
    *call = (struct first_call){function, argument};
    int task = bf_task_start(enter, call);
    if (task > 0) {
        *thread = task;
        return thrd_success;
    }
    free(call);
    return task == -BF_ENOMEM ? thrd_nomem : thrd_error;
}

/* A task of 1 is main's own, which bf_self tells without asking who started it. */
thrd_t thrd_current(void) { return bf_self(); }
int thrd_equal(thrd_t a, thrd_t b) { return a == b; }
void thrd_yield(void) { bf_yield(); }

int thrd_join(thrd_t thread, int *result)
{
    void *returned = 0;
    if (bf_join(thread, &returned) < 0)
        return thrd_error;
    if (result)
        *result = (int)(long)returned;
    return thrd_success;
}

/* The runtime keeps what an ended task returned until it is joined; a detached one's stays. */
int thrd_detach(thrd_t thread)
{
    (void)thread;
    return thrd_success;
}

void thrd_exit(int result)
{
    run_destructors();
    bf_task_exit((void *)(long)result);
}

int thrd_sleep(const struct timespec *duration, struct timespec *rest)
{
    return nanosleep(duration, rest);
}

static long long until_us(const struct timespec *end)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    long long left = (end->tv_sec - now.tv_sec) * 1000000ll + (end->tv_nsec - now.tv_nsec) / 1000;
    return left < 0 ? 0 : left;
}

/* ---- mutexes: a recursive one remembers its task and depth ---- */

int mtx_init(mtx_t *mutex, int type)
{
    *mutex = (mtx_t){.type = type};
    return thrd_success;
}

void mtx_destroy(mtx_t *mutex) { (void)mutex; }

static int again(mtx_t *mutex)
{
    if (!(mutex->type & mtx_recursive) ||
        __atomic_load_n(&mutex->owner, __ATOMIC_RELAXED) != bf_self())
        return 0;
    mutex->depth++;
    return 1;
}

static int taken(mtx_t *mutex)
{
    if (mutex->type & mtx_recursive)
        __atomic_store_n(&mutex->owner, bf_self(), __ATOMIC_RELAXED);
    return thrd_success;
}

int mtx_lock(mtx_t *mutex)
{
    if (again(mutex))
        return thrd_success;
    bf_mutex_lock(&mutex->mutex);
    return taken(mutex);
}

int mtx_trylock(mtx_t *mutex)
{
    if (again(mutex))
        return thrd_success;
    return bf_mutex_try_lock(&mutex->mutex) ? taken(mutex) : thrd_busy;
}

int mtx_timedlock(mtx_t *mutex, const struct timespec *end)
{
    if (again(mutex))
        return thrd_success;
    return bf_mutex_lock_for(&mutex->mutex, until_us(end)) ? taken(mutex) : thrd_timedout;
}

int mtx_unlock(mtx_t *mutex)
{
    if (mutex->depth) {
        mutex->depth--;
        return thrd_success;
    }
    __atomic_store_n(&mutex->owner, 0, __ATOMIC_RELAXED);
    bf_mutex_unlock(&mutex->mutex);
    return thrd_success;
}

/* ---- conditions ---- */

int cnd_init(cnd_t *condition)
{
    *condition = (cnd_t){0};
    return thrd_success;
}

void cnd_destroy(cnd_t *condition) { (void)condition; }

int cnd_signal(cnd_t *condition)
{
    bf_cond_signal(condition);
    return thrd_success;
}

int cnd_broadcast(cnd_t *condition)
{
    bf_cond_broadcast(condition);
    return thrd_success;
}

int cnd_wait(cnd_t *condition, mtx_t *mutex)
{
    bf_cond_wait(condition, &mutex->mutex);
    return taken(mutex);
}

int cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *end)
{
    int signalled = bf_cond_wait_for(condition, &mutex->mutex, until_us(end));
    taken(mutex);
    return signalled ? thrd_success : thrd_timedout;
}

void call_once(once_flag *flag, void (*function)(void)) { bf_once_call(flag, function); }

/* ---- thread-specific storage: keys are never given back ---- */

int tss_create(tss_t *key, tss_dtor_t function)
{
    int next = __atomic_fetch_add(&keys, 1, __ATOMIC_RELAXED);
    if (next >= KEYS)
        return thrd_error;
    destructor[next] = function;
    *key = next;
    return thrd_success;
}

void tss_delete(tss_t key) { destructor[key] = 0; }
void *tss_get(tss_t key) { return value[key]; }

int tss_set(tss_t key, void *held)
{
    value[key] = held;
    return thrd_success;
}
