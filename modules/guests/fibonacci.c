/* Calls: recursion, a loop with two carried values, and a tree of tiny functions.
 *
 * check: fib 1
 * check: fib 15
 * check: fib_loop 40
 * check: fib_pair 30
 * check: bench 3
 */

int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

/* The same by a loop; wraps like unsigned arithmetic. */
int fib_loop(int n)
{
    unsigned a = 0, b = 1;
    while (n-- > 0) {
        unsigned next = a + b;
        a = b;
        b = next;
    }
    return (int)a;
}

static unsigned step(unsigned a, unsigned b) { return a + b; }

/* The same once more, with a call in the loop. */
int fib_pair(int n)
{
    unsigned a = 0, b = 1;
    for (int i = 0; i < n; i += 2) {
        a = step(a, b);
        b = step(b, a);
    }
    return (int)(n & 1 ? b - a : a);
}

int bench(int n)
{
    unsigned sum = 0;
    for (int i = 0; i < n; i++)
        sum = sum * 31 + (unsigned)fib(i % 10) + (unsigned)(fib_loop(i % 47) ^ fib_pair(i % 45));
    return (int)sum;
}

int main(void) { return fib(20) ^ bench(12000); }
