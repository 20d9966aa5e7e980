// Driver for everything.c, which stands before it: test(n) for n = 0, 1, … gives one number each
// that the interpreter and the native program must agree on.

int external(int n, ...) {
    va_list ap, copy;
    va_start(ap, n);
    va_copy(copy, ap);
    double d = va_arg(ap, double);
    long long l = va_arg(ap, long long);
    va_end(ap);
    return n + (int)(d * 4) + (int)l + (int)va_arg(copy, double);
}
int undeclared_args(a, b) int a; double b; { return a * 10 + (int)b; }

static unsigned mix(unsigned h, unsigned v) { return (h ^ v) * 0x01000193u; }
static unsigned mix_bytes(unsigned h, const void *p, size_t n) {
    const unsigned char *b = p;
    while (n--) h = mix(h, *b++);
    return h;
}

struct bits { unsigned a : 3; int b : 5; unsigned long long c : 37; _Bool d : 1; } bitfields = {5, -7, 0x1234567890ull, 1};
#define end_of ((int *)(zero + 60))
static struct { const char *name; int (*f)(int); int *where; ptrdiff_t span; } rows[] = {
    {"a", sub, &nodes[2].key, 4},
    {(const char *)strings, recursive, (int *)((char *)&nodes[1] + 8), sizeof(struct node)},
    {&"alphabet"[2], 0, end_of, 0},
};

