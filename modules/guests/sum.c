/* Loops that add: counting, over memory, with a condition, with 64-bit values.
 *
 * check: sum_to 0
 * check: sum_to 1000
 * check: sum_table 100
 * check: sum_odd 77
 * check: sum_wide 1000
 * check: sum_bytes 64
 * check: bench 5
 */

static int table[128];
static unsigned char bytes[64];

int sum_to(int n)
{
    int sum = 0;
    for (int i = 1; i <= n; i++)
        sum += i;
    return sum;
}

int sum_table(int n)
{
    int sum = 0;
    for (int i = 0; i < 128; i++)
        table[i] = i * n - 64;
    for (int i = 0; i < 128; i++)
        sum += table[i];
    return sum;
}

int sum_odd(int n)
{
    int sum = 0;
    for (int i = 0; i < n; i++)
        if (i & 1)
            sum += i * i;
        else
            sum -= i;
    return sum;
}

/* Needs more than 32 bits on the way, and no closed form. */
int sum_wide(int n)
{
    unsigned long long sum = 0;
    for (int i = 0; i < n; i++)
        sum = (sum ^ (unsigned long long)i * i) * 100003;
    return (int)(sum ^ (sum >> 32));
}

int sum_bytes(int n)
{
    unsigned sum = 0;
    for (int i = 0; i < 64; i++)
        bytes[i] = (unsigned char)(i * 7 + n);
    for (int i = 0; i < 64; i++)
        sum = sum * 3 + (unsigned)(signed char)bytes[i];
    return (int)sum;
}

int bench(int n)
{
    unsigned sum = 0;
    for (int i = 0; i < n; i++)
        sum = sum * 17 + (unsigned)(sum_to(i & 31) + sum_odd(i & 31) + sum_wide(i & 15));
    return (int)(sum + (unsigned)sum_table(n) + (unsigned)sum_bytes(n));
}

int main(void)
{
    unsigned sum = 0;
    for (int i = 0; i < 12000; i++)
        sum = sum * 31 + (unsigned)bench(i & 15);
    return (int)sum;
}
