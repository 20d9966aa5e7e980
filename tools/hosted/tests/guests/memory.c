/* Heap, clock, random bytes, and addresses that are not the program's. */
#include <bareflow.h>

int heap(void)
{
    char *next = bf_grow(0);
    char *first = bf_grow(5000), *second = bf_grow(1);
    if (first != next || second != first + 8192 || ((unsigned)first & 4095))
        return 1;
    for (int i = 0; i < 8192; i++)
        if (first[i])
            return 2;
    first[0] = second[4095] = 1;
    if (bf_grow(0x7fffffff) || bf_grow(0xffffffff))
        return 3;
    char *large = bf_grow(1 << 30);
    if (large != second + 4096)
        return 4;
    large[(1 << 30) - 1] = 1;
    if (bf_grow(1 << 30))
        return 5;
    return 0;
}

int clock(void)
{
    long long before = bf_ticks_us();
    bf_sleep_us(1000);
    if (bf_ticks_us() - before < 1000)
        return 1;
    /* Later than when this was written. */
    return bf_clock_us() < 1700000000000000ll ? 2 : 0;
}

int random_bytes(void)
{
    unsigned a[4] = {0}, b[4] = {0};
    if (bf_random(a, sizeof a) != sizeof a || bf_random(b, sizeof b) != sizeof b)
        return 1;
    return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] ? 2 : 0;
}

int bad_addresses(void)
{
    void *const null = 0, *const last = (void *)0xfffff000;
    static const char constant[32];
    if (bf_write(1, null, 1) != -BF_EFAULT || bf_write(1, last, 1) != -BF_EFAULT)
        return 1;
    if (bf_random(null, 1) != -BF_EFAULT || bf_random((void *)constant, 1) != -BF_EFAULT)
        return 2;
    if (bf_fstat(1, null) != -BF_EFAULT || bf_open(last, 200, BF_OPEN_READ) != -BF_EFAULT)
        return 3;
    if (bf_wait(null, 0, 0) != -BF_EFAULT || bf_wait((char *)constant + 1, 0, 0) != -BF_EFAULT)
        return 4;
    int word = 1;
    if (bf_wait(&word, 2, -1) != -BF_EAGAIN || bf_wait(&word, 1, 1000) != -BF_ETIMEDOUT)
        return 5;
    if (bf_wake(&word, 1) != 0 || bf_wake(&word, -1) != 0)
        return 6;
    if (bf_spawn((void *)&word, 0, -1) != -BF_EINVAL || bf_spawn(0, 0, -1) != -BF_EINVAL)
        return 7;
    if (bf_pin(-2) != -BF_EINVAL || bf_pin(bf_core_count()) != -BF_EINVAL || bf_pin(-1))
        return 8;
    return 0;
}
