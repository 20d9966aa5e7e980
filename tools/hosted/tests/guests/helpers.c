/* Block copies and fills against loops over bytes, every length up to 300 and some longer ones. */
typedef unsigned size_t;
void *memcpy(void *, const void *, size_t);
void *memmove(void *, const void *, size_t);
void *memset(void *, int, size_t);

#define SIZE 5000
static unsigned char a[SIZE], b[SIZE];

static void fill(unsigned char *p, unsigned seed)
{
    for (int i = 0; i < SIZE; i++) {
        seed = seed * 1103515245 + 12345;
        p[i] = seed >> 16;
    }
}

static int differ(void)
{
    for (int i = 0; i < SIZE; i++)
        if (a[i] != b[i])
            return 1;
    return 0;
}

static void move_bytes(volatile unsigned char *to, volatile unsigned char *from, int n)
{
    if (to < from)
        for (int i = 0; i < n; i++)
            to[i] = from[i];
    else
        while (n--)
            to[n] = from[n];
}

static int one(int to, int from, int n)
{
    fill(a, n + to);
    fill(b, n + to);
    move_bytes(b + to, b + from, n);
    if (memmove(a + to, a + from, n) != a + to || differ())
        return 1;
    int far = from + n <= to || to + n <= from;
    if (far && (memcpy(a + from, a + to, n) != a + from))
        return 2;
    if (far) {
        move_bytes(b + from, b + to, n);
        if (differ())
            return 3;
    }
    if (memset(a + to, n + 0x100, n) != a + to)
        return 4;
    for (volatile int i = 0; i < n; i++)
        b[to + i] = n;
    return differ() ? 5 : 0;
}

int blocks(void)
{
    static const int longer[] = {511, 512, 513, 640, 1000, 1025, 1500, 2000};
    static const int distances[] = {0, 1, 3, 15, 16, 31, 33, 64, 100, 129, 255, 300, 2001};
    for (int i = 0; i < 301 + 8; i++) {
        int n = i <= 300 ? i : longer[i - 301];
        for (int k = 0; k < 13; k++) {
            int base = 200 + n % 7, other = base + distances[k];
            int wrong = one(base, other, n);
            if (!wrong)
                wrong = 10 * one(other, base, n);
            if (wrong)
                return wrong + 100 * n;
        }
    }
    return 0;
}

int copy_to_null(void)
{
    memcpy((void *)16, a, 100);
    return 0;
}
