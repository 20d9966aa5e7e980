/* Calls through pointers: tables, callbacks, comparators, a small interpreter, methods.
 *
 * check: apply 0 20
 * check: apply 3 20
 * check: apply 7 20
 * check: run_program 10
 * check: sort_by 1
 * check: sort_by -1
 * check: shapes 6
 * check: compose 5
 * check: bench 3
 */

typedef int (*operation)(int, int);

static int op_add(int a, int b) { return (int)((unsigned)a + (unsigned)b); }
static int op_sub(int a, int b) { return (int)((unsigned)a - (unsigned)b); }
static int op_mul(int a, int b) { return (int)((unsigned)a * (unsigned)b); }
static int op_xor(int a, int b) { return a ^ b; }

static const operation operations[4] = {op_add, op_sub, op_mul, op_xor};

int apply(int which, int n)
{
    int value = n;
    for (int i = 1; i < 16; i++)
        value = operations[(which + i) & 3](value, i);
    return value;
}

/* A stack machine: a switch for the control flow, a table for the operators. */
int run_program(int n)
{
    enum { PUSH, OPERATE, DUP, LOOP, HALT };
    static const signed char program[] = {PUSH, 3, OPERATE, 0, DUP, OPERATE, 3, PUSH, 7,
                                          OPERATE, 2, LOOP, 0, HALT};
    int stack[16], top = 0, at = 0, left = n, value = 1;
    stack[top++] = value;
    for (;;) {
        switch (program[at++]) {
        case PUSH:
            stack[top++] = program[at++] + left;
            break;
        case OPERATE:
            value = operations[program[at++]](stack[top - 1], top > 1 ? stack[top - 2] : 1);
            if (top > 1)
                top--;
            stack[top - 1] = value;
            break;
        case DUP:
            stack[top] = op_add(stack[top - 1], 1);
            top++;
            break;
        case LOOP:
            at = left-- > 0 ? program[at] : at + 1;
            break;
        default:
            return stack[top - 1];
        }
    }
}

static int rising(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
static int falling(const void *a, const void *b) { return *(const int *)b - *(const int *)a; }

/* Shell sort of untyped elements, as the C library's qsort would be called. */
static void sort(void *base, int count, int size, int (*order)(const void *, const void *))
{
    char *bytes = base;
    for (int gap = count / 2; gap > 0; gap /= 2)
        for (int i = gap; i < count; i++)
            for (int j = i - gap; j >= 0; j -= gap) {
                char *left = bytes + j * size, *right = left + gap * size;
                if (order(left, right) <= 0)
                    break;
                for (int k = 0; k < size; k++) {
                    char t = left[k];
                    left[k] = right[k];
                    right[k] = t;
                }
            }
}

int sort_by(int direction)
{
    int values[24];
    unsigned digest = 0;
    for (int i = 0; i < 24; i++)
        values[i] = i * 37 % 24 * 5;
    sort(values, 24, sizeof values[0], direction > 0 ? rising : falling);
    for (int i = 0; i < 24; i++)
        digest = digest * 31 + (unsigned)values[i];
    return (int)digest;
}

struct shape {
    int (*area)(const struct shape *);
    short width, height;
};

static int rectangle(const struct shape *s) { return s->width * s->height; }
static int triangle(const struct shape *s) { return s->width * s->height / 2; }

/* Methods through a pointer in the object. */
int shapes(int n)
{
    struct shape all[4] = {{rectangle, 3, 4}, {triangle, 5, 6}, {triangle, 7, 8}, {rectangle, 9, 2}};
    int sum = 0;
    for (int i = 0; i < n; i++) {
        struct shape *s = &all[i & 3];
        s->width = (short)(s->width + i);
        sum += s->area(s);
    }
    return sum;
}

static int twice(int x) { return 2 * x; }
static int less_one(int x) { return x - 1; }
static int (*choose(int bit))(int) { return bit ? twice : less_one; }

/* A function that returns a function; equal pointers must compare equal. */
int compose(int bits)
{
    int value = 1, same = 0;
    for (int i = 0; i < 8; i++) {
        int (*f)(int) = choose(bits >> i & 1);
        same += f == twice;
        value = f(value + i);
    }
    return value * 10 + same;
}

int bench(int n)
{
    unsigned sum = 0;
    for (int i = 0; i < n; i++) {
        sum = sum * 31 + (unsigned)(apply(i, i) ^ run_program(i & 7));
        sum += (unsigned)(shapes(i & 15) ^ compose(i));
    }
    return (int)(sum ^ (unsigned)sort_by(n & 1));
}

int main(void)
{
    unsigned sum = 0;
    for (int i = 0; i < 3000; i++)
        sum = sum * 31 + (unsigned)bench(i & 3);
    return (int)sum;
}
