/* Several tasks in one program: start and join, taking turns, time-outs, heap, cores. Each function
 * returns 0 if all was right, else the number of the step that went wrong.
 *
 * result: 0
 */
#include <bareflow.h>
#include <stdatomic.h>

#define TASKS 24

static atomic_int counter;
static atomic_int word;
static atomic_int arrived;

static void *add(void *argument)
{
    int number = (int)argument;
    for (int i = 0; i < 1000; i++)
        atomic_fetch_add(&counter, number);
    if (number % 2)
        bf_task_exit((void *)(number * 3));
    return (void *)(number * 3);
}

/* Starts many tasks and joins them in reverse order. */
int crowd(void)
{
    int task[TASKS], sum = 0;
    atomic_store(&counter, 0);
    for (int i = 0; i < TASKS; i++) {
        task[i] = bf_spawn(add, (void *)(i + 1), -1);
        if (task[i] <= 1)
            return 1;
        sum += (i + 1) * 1000;
    }
    for (int i = TASKS - 1; i >= 0; i--) {
        void *result = 0;
        if (bf_join(task[i], &result))
            return 2;
        if (result != (void *)((i + 1) * 3))
            return 3;
        if (bf_join(task[i], &result) != -BF_ESRCH)
            return 4;
    }
    if (bf_join(bf_self(), 0) != -BF_EDEADLK || bf_join(-7, 0) != -BF_ESRCH)
        return 5;
    return atomic_load(&counter) == sum ? 0 : 6;
}

/* Waits on the core that it is told until as many have arrived as there are cores. */
static void *meet(void *argument)
{
    int cores = bf_core_count(), core = bf_core();
    if (core != (int)argument)
        return (void *)1;
    if (atomic_fetch_add(&arrived, 1) + 1 == cores)
        bf_wake(&arrived, cores);
    int seen;
    while ((seen = atomic_load(&arrived)) < cores)
        bf_wait(&arrived, seen, -1);
    return 0;
}

/* A task on each core; none goes on before all run. */
int everywhere(void)
{
    int task[64], cores = bf_core_count();
    atomic_store(&arrived, 0);
    for (int i = 0; i < cores; i++)
        if ((task[i] = bf_spawn(meet, (void *)i, i)) <= 0)
            return 1;
    for (int i = 0; i < cores; i++) {
        void *result;
        if (bf_join(task[i], &result) || result)
            return 2;
    }
    if (bf_spawn(meet, 0, cores) != -BF_EINVAL || bf_pin(cores) != -BF_EINVAL)
        return 3;
    for (int i = 0; i < cores; i++)
        if (bf_pin(i) || bf_core() != i)
            return 4;
    return bf_pin(-1) ? 5 : 0;
}

struct turns {
    int rounds, first;
    long long timeout_us;
};

/* Raises the word when it is this task's turn and wakes the other; counts the time-outs after which
 * the word had changed long before: wake-ups that were lost. */
static void *take_turns(void *argument)
{
    struct turns *turns = argument;
    int lost = 0;
    for (int round = turns->first; round < turns->rounds; round += 2) {
        int value;
        while ((value = atomic_load(&word)) != round) {
            int outcome = bf_wait(&word, value, turns->timeout_us);
            if (outcome == -BF_ETIMEDOUT && atomic_load(&word) != value)
                lost++;
        }
        atomic_store(&word, round + 1);
        bf_wake(&word, 1);
    }
    return (void *)lost;
}

/* Two tasks take turns; returns how many wake-ups were lost. */
int turns(int rounds, int timeout_us)
{
    struct turns both[2] = {{rounds, 0, timeout_us}, {rounds, 1, timeout_us}};
    int lost = 0;
    atomic_store(&word, 0);
    int other = bf_spawn(take_turns, &both[1], -1);
    if (other < 0)
        return other;
    lost += (int)take_turns(&both[0]);
    void *result;
    if (bf_join(other, &result) || atomic_load(&word) != rounds)
        return -1;
    return lost + (int)result;
}

/* A mutex in 0 (free), 1 (taken), 2 (taken, and somebody waits). */
static atomic_int lock;
static int guarded;

