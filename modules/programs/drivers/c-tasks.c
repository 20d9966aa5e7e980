/* c-tasks.c: C11's threads and atomics; what is printed does not depend on who was faster. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>

#define THREADS 6

static int rounds = 2000;
static mtx_t mutex, again;
static cnd_t changed;
static once_flag once = ONCE_FLAG_INIT;
static tss_t key;
static thread_local int own = 5;
static int shared, calls, destroyed;
static atomic_int counter;
static atomic_llong wide;
static _Atomic struct triple {
    int a, b, c;
} triple;

static void initialise(void) { calls++; }

static void destroy(void *held)
{
    mtx_lock(&mutex);
    destroyed += *(int *)held;
    mtx_unlock(&mutex);
    free(held);
}

static int work(void *argument)
{
    int number = (int)(size_t)argument;
    call_once(&once, initialise);
    int *held = malloc(sizeof *held);
    *held = number;
    tss_set(key, held);
    for (int i = 0; i < rounds; i++) {
        own++;
        mtx_lock(&mutex);
        shared++;
        mtx_unlock(&mutex);
        atomic_fetch_add(&counter, number);
        atomic_fetch_add_explicit(&wide, 1ll << 33, memory_order_relaxed);
        struct triple old = atomic_load(&triple), new;
        do
            new = (struct triple){old.a + 1, old.b + 2, old.c + 3};
        while (!atomic_compare_exchange_weak(&triple, &old, new));
        char *block = malloc((size_t)(i % 100) + 1);
        memset(block, number, (size_t)(i % 100) + 1);
        free(block);
        errno = number;
    }
    mtx_lock(&again);
    mtx_lock(&again);
    int fine = errno == number && own == 5 + rounds && tss_get(key) == held;
    mtx_unlock(&again);
    mtx_unlock(&again);
    return fine ? number : -1;
}

/* A queue of one place. */
static int item, full;

static int produce(void *argument)
{
    for (int i = 1; i <= rounds; i++) {
        mtx_lock(&mutex);
        while (full)
            cnd_wait(&changed, &mutex);
        item = i;
        full = 1;
        cnd_broadcast(&changed);
        mtx_unlock(&mutex);
    }
    return argument != 0;
}

static int consume(void *argument)
{
    int sum = 0;
    for (int i = 1; i <= rounds; i++) {
        mtx_lock(&mutex);
        while (!full)
            cnd_wait(&changed, &mutex);
        sum += item == i ? 1 : 0;
        full = 0;
        cnd_broadcast(&changed);
        mtx_unlock(&mutex);
    }
    return argument ? sum : sum;
}

static int leave(void *argument)
{
    (void)argument;
    thrd_exit(99);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        rounds = atoi(argv[1]);
    mtx_init(&mutex, mtx_timed);
    mtx_init(&again, mtx_plain | mtx_recursive);
    cnd_init(&changed);
    tss_create(&key, destroy);
    thrd_t thread[THREADS];
    for (int i = 0; i < THREADS; i++)
        if (thrd_create(&thread[i], work, (void *)(size_t)(i + 1)) != thrd_success) {
            puts("no thread");
            return 1;
        }
    int results = 0, result;
    for (int i = 0; i < THREADS; i++) {
        thrd_join(thread[i], &result);
        results = results * 10 + result;
    }
    struct triple end = triple;
    printf("%d %d %d %d %lld %d\n", results, shared, calls, atomic_load(&counter), (long long)wide >> 33, own);
    printf("%d %d %d %d\n", end.a, end.b, end.c, destroyed);
    thrd_create(&thread[0], produce, 0);
    thrd_create(&thread[1], consume, 0);
    thrd_create(&thread[2], leave, 0);
    int items, left;
    thrd_join(thread[0], 0);
    thrd_join(thread[1], &items);
    thrd_join(thread[2], &left);
    printf("%d %d\n", items, left);
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    now.tv_nsec = 0;
    mtx_lock(&mutex);
    printf("%d %d %d\n", cnd_timedwait(&changed, &mutex, &now) == thrd_timedout, mtx_trylock(&mutex) == thrd_busy,
           thrd_equal(thrd_current(), thrd_current()));
    return 0;
}
