/* Watches one function being published again and again; what it returns names its version.
 *
 * result: 0
 */

static volatile int zero;

/* Replaced while it is being called. */
__attribute__((noinline)) int version(void) { return zero; }

/* Calls version() until it returns last; the number of calls, or -1 if a version came back that had
 * been replaced. */
int watch(int last)
{
    int newest = 0, calls = 0;
    while (newest < last) {
        int now = version();
        calls++;
        if (now < newest)
            return -1;
        newest = now;
    }
    return calls;
}

int main(void) { return watch(0); }
