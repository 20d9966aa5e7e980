/* Nested loops over two-dimensional arrays of integers.
 *
 * check: multiply 3
 * check: multiply -7
 * check: transpose 5
 * check: power_trace 6
 * check: bench 2
 */

#define SIZE 12

typedef int matrix[SIZE][SIZE];

static matrix a, b, c;

static void fill(matrix m, int seed)
{
    unsigned state = (unsigned)seed * 2654435761u + 1;
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++) {
            state = state * 1664525u + 1013904223u;
            m[i][j] = (int)(state >> 24) - 128;
        }
}

static void product(matrix out, matrix left, matrix right)
{
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++) {
            unsigned sum = 0;
            for (int k = 0; k < SIZE; k++)
                sum += (unsigned)left[i][k] * (unsigned)right[k][j];
            out[i][j] = (int)sum;
        }
}

static int digest(matrix m)
{
    unsigned sum = 0;
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++)
            sum = sum * 31 + (unsigned)m[i][j];
    return (int)sum;
}

int multiply(int seed)
{
    fill(a, seed);
    fill(b, seed + 1);
    product(c, a, b);
    return digest(c);
}

int transpose(int seed)
{
    fill(a, seed);
    for (int i = 0; i < SIZE; i++)
        for (int j = i + 1; j < SIZE; j++) {
            int t = a[i][j];
            a[i][j] = a[j][i];
            a[j][i] = t;
        }
    return digest(a);
}

/* Trace of a power of a matrix, with whole matrices copied on the way. */
int power_trace(int exponent)
{
    struct boxed { matrix m; } now, next;
    unsigned trace = 0;
    fill(now.m, exponent);
    fill(a, exponent);
    for (int i = 1; i < exponent; i++) {
        product(next.m, now.m, a);
        now = next;
    }
    for (int i = 0; i < SIZE; i++)
        trace += (unsigned)now.m[i][i];
    return (int)trace;
}

int bench(int n)
{
    unsigned sum = 0;
    for (int i = 0; i < n; i++)
        sum = sum * 31 + (unsigned)(multiply(i) ^ transpose(i));
    return (int)(sum + (unsigned)power_trace(2 + (n & 1)));
}

int main(void)
{
    unsigned sum = 0;
    for (int i = 0; i < 600; i++)
        sum = sum * 31 + (unsigned)bench(i & 3);
    return (int)sum;
}
