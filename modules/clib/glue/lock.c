/* lock.c: the locks that newlib takes, on bf_wait and bf_wake.
 *
 * A lock's word is 0 free, 1 taken, 2 taken and somebody may be waiting (Drepper, "Futexes are
 * tricky", mutex 2). Taking a free lock and giving one back that nobody waits for is one atomic
 * instruction each and no host call. Recursive locks remember their task.
 *
 * The static locks are those that newlib's own files name.
 */
#include "task_state.h"
#include <bf/task.h>
#include <stdlib.h>
#include <sys/lock.h>

struct __lock {
    bf_mutex mutex;
    void *owner;
    unsigned depth;
};

struct __lock __lock___sinit_recursive_mutex;
struct __lock __lock___sfp_recursive_mutex;
struct __lock __lock___atexit_recursive_mutex;
struct __lock __lock___at_quick_exit_mutex;
struct __lock __lock___malloc_recursive_mutex;
struct __lock __lock___env_recursive_mutex;
struct __lock __lock___tz_mutex;
struct __lock __lock___dd_hash_mutex;
struct __lock __lock___arc4random_mutex;

void __retarget_lock_init(_LOCK_T *lock) { *lock = calloc(1, sizeof **lock); }
void __retarget_lock_init_recursive(_LOCK_T *lock) { __retarget_lock_init(lock); }
void __retarget_lock_close(_LOCK_T lock) { free(lock); }
void __retarget_lock_close_recursive(_LOCK_T lock) { free(lock); }

/* A lock that could not be allocated is no lock: streams go on without one, as newlib has it. */
void __retarget_lock_acquire(_LOCK_T lock)
{
    if (lock)
        bf_mutex_lock(&lock->mutex);
}

int __retarget_lock_try_acquire(_LOCK_T lock) { return !lock || bf_mutex_try_lock(&lock->mutex); }

void __retarget_lock_release(_LOCK_T lock)
{
    if (lock)
        bf_mutex_unlock(&lock->mutex);
}

/* Only the owner stores its own address, so whoever reads that address is the owner. */
static int again(_LOCK_T lock)
{
    if (__atomic_load_n(&lock->owner, __ATOMIC_RELAXED) != this_task())
        return 0;
    lock->depth++;
    return 1;
}

void __retarget_lock_acquire_recursive(_LOCK_T lock)
{
    if (!lock || again(lock))
        return;
    bf_mutex_lock(&lock->mutex);
    __atomic_store_n(&lock->owner, this_task(), __ATOMIC_RELAXED);
}

int __retarget_lock_try_acquire_recursive(_LOCK_T lock)
{
    if (!lock || again(lock))
        return 1;
    if (!bf_mutex_try_lock(&lock->mutex))
        return 0;
    __atomic_store_n(&lock->owner, this_task(), __ATOMIC_RELAXED);
    return 1;
}

void __retarget_lock_release_recursive(_LOCK_T lock)
{
    if (!lock)
        return;
    if (lock->depth) {
        lock->depth--;
        return;
    }
    __atomic_store_n(&lock->owner, (void *)0, __ATOMIC_RELAXED);
    bf_mutex_unlock(&lock->mutex);
}
