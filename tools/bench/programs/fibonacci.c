/* Doubly recursive Fibonacci: nothing but calls. */
#include <stdint.h>

static uint32_t fib(uint32_t n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

uint32_t bench(uint32_t n) { return fib(20 + n % 2); }
