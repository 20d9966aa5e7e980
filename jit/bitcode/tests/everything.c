// What ordinary C code makes clang write, in one file: the reader's and translator's test input.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct node { int key; struct node *next; double weight; char tag[12]; };
struct __attribute__((packed)) odd { char a; int b; short c; };
union either { float f; unsigned u; };

extern int external(int, ...);
extern int undeclared_args();
static struct node nodes[3] = {{1, &nodes[1], 1.5, "one"}, {2, &nodes[2], 2.5, "two"}, {3, 0, 3.5, ""}};
int *address = &nodes[1].key;
const char *strings[] = {"alpha", "beta", "gamma", 0};
uint64_t wide_table[] = {0x0123456789abcdefull, 0xffffffffffffffffull, 1};
short shorts[5] = {1, -2, 3};
float floats[] = {1.0f, 0.5f, -3.25f};
struct odd packed = {1, 2, 3};
static int zero[64];
int (*table[])(int) = {0, 0};
char *end_of_zero = (char *)(zero + 64);
uintptr_t as_number = (uintptr_t)&nodes;
_Thread_local int per_thread = 7;
volatile int port;

int add(int a, int b) { return a + b; }
static int sub(int a) { return a - 1; }
int indirect(int which, int v) { table[0] = sub; return table[which & 1] ? table[which & 1](v) : add(v, 2); }
long long wide(long long a, unsigned long long b) { return a * 3 / (long long)(b | 1) + (a >> 7) - (long long)(b << 5) % 11; }
unsigned shifts(unsigned x, int n) { return (x << (n & 31)) | (x >> (-n & 31)) ^ (x & ~7u); }
double reals(double a, float b, int i, unsigned u) {
    double r = a * b + i - u / 3.0;
    if (r < 0 || r != r) r = -r;
    return r > 1e300 ? (float)r : (double)(int)r + (unsigned)a + __builtin_fabs(b);
}
int sum_list(const struct node *n) { int s = 0; for (; n; n = n->next) s += n->key + n->tag[n->key & 7]; return s; }
int dispatch(int op, int a, int b) {
    switch (op) {
    case 0: return a + b; case 1: return a - b; case 2: return a * b;
    case 3: return b ? a / b : 0; case 4: return b ? a % b : 0;
    case 100: return a ^ b; case -7: return a | b; case 1000000: return a & b;
    default: return __builtin_popcount(a) + __builtin_clz(b | 1) + __builtin_ctz(a | 1);
    }
}
int variadic(int n, ...) {
    va_list ap; int s = 0;
    va_start(ap, n);
    while (n--) s += va_arg(ap, int);
    va_end(ap);
    return s;
}
double call_variadic(void) { return variadic(3, 1, 2, 3) + external(2, 1.5, 7ll) + undeclared_args(1, 2.0); }
struct node by_value(struct node n, struct odd o) { n.key += o.b; n.weight *= 2; return n; }
int use_by_value(void) { struct node n = nodes[0]; return by_value(n, packed).key; }
void matrix(float *restrict c, const float *restrict a, const float *restrict b, int n) {
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            float s = 0;
            for (int k = 0; k < n; k++) s += a[i * n + k] * b[k * n + j];
            c[i * n + j] = s;
        }
}
void saturate(uint8_t *d, const uint8_t *s, int n) { for (int i = 0; i < n; i++) { int v = s[i] * 3 / 2; d[i] = v > 255 ? 255 : v; } }
int reduce(const int *v, int n) { int s = 0, m = 0; for (int i = 0; i < n; i++) { s += v[i]; if (v[i] > m) m = v[i]; } return s ^ m; }
int dynamic(int n) { int v[n]; for (int i = 0; i < n; i++) v[i] = i; return reduce(v, n); }
int computed(int n) {
    static void *labels[] = {&&a, &&b, &&c};
    int s = 0;
again:
    if (n <= 0) return s;
    goto *labels[n % 3];
a: s += 1; n -= 1; goto again;
b: s += 2; n -= 2; goto again;
c: s += 3; n -= 1; goto again;
}
int atomics(int *p, long *q) {
    int old = __atomic_fetch_add(p, 2, __ATOMIC_SEQ_CST), want = 4;
    __atomic_store_n(q, 3, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (__atomic_compare_exchange_n(p, &want, 5, 1, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) old++;
    return old + __atomic_load_n(q, __ATOMIC_ACQUIRE) + __atomic_exchange_n(p, 9, __ATOMIC_RELAXED);
}
int overflow(int a, int b) { int r; return __builtin_mul_overflow(a, b, &r) || __builtin_add_overflow(a, b, &r) ? -1 : r; }
unsigned bits(union either e) { e.f *= 2; return __builtin_bswap32(e.u) + per_thread++ + port; }
int barrier(int v) { __asm__ volatile("" : "+r"(v) : : "memory"); return v; }
void copy(struct node *d, const struct node *s, size_t n) { __builtin_memcpy(d, s, n); __builtin_memset(d, 0, 16); __builtin_memmove(d + 1, d, n); }
int trap(int v) { if (v == 3) __builtin_trap(); if (v == 4) __builtin_unreachable(); return v; }
_Bool compare(double a, double b, char *p, char *q) { return (a <= b) + (p < q) + !(a >= b) == 2; }
int recursive(int n) { return n < 2 ? n : recursive(n - 1) + recursive(n - 2); }
