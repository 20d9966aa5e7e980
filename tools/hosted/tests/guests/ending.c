/* How a program with several tasks ends. */
#include <bareflow.h>
#include <stdatomic.h>

static atomic_int done;
static volatile int never;

static void *exit_7(void *argument)
{
    (void)argument;
    bf_sleep_us(1000);
    bf_exit(7);
}

int exit_in_task(void)
{
    bf_spawn(exit_7, 0, -1);
    while (!never)
        ;
    return 1;
}

static void *null_store(void *argument)
{
    bf_sleep_us(2000);
    *(volatile int *)argument = 1;
    return 0;
}

int fault_while_joined(void)
{
    return bf_join(bf_spawn(null_store, 0, -1), 0) + 1;
}

int fault_while_waited_for(void)
{
    bf_spawn(null_store, 0, -1);
    for (;;)
        bf_wait((void *)&never, 0, -1);
}

int fault_while_asleep(void)
{
    bf_spawn(null_store, 0, -1);
    for (;;)
        bf_sleep_us(1000000000);
}

static void *spin(void *argument)
{
    while (!never)
        ;
    return argument;
}

static void *doze(void *argument)
{
    bf_sleep_us(4000000000u);
    return argument;
}

static void *hang(void *argument)
{
    for (;;)
        bf_wait((void *)&never, 0, -1);
    return argument;
}

static void *join_it(void *argument)
{
    bf_join((int)argument, 0);
    return argument;
}

static void busy(void)
{
    int spinning = bf_spawn(spin, 0, -1);
    bf_spawn(doze, 0, -1);
    bf_spawn(hang, 0, -1);
    bf_spawn(join_it, (void *)spinning, -1);
    bf_sleep_us(3000);
}

int leave_tasks_behind(void)
{
    busy();
    return 0;
}

int exit_with_tasks(void)
{
    busy();
    bf_exit(3);
}

static void *finish_late(void *argument)
{
    bf_sleep_us(3000);
    atomic_fetch_add(&done, 1);
    return argument;
}

int main_ends_first(void)
{
    for (int i = 0; i < 5; i++)
        bf_spawn(finish_late, 0, -1);
    bf_task_exit(0);
}

int what_the_others_did(void)
{
    return done;
}
