/* task.c: the SDK's tasks, mutexes, conditions, barriers and parallel loops (bf/task.h).
 *
 * Everything waits in bf_wait and is woken by bf_wake; the argument for each is at its function.
 */
#include "task_state.h"
#include <bf/task.h>
#include <errno.h>
#include <stdlib.h>

/* ---- tasks ---- */

struct first_call {
    void *(*entry)(void *);
    void *argument;
};

static void *enter(void *given)
{
    struct first_call call = *(struct first_call *)given;
    free(given);
    void *result = call.entry(call.argument);
    __bf_leave_reent();
    return result;
}

int bf_task_start_on(int core, void *(*entry)(void *), void *argument)
{
    struct first_call *call = malloc(sizeof *call);
    if (!call)
        return -BF_ENOMEM;
    *call = (struct first_call){entry, argument};
    int task = bf_spawn(enter, call, core);
    if (task < 0)
        free(call);
    return task;
}

int bf_task_start(void *(*entry)(void *), void *argument)
{
    return bf_task_start_on(-1, entry, argument);
}

void *bf_task_join(int task)
{
    void *result = 0;
    return bf_join(task, &result) < 0 ? 0 : result;
}

/* ---- mutex: 0 free, 1 taken, 2 taken and somebody may wait ---- */

int bf_mutex_try_lock(bf_mutex *mutex)
{
    int free = 0;
    /* Acquire pairs with the release in bf_mutex_unlock. */
    return __atomic_compare_exchange_n(&mutex->word, &free, 1, 0, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

/* Who waits leaves 2 behind and so does who was woken: the one that unlocks then wakes the next.
 * A wake that is not needed costs time, one that is missing would cost everything. */
static void lock_slowly(bf_mutex *mutex)
{
    while (__atomic_exchange_n(&mutex->word, 2, __ATOMIC_ACQUIRE) != 0)
        bf_wait(&mutex->word, 2, -1);
}

void bf_mutex_lock(bf_mutex *mutex)
{
    if (!bf_mutex_try_lock(mutex))
        lock_slowly(mutex);
}

int bf_mutex_lock_for(bf_mutex *mutex, long long timeout_us)
{
    if (bf_mutex_try_lock(mutex))
        return 1;
    long long end = bf_ticks_us() + timeout_us;
    while (__atomic_exchange_n(&mutex->word, 2, __ATOMIC_ACQUIRE) != 0) {
        long long left = end - bf_ticks_us();
        if (left <= 0)
            return 0;
        bf_wait(&mutex->word, 2, left);
    }
    return 1;
}

void bf_mutex_unlock(bf_mutex *mutex)
{
    /* Release pairs with the acquire of whoever takes it next. */
    if (__atomic_exchange_n(&mutex->word, 0, __ATOMIC_RELEASE) == 2)
        bf_wake(&mutex->word, 1);
}

/* ---- condition: a count of signals; who waits, waits for it to change ---- */

/* The count is read while the mutex is held. A signal after the unlock changes it before bf_wait
 * compares, so it is not missed. */
int bf_cond_wait_for(bf_cond *condition, bf_mutex *mutex, long long timeout_us)
{
    int seen = __atomic_load_n(&condition->signals, __ATOMIC_RELAXED);
    bf_mutex_unlock(mutex);
    int result = bf_wait(&condition->signals, seen, timeout_us);
    lock_slowly(mutex);
    return result != -BF_ETIMEDOUT;
}

void bf_cond_wait(bf_cond *condition, bf_mutex *mutex) { bf_cond_wait_for(condition, mutex, -1); }

void bf_cond_signal(bf_cond *condition)
{
    __atomic_fetch_add(&condition->signals, 1, __ATOMIC_RELEASE);
    bf_wake(&condition->signals, 1);
}

void bf_cond_broadcast(bf_cond *condition)
{
    __atomic_fetch_add(&condition->signals, 1, __ATOMIC_RELEASE);
    bf_wake(&condition->signals, 0x7fffffff);
}

/* ---- once: 0 not yet, 1 running, 2 done ---- */

void bf_once_call(bf_once *once, void (*function)(void))
{
    int state = __atomic_load_n(&once->state, __ATOMIC_ACQUIRE);
    while (state != 2) {
        int none = 0;
        if (__atomic_compare_exchange_n(&once->state, &none, 1, 0, __ATOMIC_ACQUIRE,
                                        __ATOMIC_ACQUIRE)) {
            function();
            __atomic_store_n(&once->state, 2, __ATOMIC_RELEASE);
            bf_wake(&once->state, 0x7fffffff);
            return;
        }
        bf_wait(&once->state, 1, -1);
        state = __atomic_load_n(&once->state, __ATOMIC_ACQUIRE);
    }
}

/* ---- barrier: arrivals count down, the last opens the next round ---- */

void bf_barrier_init(bf_barrier *barrier, int tasks)
{
    *barrier = (bf_barrier){.tasks = tasks, .missing = tasks};
}

int bf_barrier_wait(bf_barrier *barrier)
{
    int round = __atomic_load_n(&barrier->round, __ATOMIC_ACQUIRE);
    if (__atomic_sub_fetch(&barrier->missing, 1, __ATOMIC_ACQ_REL) == 0) {
        barrier->missing = barrier->tasks;
        __atomic_fetch_add(&barrier->round, 1, __ATOMIC_RELEASE);
        bf_wake(&barrier->round, 0x7fffffff);
        return 1;
    }
    while (__atomic_load_n(&barrier->round, __ATOMIC_ACQUIRE) == round)
        bf_wait(&barrier->round, round, -1);
    return 0;
}
