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
