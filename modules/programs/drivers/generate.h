/* generate.h: megabytes to compress, the same on every machine.
 *
 * A mix of what compressors meet: sentences of a small vocabulary, runs, records of numbers that
 * change slowly, noise. Also the check sums with which a driver tells what it has seen.
 */
#ifndef GENERATE_H
#define GENERATE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t seed = 20240229;

/* xorshift32. */
static uint32_t next_number(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed;
}

static size_t put_text(unsigned char *to, size_t room)
{
    static const char *const words[] = {
        "the",   "core", "runs",   "a",     "function", "until", "it",    "is",   "hot",    "and",
        "then",  "one",  "worker", "turns", "into",     "code",  "that",  "goes", "faster", "again",
        "while", "all",  "others", "never", "wait",     "for",   "their", "turn", "at",     "compiling"};
    size_t used = 0;
    int left = 5 + (int)(next_number() % 12);
    while (left-- && used + 16 < room) {
        const char *word = words[next_number() % (sizeof words / sizeof *words)];
        size_t length = strlen(word);
        memcpy(to + used, word, length);
        used += length;
        to[used++] = left ? ' ' : '.';
    }
    if (used < room)
        to[used++] = '\n';
    return used;
}

static size_t put_records(unsigned char *to, size_t room)
{
    static uint32_t clock = 1700000000;
    size_t used = 0;
    for (int i = 0; i < 16 && used + 12 <= room; i++, used += 12) {
        uint32_t record[3] = {clock += next_number() % 7, next_number() % 100, (uint32_t)i};
        memcpy(to + used, record, 12);
    }
    return used;
}

static size_t put_bytes(unsigned char *to, size_t room, int noise)
{
    size_t length = 1 + next_number() % 200;
    unsigned char byte = (unsigned char)next_number();
    if (length > room)
        length = room;
    for (size_t i = 0; i < length; i++)
        to[i] = noise ? (unsigned char)(next_number() >> 11) : byte;
    return length;
}

static unsigned char *generate(size_t bytes)
{
    unsigned char *data = malloc(bytes);
    if (!data)
        exit(3);
    for (size_t used = 0; used < bytes;) {
        unsigned char *to = data + used;
        size_t room = bytes - used, put = 0;
        switch (next_number() % 8) {
        case 0:
            put = put_bytes(to, room, 0);
            break;
        case 1:
            put = put_bytes(to, room, 1);
            break;
        case 2:
            put = put_records(to, room);
            break;
        default:
            put = put_text(to, room);
        }
        used += put ? put : put_bytes(to, room, 0);
    }
    return data;
}

/* FNV-1a. */
static uint32_t check_sum(const unsigned char *data, size_t bytes)
{
    uint32_t sum = 2166136261u;
    for (size_t i = 0; i < bytes; i++)
        sum = (sum ^ data[i]) * 16777619u;
    return sum;
}

/* Says what became of one round trip; ends the program if it is not what went in. */
static void report(const char *how, const unsigned char *in, size_t in_bytes,
                   const unsigned char *packed, size_t packed_bytes, const unsigned char *out,
                   size_t out_bytes)
{
    int same = in_bytes == out_bytes && memcmp(in, out, in_bytes) == 0;
    printf("%s: %lu -> %lu (%08lx) %s\n", how, (unsigned long)in_bytes, (unsigned long)packed_bytes,
           (unsigned long)check_sum(packed, packed_bytes), same ? "same" : "DIFFERENT");
    if (!same)
        exit(1);
}

/* The amount of data: kibibytes from the command line. */
static size_t amount(int argc, char **argv)
{
    return (size_t)(argc > 1 ? atoi(argv[1]) : 1024) * 1024;
}

#endif
