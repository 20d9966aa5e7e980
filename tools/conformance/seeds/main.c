// A program of several files: what a linker has to do, with library-a.c and library-b.c in an archive.
extern int shared, table[];
extern _Thread_local int counter;
extern int absent __attribute__((weak));
int common __attribute__((common));
_Thread_local int own = 3;
__attribute__((weak)) int replaced(void) { return 1; }
int use_a(int, void *), use_b();
int setjmp(int *), vary(const char *, ...);
void longjmp(int *, int) __attribute__((noreturn));
void *memcpy(void *, const void *, unsigned);
static int log[4], at;
static int buffer[4];

__attribute__((constructor(200))) static void later(void) { log[at++ & 3] = 2; }
__attribute__((constructor)) static void last(void) { log[at++ & 3] = 3; }
__attribute__((destructor)) static void gone(void) { log[0] = 0; }

struct big { int words[9]; };
static struct big made(struct big by, int n) { by.words[n & 7] += n; return by; }

int main(int argc, char **argv) {
    struct big b = {{argc}};
    b = made(b, argc);
    if (setjmp(buffer) == 0) use_a(argc, &use_b);
    if (&absent) return absent;
    memcpy(log, b.words, sizeof log);
    counter += own++;
    common = replaced() + shared + table[1];
    // A call of another type than the definition's.
    int odd = use_b(argc, 2.5, (long long)argc << 40);
    return odd + vary("%d%f", argc, 1.0 * argc) + common + (argv == 0);
}
