/* Base64 (RFC 4648) of 24 KiB and back. */
#include <stdint.h>

#define LENGTH 24576

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static uint8_t data[LENGTH], back[LENGTH], value[256];
static char code[LENGTH / 3 * 4];

static void encode(void)
{
    char *to = code;
    for (int i = 0; i < LENGTH; i += 3) {
        uint32_t v = (uint32_t)data[i] << 16 | (uint32_t)data[i + 1] << 8 | data[i + 2];
        for (int shift = 18; shift >= 0; shift -= 6)
            *to++ = digits[v >> shift & 63];
    }
}

static void decode(void)
{
    uint8_t *to = back;
    for (int i = 0; i < LENGTH / 3 * 4; i += 4) {
        uint32_t v = 0;
        for (int k = 0; k < 4; k++)
            v = v << 6 | value[(uint8_t)code[i + k]];
        *to++ = (uint8_t)(v >> 16), *to++ = (uint8_t)(v >> 8), *to++ = (uint8_t)v;
    }
}

uint32_t bench(uint32_t n)
{
    uint32_t digest = 0;
    for (int i = 0; i < 64; i++)
        value[(uint8_t)digits[i]] = (uint8_t)i;
    for (int i = 0; i < LENGTH; i++)
        data[i] = (uint8_t)(i * 31 + (int)n);
    encode();
    decode();
    for (int i = 0; i < LENGTH; i++)
        digest = digest * 33 + (back[i] ^ (uint8_t)code[i]);
    return digest;
}
