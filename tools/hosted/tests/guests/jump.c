/* setjmp and longjmp. */
typedef int jmp_buf[9];
int setjmp(jmp_buf) __attribute__((returns_twice));
void longjmp(jmp_buf, int) __attribute__((noreturn));

static jmp_buf buffer, other;
static volatile int trace;

int jump(void)
{
    volatile int passes = 0;
    int value = setjmp(buffer);
    if (value != passes * 11)
        return 1;
    if (passes == 3)
        return 0;
    passes++;
    longjmp(buffer, passes * 11);
}

static int sink(int depth)
{
    char space[200];
    space[depth % 200] = (char)depth;
    if (depth == 0)
        longjmp(other, 77);
    return sink(depth - 1) + space[depth % 200];
}

int deep(void)
{
    int a = trace + 1, b = trace + 2, c = trace + 3, d = trace + 4, e = trace + 5;
    if (!setjmp(other)) {
        sink(100);
        return 1;
    }
    return a + b + c + d + e - 15;
}

int zero(void)
{
    volatile int passes = 0;
    int value = setjmp(buffer);
    if (passes++)
        return value == 1 ? 0 : 1;
    longjmp(buffer, 0);
}

int never_set(void)
{
    jmp_buf nothing = {0};
    longjmp(nothing, 1);
}

__attribute__((noinline)) static int set_and_return(void)
{
    return setjmp(buffer);
}

__attribute__((noinline)) static int use_stack(int n)
{
    volatile char space[4000];
    space[n] = 1;
    longjmp(buffer, 1);
}

int frame_is_gone(void)
{
    if (set_and_return())
        return 1;
    jmp_buf copy;
    (void)copy;
    buffer[0] -= 100000;
    return use_stack(1);
}

/* Five values that are worth registers, before and after a call. */
#define ROUNDS(seed) for (int i = 0; i < 9; i++) a += b ^ i, b += c, c ^= d + seed, d += e, e += a

/* Fills registers and leaves with them. */
__attribute__((noinline)) static int spoil(int depth)
{
    int a = trace + 1, b = 20, c = 300, d = 4000, e = 50000;
    ROUNDS(depth);
    if (depth == 0)
        longjmp(other, 1);
    int deeper = spoil(depth - 1);
    ROUNDS(deeper);
    return a ^ b ^ c ^ d ^ e;
}

__attribute__((noinline)) static int caught(int depth)
{
    if (setjmp(other))
        return 1;
    return spoil(depth);
}

__attribute__((noinline)) static int rounds(int depth)
{
    int a = trace + 1, b = 2, c = 3, d = 4, e = 5;
    ROUNDS(0);
    if (depth && caught(depth) != 1)
        return 0;
    ROUNDS(1);
    return a ^ b ^ c ^ d ^ e;
}

/* What a caller has in registers is there after a callee was left by longjmp. */
int kept(void)
{
    return rounds(0) != rounds(6);
}
