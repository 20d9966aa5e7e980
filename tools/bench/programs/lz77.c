/* A small LZ77: compresses 16 KiB with a hash of three bytes and expands it again. */
#include <stdint.h>

#define LENGTH 16384

static uint8_t data[LENGTH], back[LENGTH + 64];
static uint32_t token[LENGTH];
static int32_t recent[4096];

static uint32_t compress(void)
{
    uint32_t count = 0;
    for (int i = 0; i < 4096; i++)
        recent[i] = -1;
    for (int32_t at = 0; at < LENGTH;) {
        uint32_t length = 0;
        int32_t from = -1;
        if (at + 3 <= LENGTH) {
            uint32_t key = (data[at] | (uint32_t)data[at + 1] << 8 | (uint32_t)data[at + 2] << 16) * 506832829u >> 20;
            from = recent[key];
            recent[key] = at;
            while (from >= 0 && length < 63 && at + (int32_t)length < LENGTH && data[from + (int32_t)length] == data[at + (int32_t)length])
                length++;
        }
        if (length >= 3) {
            token[count++] = 1u << 31 | (uint32_t)(at - from) << 6 | length;
            at += (int32_t)length;
        } else
            token[count++] = data[at++];
    }
    return count;
}

static uint32_t expand(uint32_t count)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (token[i] >> 31 == 0) {
            back[at++] = (uint8_t)token[i];
            continue;
        }
        uint32_t distance = token[i] >> 6 & 0xffffff, length = token[i] & 63;
        for (; length--; at++)
            back[at] = back[at - distance];
    }
    return at;
}

uint32_t bench(uint32_t n)
{
    uint32_t seed = n, digest;
    for (int i = 0; i < LENGTH; i++) {
        seed = seed * 1664525 + 1013904223;
        data[i] = i > 64 && seed >> 29 ? data[i - 1 - (int)(seed >> 26 & 31)] : (uint8_t)(seed >> 16);
    }
    uint32_t count = compress();
    digest = count + expand(count) * 65536;
    for (int i = 0; i < LENGTH; i++)
        digest = digest * 31 + (uint32_t)(back[i] == data[i]);
    return digest;
}
