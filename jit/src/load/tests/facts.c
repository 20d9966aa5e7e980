// What `facts.rs` asserts stands in comments before each function.
struct pair { int number; float weight; };

// Inlined through a call in this file, and lies in another one.
# 40 "leaf.h"
static inline int leaf(const int *p) {
    return *p * 3;
}
# 10 "facts.c"
static inline int middle(const int *p) {
    return leaf(p + 5) + 1;
}
int outer(const int *p) {
    return middle(p);
}

// Members of a struct: other types at other offsets of one object.
float member(struct pair *pair) {
    pair->number = 1;
    return pair->weight;
}

// A truth value is 0 or 1 in memory.
int truth(_Bool *flag) {
    return *flag;
}

// What two restrict pointers point to is apart, for as long as the inlined call lasts.
static inline void copy(int *restrict to, const int *restrict from) {
    *to = *from;
}
void copies(int *a, int *b) {
    copy(a, b);
}

extern void visit(int);
// A loop that asks not to be unrolled, and a branch that is hardly ever taken.
void hinted(int n) {
    if (__builtin_expect(n == 77, 0)) visit(-1);
#pragma clang loop unroll(disable)
    for (int i = 0; i < n; i++) visit(i);
}

// A loop that clang vectorised.
void doubled(int *values, int n) {
    for (int i = 0; i < n; i++) values[i] *= 2;
}
