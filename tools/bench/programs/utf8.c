/* Decodes and checks 32 KiB of UTF-8 (RFC 3629), code point by code point. */
#include <stdint.h>

#define LENGTH 32768

static uint8_t text[LENGTH + 4];

static int put(int at, uint32_t c)
{
    if (c < 0x80)
        text[at++] = (uint8_t)c;
    else if (c < 0x800)
        text[at++] = (uint8_t)(0xc0 | c >> 6), text[at++] = (uint8_t)(0x80 | (c & 63));
    else {
        text[at++] = (uint8_t)(0xe0 | c >> 12);
        text[at++] = (uint8_t)(0x80 | (c >> 6 & 63));
        text[at++] = (uint8_t)(0x80 | (c & 63));
    }
    return at;
}

static int32_t next(const uint8_t **at)
{
    const uint8_t *p = *at;
    int more = *p < 0x80 ? 0 : *p < 0xe0 ? 1 : *p < 0xf0 ? 2 : 3;
    int32_t c = more ? *p & (0x3f >> more) : *p;
    for (p++; more--; p++) {
        if ((*p & 0xc0) != 0x80)
            return -1;
        c = c << 6 | (*p & 0x3f);
    }
    *at = p;
    return c;
}

uint32_t bench(uint32_t n)
{
    uint32_t seed = n, digest = 0;
    int length = 0;
    while (length < LENGTH - 3) {
        seed = seed * 1664525 + 1013904223;
        uint32_t c = seed >> 16;
        length = put(length, seed & 0x300 ? c & 0x7f : c % 0xd800);
    }
    for (const uint8_t *at = text; at < text + length;) {
        int32_t c = next(&at);
        if (c < 0)
            return 0;
        digest = digest * 31 + (uint32_t)c;
    }
    return digest;
}
