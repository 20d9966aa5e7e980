// A little that is much in memory: zeros, gaps, repetition.
static char zeros[1 << 28];
int after_zeros = 1;
_Alignas(65536) char aligned = 2;
struct { int first; char rest[1 << 16]; int last; } sparse = {1, {0}, 3};
const char *const table[512] = {[3] = zeros, [511] = &aligned};
_Thread_local int local[1000] = {[999] = 1};
struct part { struct { short a[4]; } b[8]; } parts[64] = {[0 ... 63] = {{[0 ... 7] = {{1, 2, 3, 4}}}}};
int use(int n) {
    volatile char frame[1 << 20];
    frame[n] = zeros[n];
    return frame[0] + parts[n].b[1].a[2] + local[n] + *table[n & 511] + sparse.last;
}
