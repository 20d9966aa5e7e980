/* threads.h: C11 threads (7.26) on bf/task.h. */
#ifndef _THREADS_H_
#define _THREADS_H_

#include <bf/task.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#else
#define thread_local _Thread_local
#endif

#define TSS_DTOR_ITERATIONS 4
#define ONCE_FLAG_INIT BF_ONCE_INIT

typedef int thrd_t;
typedef int tss_t;
typedef bf_cond cnd_t;
typedef bf_once once_flag;
typedef struct {
    bf_mutex mutex;
    int type, owner;
    unsigned depth;
} mtx_t;

typedef void (*tss_dtor_t)(void *);
typedef int (*thrd_start_t)(void *);

enum { mtx_plain = 1, mtx_recursive = 2, mtx_timed = 4 };
enum { thrd_success, thrd_busy, thrd_error, thrd_nomem, thrd_timedout };

int thrd_create(thrd_t *thread, thrd_start_t function, void *argument);
thrd_t thrd_current(void);
int thrd_detach(thrd_t thread);
int thrd_equal(thrd_t a, thrd_t b);
_Noreturn void thrd_exit(int result);
int thrd_join(thrd_t thread, int *result);
int thrd_sleep(const struct timespec *duration, struct timespec *rest);
void thrd_yield(void);

int mtx_init(mtx_t *mutex, int type);
void mtx_destroy(mtx_t *mutex);
int mtx_lock(mtx_t *mutex);
int mtx_timedlock(mtx_t *mutex, const struct timespec *end);
int mtx_trylock(mtx_t *mutex);
int mtx_unlock(mtx_t *mutex);

int cnd_init(cnd_t *condition);
void cnd_destroy(cnd_t *condition);
int cnd_signal(cnd_t *condition);
int cnd_broadcast(cnd_t *condition);
int cnd_wait(cnd_t *condition, mtx_t *mutex);
int cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *end);

void call_once(once_flag *flag, void (*function)(void));

int tss_create(tss_t *key, tss_dtor_t function);
void tss_delete(tss_t key);
void *tss_get(tss_t key);
int tss_set(tss_t key, void *held);

#ifdef __cplusplus
}
#endif

#endif
