/* bf/task.h: tasks, and what they need to work together.
 *
 * A program's tasks share its memory; each has a stack and thread-local variables of its own, and
 * they run on all cores that run tasks (bf_core_count). What waits here parks the task: its core
 * runs others meanwhile. Part of libc.a; <bareflow.h> has the host calls below it.
 */
#ifndef BF_TASK_H
#define BF_TASK_H

#include <bareflow.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Starts entry(argument) as a task, on any core or on this one only to begin with; its number, or
 * a negated error. Every task is joined once; the result is what entry returned. */
int bf_task_start(void *(*entry)(void *), void *argument);
int bf_task_start_on(int core, void *(*entry)(void *), void *argument);
void *bf_task_join(int task);

/* A mutex. One that nobody else wants costs two atomic instructions and no host call. */
typedef struct {
    int word;
} bf_mutex;
#define BF_MUTEX_INIT {0}
void bf_mutex_lock(bf_mutex *mutex);
int bf_mutex_try_lock(bf_mutex *mutex);                         /* 1: taken */
int bf_mutex_lock_for(bf_mutex *mutex, long long timeout_us); /* 1: taken */
void bf_mutex_unlock(bf_mutex *mutex);

/* A condition. Waiting may end without a signal: test the condition in a loop. */
typedef struct {
    int signals;
} bf_cond;
#define BF_COND_INIT {0}
void bf_cond_wait(bf_cond *condition, bf_mutex *mutex);
int bf_cond_wait_for(bf_cond *condition, bf_mutex *mutex, long long timeout_us); /* 0: time is up */
void bf_cond_signal(bf_cond *condition);
void bf_cond_broadcast(bf_cond *condition);

/* Calls function once, whoever comes first; everybody else waits until it has returned. */
typedef struct {
    int state;
} bf_once;
#define BF_ONCE_INIT {0}
void bf_once_call(bf_once *once, void (*function)(void));

/* A barrier: bf_barrier_wait returns when that many tasks have called it, 1 to the last of them. */
typedef struct {
    int tasks, missing, round;
} bf_barrier;
void bf_barrier_init(bf_barrier *barrier, int tasks);
int bf_barrier_wait(bf_barrier *barrier);

/* Calls body(context, from, to) for pieces of [begin, end) of at most grain iterations, on all cores
 * side by side, and returns when all are done. The pieces come in no order. */
void bf_parallel_for(long begin, long end, long grain, void (*body)(void *context, long from, long to),
                     void *context);

#ifdef __cplusplus
}
#endif

#endif
