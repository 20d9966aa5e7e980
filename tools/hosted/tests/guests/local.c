/* Thread-local variables: initial values, own copies, alignment. */
#include <bareflow.h>

static _Thread_local int counter = 40;
static _Thread_local char zeros[5000];
static _Thread_local _Alignas(64) int aligned = 7;

static int check(int number)
{
    if (counter != 40 || aligned != 7 || ((unsigned)&aligned & 63))
        return 1;
    for (unsigned i = 0; i < sizeof zeros; i++)
        if (zeros[i])
            return 2;
    counter += number;
    for (unsigned i = 0; i < sizeof zeros; i++)
        zeros[i] = (char)number;
    bf_sleep_us(500);
    if (counter != 40 + number || zeros[4999] != (char)number)
        return 3;
    counter = 40;
    for (unsigned i = 0; i < sizeof zeros; i++)
        zeros[i] = 0;
    return 0;
}

static void *task(void *argument)
{
    int result = check((int)argument);
    counter = -1; /* whoever gets this stack next must not see it */
    zeros[1] = 1;
    return (void *)result;
}

int local(void)
{
    for (int round = 0; round < 3; round++) {
        int tasks[10];
        for (int i = 0; i < 10; i++)
            tasks[i] = bf_spawn(task, (void *)(i + 1), -1);
        int own = check(100);
        if (own)
            return own;
        for (int i = 0; i < 10; i++) {
            void *result;
            if (bf_join(tasks[i], &result) || result)
                return 10 + (int)result;
        }
    }
    return 0;
}
