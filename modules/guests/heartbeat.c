/* How long a core makes no progress: reads the clock again and again and keeps the longest step.
 *
 * result: 0
 */
#include <bareflow.h>

/* The longest time between two readings, in microseconds, during duration_us. */
int heartbeat(int duration_us)
{
    long long start = bf_ticks_us(), last = start, longest = 0;
    while (last - start < duration_us) {
        long long now = bf_ticks_us();
        if (now - last > longest)
            longest = now - last;
        last = now;
    }
    return (int)longest;
}

int main(void) { return heartbeat(1000) < 0; }