static unsigned strings_and_tables(void) {
    unsigned h = 1;
    for (const char *const *s = strings; *s; s++) for (const char *c = *s; *c; c++) h = mix(h, (unsigned)*c);
    for (int i = 0; i < 3; i++) h = mix_bytes(h, &wide_table[i], 8) + shorts[i];
    for (int i = 0; i < 3; i++) h = mix(h, (unsigned)(floats[i] * 8));
    h = mix(h, packed.a + packed.b * 256 + packed.c);
    h = mix(h, *address + (int)(end_of_zero - (char *)zero));
    h = mix(h, as_number == (uintptr_t)&nodes[0]);
    return h;
}
static unsigned rows_test(void) {
    unsigned h = 2;
    h = mix(h, rows[0].f(5) + *rows[0].where + rows[0].span + rows[0].name[0]);
    h = mix(h, rows[1].f(10) + rows[1].span + (rows[1].name == (char *)strings));
    h = mix(h, (rows[2].f == 0) + rows[2].name[0] + (rows[2].where == end_of));
    return h;
}
static unsigned wide_arithmetic(void) {
    unsigned h = 3;
    static const long long v[] = {0, 1, -1, 0x7fffffffffffffffll, -0x7fffffffffffffffll, 1234567890123ll, -99};
    for (int i = 0; i < 7; i++)
        for (int j = 0; j < 7; j++) {
            long long r = wide(v[i], v[j]);
            h = mix_bytes(h, &r, 8);
            unsigned long long u = (unsigned long long)v[i] >> (j * 7) | (unsigned long long)v[j] << (63 - j);
            h = mix_bytes(h, &u, 8);
            h = mix(h, (v[i] < v[j]) + 2 * ((unsigned long long)v[i] < (unsigned long long)v[j]));
        }
    return h;
}
static unsigned real_arithmetic(void) {
    unsigned h = 4;
    static const double v[] = {0, 1.5, -2.25, 1e10, -1e-10, 123456.789};
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 6; j++) {
            double r = reals(v[i] / 1e5, (float)v[j], i - 3, j * 1000u);
            h = mix_bytes(h, &r, 8);
            float f = (float)(v[i] * v[j]) - (float)v[j];
            h = mix_bytes(h, &f, 4);
            h = mix(h, compare(v[i], v[j], (char *)4 + i, (char *)4 + j));
            h = mix(h, (int)(v[j] / 100) + (unsigned char)(signed char)(int)v[i % 3]);
        }
    return h;
}
static unsigned narrow(void) {
    unsigned h = 5;
    for (int i = -300; i < 300; i += 7) {
        signed char c = (signed char)i;
        unsigned char u = (unsigned char)i;
        short s = (short)(i * 300);
        c += 100; u -= 3; s = (short)(s >> 2);
        h = mix(h, (unsigned)(c / 3 + u % 7 + s * 2));
        h = mix(h, shifts((unsigned)i * 77777u, i));
        h = mix(h, (unsigned)dispatch(i % 9, i, i + 3) + (unsigned)dispatch(i, 5, 9));
    }
    return h;
}
static unsigned structs(void) {
    struct node list[4];
    unsigned h = 6;
    for (int i = 0; i < 4; i++) {
        list[i] = by_value(nodes[i % 3], packed);
        list[i].next = i < 3 ? &list[i + 1] : 0;
        h = mix(h, (unsigned)list[i].weight);
    }
    h = mix(h, sum_list(list) + use_by_value());
    struct node pair[3] = {list[0], list[1], list[2]};
    copy(pair, list, 2 * sizeof *list);
    h = mix(h, pair[1].key + pair[0].key + (pair[0].next != 0) + pair[2].key);
    bitfields.a += 2; bitfields.b = bitfields.b * 3 + 1; bitfields.c ^= 0xfff; bitfields.d = !bitfields.d;
    h = mix(h, bitfields.a | (unsigned)bitfields.b << 4 | (unsigned)(bitfields.c >> 5) | bitfields.d << 30);
    bitfields.d = !bitfields.d; bitfields.c ^= 0xfff; bitfields.a -= 2; bitfields.b = -7;
    union either e = {.f = 1.25f};
    return mix(h, bits(e) - (unsigned)per_thread);
}
static unsigned loops(void) {
    float a[16], b[16], c[16];
    int v[100];
    uint8_t s[50], d[50];
    unsigned h = 7;
    for (int i = 0; i < 16; i++) { a[i] = (float)i * 0.5f; b[i] = 8 - (float)i; }
    matrix(c, a, b, 4);
    h = mix_bytes(h, c, sizeof c);
    for (int i = 0; i < 100; i++) v[i] = (i * 7919) % 1000 - 500;
    h = mix(h, reduce(v, 100));
    for (int i = 0; i < 50; i++) s[i] = (uint8_t)(i * 9);
    saturate(d, s, 50);
    h = mix_bytes(h, d, 50);
    for (int i = 0; i < 100; i++) if (v[i] > 0) v[i] = v[99 - i] * 3;
    return mix_bytes(h, v, sizeof v) + dynamic(20);
}
static unsigned calls(void) {
    unsigned h = 8;
    h = mix(h, variadic(4, 10, 20, 30, 40) + (int)call_variadic());
    h = mix(h, indirect(0, 9) + indirect(1, 9) + recursive(12));
    for (int i = 0; i < 12; i++) h = mix(h, computed(i));
    return mix(h, trap(1) + barrier(77));
}
static unsigned shared(void) {
    int i = 4;
    long q = 1;
    unsigned h = mix(9, atomics(&i, &q));
    h = mix(h, i + q);
    return mix(h, overflow(1 << 20, 1 << 12) + overflow(1000, -1000) + overflow(46341, 46341));
}
static unsigned big_integers(void) {
    unsigned _BitInt(128) x = 0x0123456789abcdefull, y = 77;
    for (int i = 0; i < 5; i++) { x = x * x + y; y ^= x >> 61; }
    unsigned _BitInt(37) n = 0x1555555555;
    n = n * 3 + 1;
    unsigned h = mix(10, (unsigned)(x >> 96) ^ (unsigned)y);
    return mix(h, (unsigned)(n >> 5) + (x < y) + (unsigned)(n % 1000));
}
static unsigned phis_and_selects(void) {
    unsigned h = 11;
    for (int i = 0; i < 40; i++) {
        int m = i > 20 ? i & 1 ? i : -i : i * 3, k = m;
        do { k = k & 1 ? k * 3 + 1 : k / 2; h = mix(h, (unsigned)k); } while (k > 1 && k < 1000 && (h & 15));
        const char *s = i & 4 ? "left" : "right";
        h = mix(h, s[i & 3] + (i == 7 ? (unsigned)(uintptr_t)strings[3] : 1u));
    }
    return h;
}

unsigned test(int n) {
    switch (n) {
    case 0: return strings_and_tables();
    case 1: return rows_test();
    case 2: return wide_arithmetic();
    case 3: return real_arithmetic();
    case 4: return narrow();
    case 5: return structs();
    case 6: return loops();
    case 7: return calls();
    case 8: return shared();
    case 9: return big_integers();
    case 10: return phis_and_selects();
    }
    return 0;
}
