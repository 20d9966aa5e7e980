/* Floating point: matrices of float and double, conversions, comparisons.
 *
 * Every result must be the same to the last bit whoever computes it: IEEE arithmetic in the order
 * written, no fused operations. The loops are short, because QEMU computes floating point in
 * software.
 *
 * check: multiply_double 3
 * check: multiply_float 3
 * check: solve 9
 * check: convert -1234567
 * check: compare 11
 * check: horner 25
 * check: bench 1
 */

#define SIZE 6

static double da[SIZE][SIZE], db[SIZE][SIZE], dc[SIZE][SIZE];
static float fa[SIZE][SIZE], fb[SIZE][SIZE], fc[SIZE][SIZE];

/* The bits of a double, folded into an int. */
static int bits_double(double x)
{
    union { double d; unsigned word[2]; } u;
    u.d = x;
    return (int)(u.word[0] * 31 + u.word[1]);
}

static int bits_float(float x)
{
    union { float f; int word; } u;
    u.f = x;
    return u.word;
}

int multiply_double(int seed)
{
    unsigned digest = 0;
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++) {
            da[i][j] = (i * 7 + j * seed) / 3.0;
            db[i][j] = (i - j) * 0.1 + seed;
        }
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++) {
            double sum = 0;
            for (int k = 0; k < SIZE; k++)
                sum += da[i][k] * db[k][j];
            dc[i][j] = sum;
            digest = digest * 31 + (unsigned)bits_double(sum);
        }
    return (int)digest;
}

int multiply_float(int seed)
{
    unsigned digest = 0;
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++) {
            fa[i][j] = (float)(i * 7 + j * seed) / 3.0f;
            fb[i][j] = (float)(i - j) * 0.1f + (float)seed;
        }
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++) {
            float sum = 0;
            for (int k = 0; k < SIZE; k++)
                sum += fa[i][k] * fb[k][j];
            fc[i][j] = sum;
            digest = digest * 31 + (unsigned)bits_float(sum);
        }
    return (int)digest;
}

/* A square root by Newton's method, then its bits. */
int solve(int n)
{
    double x = n > 1 ? n : 1;
    for (int i = 0; i < 12; i++)
        x = 0.5 * (x + n / x);
    return bits_double(x);
}

/* Between integers, float and double, both ways. */
int convert(int n)
{
    double wide = n;
    float narrow = (float)wide;
    unsigned positive = (unsigned)(wide * wide / 1e6);
    long long big = (long long)(wide * 1e6);
    short small = (short)(int)(narrow / 100.0f);
    double back = (double)big + (double)positive + (double)(unsigned char)small;
    return bits_double(back) ^ bits_float((float)positive) ^ small;
}

/* Every comparison, with a not-a-number among the values. */
int compare(int n)
{
    volatile double zero = 0;
    double values[4] = {n * 0.5, -(double)n, zero / zero, zero};
    unsigned bits = 0;
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            double x = values[i], y = values[j];
            bits = bits << 1 | bits >> 31;
            bits ^= (unsigned)((x < y) | (x <= y) << 3 | (x == y) << 6 | (x != y) << 9);
            bits ^= (unsigned)((x > y) << 12 | (x >= y) << 15 | !(x < y) << 18);
        }
    return (int)bits;
}

int horner(int n)
{
    static const double coefficient[5] = {1.0, -0.5, 0.25, -0.125, 3.0};
    float x = (float)n / 16.0f;
    double sum = 0;
    for (int i = 0; i < 5; i++)
        sum = sum * x + coefficient[i];
    return bits_double(sum) ^ bits_float((float)sum * x);
}

int bench(int n)
{
    unsigned sum = 0;
    for (int i = 0; i <= n; i++)
        sum = sum * 31 + (unsigned)(solve(i + 2) ^ horner(i) ^ compare(i) ^ convert(i * 999));
    return (int)(sum + (unsigned)(multiply_double(n) ^ multiply_float(n)));
}

int main(void)
{
    unsigned sum = 0;
    for (int i = 0; i < 120; i++)
        sum = sum * 31 + (unsigned)bench(i & 1);
    return (int)sum;
}
