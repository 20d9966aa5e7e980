/* Primes by crossing out: one byte per number, one bit per number, and a linear sieve.
 *
 * check: sieve_bytes 1000
 * check: sieve_bits 1000
 * check: sieve_linear 500
 * check: sieve_bytes 2
 * check: bench 200
 */

#define LIMIT 1024

static unsigned char crossed[LIMIT];
static unsigned bits[LIMIT / 32];
static unsigned short least[LIMIT], primes[LIMIT / 4];

/* Number of primes below the limit. */
int sieve_bytes(int limit)
{
    int count = 0;
    for (int i = 0; i < limit; i++)
        crossed[i] = 0;
    for (int i = 2; i < limit; i++) {
        if (crossed[i])
            continue;
        count++;
        for (int j = i * i; j < limit; j += i)
            crossed[j] = 1;
    }
    return count;
}

/* Sum of the primes below the limit. */
int sieve_bits(int limit)
{
    int sum = 0;
    for (int i = 0; i < LIMIT / 32; i++)
        bits[i] = 0;
    for (int i = 2; i < limit; i++) {
        if (bits[i >> 5] >> (i & 31) & 1)
            continue;
        sum += i;
        for (int j = i + i; j < limit; j += i)
            bits[j >> 5] |= 1u << (j & 31);
    }
    return sum;
}

/* Digest of every number's least prime factor. */
int sieve_linear(int limit)
{
    int count = 0;
    unsigned digest = 0;
    for (int i = 0; i < limit; i++)
        least[i] = 0;
    for (int i = 2; i < limit; i++) {
        if (least[i] == 0) {
            least[i] = (unsigned short)i;
            primes[count++] = (unsigned short)i;
        }
        for (int p = 0; p < count && primes[p] <= least[i] && i * primes[p] < limit; p++)
            least[i * primes[p]] = primes[p];
        digest = digest * 33 + least[i];
    }
    return (int)digest;
}

int bench(int n)
{
    int limit = 50 + n % 900;
    return sieve_bytes(limit) + sieve_bits(limit) * 3 + (sieve_linear(limit) & 0xffff);
}

int main(void)
{
    unsigned sum = 0;
    for (int i = 0; i < 1500; i++)
        sum = sum * 31 + (unsigned)bench(i);
    return (int)sum;
}
