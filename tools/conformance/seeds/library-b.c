// See main.c.
int table[4] = {1, 2, 3, 4};
extern int alias_of_table[4] __attribute__((alias("table")));
__attribute__((constructor(101))) static void first(void) { table[3]++; }
int use_b(int n) { return alias_of_table[n & 3]; }
int vary(const char *text, ...) {
    __builtin_va_list list;
    __builtin_va_start(list, text);
    int sum = __builtin_va_arg(list, int) + (int)__builtin_va_arg(list, double);
    __builtin_va_end(list);
    return sum;
}
