// See main.c.
int shared = 5;
int common __attribute__((common));
_Thread_local int counter;
extern int table[];
int use_b(int);
void longjmp(int *, int) __attribute__((noreturn));
int replaced(void) { return 2; }
int use_a(int n, void *f) {
    int (*call)(int) = f;
    if (n > 99) longjmp(table, n);
    switch (n) {
    case 1: return call(1);
    case 200: return 7;
    case -5: return use_b(n);
    case 100000: return n;
    default: return call(n) + counter++;
    }
}
