/* Substring search by Horspool's method in 64 KiB of text. */
#include <stdint.h>

#define LENGTH 65536

static char text[LENGTH + 1];

static int horspool(const char *needle, int length)
{
    int skip[256], count = 0;
    for (int i = 0; i < 256; i++)
        skip[i] = length;
    for (int i = 0; i < length - 1; i++)
        skip[(uint8_t)needle[i]] = length - 1 - i;
    for (int at = 0; at + length <= LENGTH; at += skip[(uint8_t)text[at + length - 1]]) {
        int i = length - 1;
        while (i >= 0 && text[at + i] == needle[i])
            i--;
        count += i < 0;
    }
    return count;
}

uint32_t bench(uint32_t n)
{
    uint32_t seed = n + 7;
    for (int i = 0; i < LENGTH; i++) {
        seed = seed * 1664525 + 1013904223;
        text[i] = (char)('a' + (seed >> 24) % 4);
    }
    return (uint32_t)(horspool("abcab", 5) * 1000 + horspool("ddd", 3) + horspool("cabbagea", 8));
}
