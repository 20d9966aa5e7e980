/* Integer work without memory: shifts, multiplications, divisions, 64-bit products.
 *
 * check: collatz 27
 * check: collatz 97
 * check: gcd 1071 462
 * check: is_prime 1009
 * check: is_prime 1001
 * check: power_mod 3 200 1000003
 * check: checksum 12345
 * check: mandelbrot 0 0
 * check: mandelbrot 5000 900
 * check: bit_count -559038737
 * check: bench 4
 */

int collatz(int start)
{
    unsigned n = (unsigned)start;
    int steps = 0;
    while (n > 1) {
        n = n & 1 ? 3 * n + 1 : n >> 1;
        steps++;
    }
    return steps;
}

int gcd(int a, int b)
{
    while (b != 0) {
        int rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

int is_prime(int n)
{
    if (n < 2)
        return 0;
    for (int d = 2; d * d <= n; d++)
        if (n % d == 0)
            return 0;
    return 1;
}

/* Products of 64 bits, and their division. */
int power_mod(int base, int exponent, int modulus)
{
    unsigned long long result = 1, square = (unsigned)base;
    for (unsigned e = (unsigned)exponent; e != 0; e >>= 1) {
        if (e & 1)
            result = result * square % (unsigned)modulus;
        square = square * square % (unsigned)modulus;
    }
    return (int)result;
}

/* CRC-32 of the four bytes of a number, bit by bit. */
int checksum(int value)
{
    unsigned crc = ~(unsigned)value;
    for (int bit = 0; bit < 32; bit++)
        crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1)));
    return (int)~crc;
}

/* Steps until a point escapes, in fixed point with 12 bits after the point. */
int mandelbrot(int cx, int cy)
{
    int x = 0, y = 0, steps = 0;
    while (steps < 40 && x * x / 4096 + y * y / 4096 < 4 * 4096) {
        int next = (x * x - y * y) / 4096 + cx;
        y = 2 * x * y / 4096 + cy;
        x = next;
        steps++;
    }
    return steps;
}

int bit_count(int value)
{
    unsigned v = (unsigned)value;
    v = v - ((v >> 1) & 0x55555555u);
    v = (v & 0x33333333u) + ((v >> 2) & 0x33333333u);
    v = (v + (v >> 4)) & 0x0F0F0F0Fu;
    return (int)(v * 0x01010101u >> 24);
}

int bench(int n)
{
    unsigned sum = 0;
    for (int i = 1; i <= n; i++) {
        sum = sum * 31 + (unsigned)collatz(i & 63);
        sum += (unsigned)(gcd(i * 12, 90) + is_prime(i) + bit_count(i * 77777));
        sum ^= (unsigned)(checksum(i) + mandelbrot(i * 16 - 4096, i * 8));
    }
    return (int)(sum + (unsigned)power_mod(n + 2, 1000 + n, 1000003));
}

int main(void)
{
    unsigned sum = 0;
    for (int i = 0; i < 3000; i++)
        sum = sum * 31 + (unsigned)bench(2 + (i & 15));
    return (int)sum;
}
