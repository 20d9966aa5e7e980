/* clock.c: what time it is, and waiting.
 *
 * Where nobody knows the date, time starts in 1970 with the runtime.
 */
#include "errno_map.h"
#include <sched.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

static long long wall_us(void)
{
    long long now = bf_clock_us();
    return now ? now : bf_ticks_us();
}

int _gettimeofday_r(struct _reent *reent, struct timeval *to, void *zone)
{
    (void)reent, (void)zone;
    long long now = wall_us();
    to->tv_sec = now / 1000000;
    to->tv_usec = (suseconds_t)(now % 1000000);
    return 0;
}

int clock_gettime(clockid_t clock, struct timespec *to)
{
    long long now = clock == CLOCK_REALTIME ? wall_us() : bf_ticks_us();
    to->tv_sec = now / 1000000;
    to->tv_nsec = (long)(now % 1000000) * 1000;
    return 0;
}

int timespec_get(struct timespec *to, int base)
{
    return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, to) == 0 ? base : 0;
}

int clock_getres(clockid_t clock, struct timespec *to)
{
    (void)clock;
    to->tv_sec = 0;
    to->tv_nsec = 1000;
    return 0;
}

/* Time that passed stands for processor time, in units of CLOCKS_PER_SEC. */
clock_t _times_r(struct _reent *reent, struct tms *to)
{
    (void)reent;
    clock_t now = (clock_t)(bf_ticks_us() * CLOCKS_PER_SEC / 1000000);
    *to = (struct tms){.tms_utime = now};
    return now;
}

static void wait_us(unsigned long long left)
{
    const unsigned most = 1000000000;
    for (; left > most; left -= most)
        bf_sleep_us(most);
    bf_sleep_us((unsigned)left);
}

int nanosleep(const struct timespec *duration, struct timespec *rest)
{
    if (duration->tv_sec < 0 || duration->tv_nsec < 0 || duration->tv_nsec > 999999999)
        return fail(_REENT, EINVAL);
    wait_us((unsigned long long)duration->tv_sec * 1000000 + (duration->tv_nsec + 999) / 1000);
    if (rest)
        *rest = (struct timespec){0};
    return 0;
}

unsigned sleep(unsigned seconds)
{
    wait_us(seconds * 1000000ull);
    return 0;
}

int usleep(useconds_t duration_us)
{
    wait_us(duration_us);
    return 0;
}

int sched_yield(void)
{
    bf_yield();
    return 0;
}
