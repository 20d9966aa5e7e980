/* CRC-32 by a table, byte by byte, over 32 KiB. */
#include <stdint.h>

static uint32_t table[256];
static uint8_t data[32768];

static void fill_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = c & 1 ? c >> 1 ^ 0xedb88320 : c >> 1;
        table[i] = c;
    }
}

uint32_t bench(uint32_t n)
{
    fill_table();
    for (uint32_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7 + n);
    uint32_t crc = ~0u;
    for (int round = 0; round < 4; round++)
        for (uint32_t i = 0; i < sizeof data; i++)
            crc = crc >> 8 ^ table[(crc ^ data[i]) & 255];
    return ~crc;
}
