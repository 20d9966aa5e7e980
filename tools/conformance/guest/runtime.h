/* runtime.h: what generated programs need of a C library, with no library behind it.
 *
 * The same text is compiled into the module and into the native program that judges it, so both
 * print through the same code; only bf_write and bf_exit differ (imports there, start.c here).
 */
#ifndef RUNTIME_H
#define RUNTIME_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

int bf_write(unsigned fd, const void *data, unsigned length);
_Noreturn void bf_exit(unsigned status);

/* Weak, so that a C library linked later may bring its own. */
#define RT __attribute__((weak, noinline))

/* volatile keeps clang from turning these loops into calls of themselves. */
RT void *memcpy(void *to, const void *from, size_t size) {
    volatile char *out = to;
    const char *in = from;
    while (size--) *out++ = *in++;
    return to;
}
RT void *memset(void *to, int value, size_t size) {
    volatile char *out = to;
    while (size--) *out++ = (char)value;
    return to;
}
RT void *memmove(void *to, const void *from, size_t size) {
    volatile char *out = to;
    const char *in = from;
    if ((uintptr_t)out <= (uintptr_t)in) {
        while (size--) *out++ = *in++;
    } else {
        while (size--) out[size] = in[size];
    }
    return to;
}
RT int memcmp(const void *left, const void *right, size_t size) {
    const unsigned char *a = left, *b = right;
    for (; size--; a++, b++)
        if (*a != *b) return *a < *b ? -1 : 1;
    return 0;
}
RT size_t strlen(const char *text) {
    const volatile char *end = text;
    while (*end) end++;
    return (size_t)(end - text);
}
RT int strcmp(const char *left, const char *right) {
    while (*left && *left == *right) left++, right++;
    return (unsigned char)*left - (unsigned char)*right;
}

/* csmith's wrappers of floating point use these two; its headers include <math.h> for them. */
#define fabs __builtin_fabs
#define fabsf __builtin_fabsf
#define assert(condition) ((void)0)

/* Digits of a number, into the end of a buffer; where they start. */
static char *rt_digits(char *end, uint64_t value, unsigned base, int upper) {
    const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    do *--end = digits[value % base], value /= base;
    while (value);
    return end;
}

/* %d %i %u %x %X %p %c %s %% with l, ll, a width and leading zeros: what csmith prints, and we. */
RT int printf(const char *format, ...) {
    va_list args;
    int total = 0;
    va_start(args, format);
    while (*format) {
        char buffer[32], *end = buffer + sizeof buffer, *text;
        unsigned length, width = 0;
        int longs = 0, zero = 0, negative = 0;
        if (*format != '%') {
            const char *start = format;
            while (*format && *format != '%') format++;
            bf_write(1, start, (unsigned)(format - start));
            total += (int)(format - start);
            continue;
        }
        format++;
        if (*format == '0') zero = 1, format++;
        while (*format >= '0' && *format <= '9') width = width * 10 + (unsigned)(*format++ - '0');
        while (*format == 'l') longs++, format++;
        switch (*format) {
        case 'd':
        case 'i': {
            int64_t value = longs > 1 ? va_arg(args, int64_t) : va_arg(args, int32_t);
            negative = value < 0;
            text = rt_digits(end, negative ? 0 - (uint64_t)value : (uint64_t)value, 10, 0);
            break;
        }
        case 'u':
        case 'x':
        case 'X':
        case 'p': {
            uint64_t value = longs > 1 ? va_arg(args, uint64_t) : va_arg(args, uint32_t);
            text = rt_digits(end, value, *format == 'u' ? 10 : 16, *format == 'X');
            break;
        }
        case 's':
            text = va_arg(args, char *);
            end = text + strlen(text);
            break;
        case 'c':
            text = end - 1;
            *text = (char)va_arg(args, int);
            break;
        default:
            text = end - 1;
            *text = *format;
        }
        if (*format) format++;
        if (negative) bf_write(1, "-", 1), total++;
        length = (unsigned)(end - text);
        for (; width > length; width--) bf_write(1, zero ? "0" : " ", 1), total++;
        bf_write(1, text, length);
        total += (int)length;
    }
    va_end(args);
    return total;
}

#endif
