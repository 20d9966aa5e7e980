/* As many tasks as there may be, all alive at the same time. */
#include <bareflow.h>
#include <stdatomic.h>

static atomic_int alive;
static atomic_int go;

static void *stay(void *argument)
{
    atomic_fetch_add(&alive, 1);
    while (!atomic_load(&go))
        bf_wait(&go, 0, -1);
    return argument;
}

int many(void)
{
    int task[BF_MAX_TASKS];
    atomic_store(&go, 0);
    atomic_store(&alive, 0);
    for (int i = 1; i < BF_MAX_TASKS; i++) {
        task[i] = bf_spawn(stay, (void *)i, -1);
        if (task[i] <= 1)
            return i;
    }
    if (bf_spawn(stay, 0, -1) != -BF_EAGAIN)
        return 1000;
    while (atomic_load(&alive) != BF_MAX_TASKS - 1)
        bf_sleep_us(100);
    atomic_store(&go, 1);
    bf_wake(&go, BF_MAX_TASKS);
    for (int i = 1; i < BF_MAX_TASKS; i++) {
        void *result;
        if (bf_join(task[i], &result) || result != (void *)i)
            return 2000 + i;
    }
    return 0;
}
