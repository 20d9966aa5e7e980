/* Data: initialised and zeroed globals, and pointers among them that a loader must relocate.
 *
 * check: walk_list 0
 * check: inner_pointers 2
 * check: strings 3
 * check: records 4
 * check: counters 9
 * check: wide 5
 * check: self_reference 0
 * check: bench 2
 */

static int zeroed[32];
static int numbers[8] = {2, 3, 5, 7, 11, 13, 17, 19};
const unsigned char bytes[5] = {250, 251, 252, 253, 254};
long long wide_value = 0x123456789abcdefLL;
static double fractions[3] = {0.5, -0.25, 1e10};

/* Pointers into the middle of other globals, before and after them in the file. */
static int *middle = &numbers[3];
static int *past_the_end = &numbers[8];
extern int later[4];
static int *forward = &later[2];
int later[4] = {100, 200, 300, 400};
static int **pointer_to_pointer = &middle;

/* A list that is linked before the program starts. */
struct node {
    const struct node *next;
    int value;
};
static const struct node third = {0, 30}, second = {&third, 20}, first = {&second, 10};

/* Structures with strings, functions and padding inside. */
static int twice(int x) { return 2 * x; }
static int square(int x) { return (int)((unsigned)x * (unsigned)x); }
struct record {
    char tag;
    const char *name;
    int (*apply)(int);
    struct { short low; unsigned char flags : 3, more : 5; } part;
    long long large;
};
static struct record all_records[3] = {
    {'a', "alpha", twice, {-1, 5, 17}, 1LL << 40},
    {'b', "beta", square, {300, 2, 31}, -7},
    {.tag = 'c', .apply = twice},
};

static const char *const words[] = {"the", "life", "of", "a", "hot", "function"};
static char buffer[16] = "writable";
static void *itself = &itself;

int walk_list(int start)
{
    int sum = start;
    for (const struct node *n = &first; n != 0; n = n->next)
        sum = sum * 7 + n->value;
    return sum;
}

int inner_pointers(int n)
{
    int sum = *middle + middle[-1] * n + past_the_end[-1] + *forward + forward[1];
    int *before = middle;
    *pointer_to_pointer = &numbers[n & 7];
    sum = sum * 10 + *middle;
    middle = before;
    return sum + (int)(past_the_end - numbers);
}

static int length(const char *text)
{
    const char *end = text;
    while (*end)
        end++;
    return (int)(end - text);
}

int strings(int n)
{
    unsigned digest = 0;
    for (int i = 0; i < (int)(sizeof words / sizeof words[0]); i++) {
        digest = digest * 31 + (unsigned)length(words[i]);
        digest = digest * 31 + (unsigned)words[i][0];
    }
    buffer[n & 7] = (char)('A' + n);
    for (int i = 0; buffer[i]; i++)
        digest = digest * 33 + (unsigned)buffer[i];
    buffer[n & 7] = "writable"[n & 7];
    return (int)digest;
}

int records(int n)
{
    unsigned digest = 0;
    for (int i = 0; i < 3; i++) {
        struct record copy = all_records[i];
        digest = digest * 31 + (unsigned)copy.apply(n + copy.part.low);
        digest = digest * 31 + (unsigned)(copy.tag + (copy.name ? length(copy.name) : -1));
        digest = digest * 31 + (unsigned)(copy.part.flags * 32 + copy.part.more);
        digest ^= (unsigned)(copy.large >> 33) + (unsigned)copy.large;
    }
    return (int)digest;
}

/* Zeroed memory and a static local; both are put back, so every call sees the same. */
int counters(int n)
{
    static int calls;
    int sum = 0;
    for (int i = 0; i < n; i++) {
        zeroed[i & 31] += i;
        calls++;
    }
    for (int i = 0; i < 32; i++) {
        sum += zeroed[i] * i;
        zeroed[i] = 0;
    }
    sum = sum * 100 + calls;
    calls = 0;
    return sum;
}

int wide(int shift)
{
    unsigned long long value = (unsigned long long)wide_value;
    value = value << shift | value >> (64 - shift);
    return (int)(value ^ (value >> 32)) + bytes[shift % 5] + (int)(fractions[shift % 2] * 100.0);
}

int self_reference(int n)
{
    void **at = itself;
    return n + (*at == (void *)at) + (at == (void **)&itself);
}

int bench(int n)
{
    unsigned sum = (unsigned)self_reference(n);
    for (int i = 0; i < n; i++) {
        sum = sum * 31 + (unsigned)(walk_list(i) ^ inner_pointers(i) ^ counters(i & 15));
        sum = sum * 31 + (unsigned)(strings(i & 7) ^ records(i) ^ wide(1 + (i & 31)));
    }
    return (int)sum;
}

int main(void)
{
    unsigned sum = 0;
    for (int i = 0; i < 4000; i++)
        sum = sum * 31 + (unsigned)bench(i & 7);
    return (int)sum;
}