static void *take_lock(void *argument)
{
    for (int i = 0; i < (int)argument; i++) {
        int free = 0;
        if (!atomic_compare_exchange_strong(&lock, &free, 1))
            while (atomic_exchange(&lock, 2) != 0)
                bf_wait(&lock, 2, -1);
        int before = guarded;
        if (i % 16 == 0)
            bf_yield();
        guarded = before + 1;
        if (atomic_exchange(&lock, 0) == 2)
            bf_wake(&lock, 1);
    }
    return 0;
}

int mutex(void)
{
    int task[4];
    guarded = 0;
    for (int i = 0; i < 4; i++)
        if ((task[i] = bf_spawn(take_lock, (void *)300, -1)) < 0)
            return 1;
    for (int i = 0; i < 4; i++)
        if (bf_join(task[i], 0))
            return 2;
    return guarded == 1200 ? 0 : 3;
}

int timeouts(void)
{
    int here = 5;
    long long start = bf_ticks_us();
    if (bf_wait(&here, 5, 20000) != -BF_ETIMEDOUT || bf_ticks_us() - start < 20000)
        return 1;
    if (bf_wait(&here, 6, -1) != -BF_EAGAIN)
        return 2;
    if (bf_wait((void *)16, 0, -1) != -BF_EFAULT || bf_wait((char *)&here + 1, 0, 0) != -BF_EFAULT)
        return 3;
    if (bf_wake(&here, 9) != 0 || bf_wake(&here, -1) != 0)
        return 4;
    start = bf_ticks_us();
    bf_sleep_us(5000);
    return bf_ticks_us() - start < 5000 ? 5 : 0;
}

int heap(void)
{
    char *next = bf_grow(0);
    for (int i = 0; i < 20; i++) {
        unsigned bytes = 100000 * (i + 1);
        char *part = bf_grow(bytes);
        if (part != next)
            return 1;
        next = part + (bytes + 4095) / 4096 * 4096;
        for (char *at = part; at < next; at += 1024) {
            if (*at)
                return 2;
            *at = 1;
        }
        next[-1] = 1;
    }
    return bf_grow(0x7f000000) || bf_grow(0) != next ? 3 : 0;
}

int clocks(void)
{
    long long wall = bf_clock_us(), ticks = bf_ticks_us();
    /* After 2020, before 2200. */
    if (wall < 1577836800000000 || wall > 7258118400000000)
        return 1;
    bf_sleep_us(2000);
    long long gone = bf_clock_us() - wall, passed = bf_ticks_us() - ticks;
    if (gone < 2000 || gone > passed + 1000000)
        return 2;
    unsigned words[2][8] = {{0}};
    for (int i = 0; i < 2; i++)
        if (bf_random(words[i], sizeof words[i]) != sizeof words[i])
            return 3;
    for (int i = 0; i < 8; i++)
        if (words[0][i] == words[1][i] || !words[0][i])
            return 4;
    return bf_random((void *)16, 4) == -BF_EFAULT ? 0 : 5;
}

/* Reads a line from the console; returns its length and writes it back. */
int typed(void)
{
    char line[64];
    int count = bf_read(0, line, sizeof line);
    if (count > 0)
        bf_write(1, line, count);
    return count;
}

static void *spin(void *argument)
{
    for (;;)
        atomic_fetch_add((atomic_int *)argument, 1);
}

static void *wait_for_ever(void *argument)
{
    for (;;)
        bf_wait(argument, *(int *)argument, -1);
}

static void *wrong(void *argument)
{
    bf_sleep_us(3000);
    *(volatile int *)argument = 1;
    return 0;
}

/* Some tasks spin, some wait, one goes wrong: all must end. */
int one_fault_ends_all(void)
{
    static int still;
    for (int i = 0; i < 4; i++)
        bf_spawn(spin, &counter, -1);
    for (int i = 0; i < 4; i++)
        bf_spawn(wait_for_ever, &still, -1);
    int task = bf_spawn(wrong, (void *)16, -1);
    bf_join(task, 0);
    return 1;
}

int main(void)
{
    int wrong = crowd();
    if (!wrong)
        wrong = 10 * timeouts();
    if (!wrong)
        wrong = 100 * mutex();
    return wrong;
}
