/* Splits text into words and counts them in a sorted array of copies. */
#include <stdint.h>

#define LENGTH 12000

struct word { char text[12]; uint32_t count; };

static char text[LENGTH + 1];
static struct word list[400];

static int compare(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (uint8_t)*a - (uint8_t)*b;
}

static int insert(int used, const char *word)
{
    int low = 0, high = used;
    while (low < high) {
        int middle = (low + high) / 2, order = compare(word, list[middle].text);
        if (order == 0) {
            list[middle].count++;
            return used;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    if (used == 400)
        return used;
    for (int i = used; i > low; i--)
        list[i] = list[i - 1];
    for (int i = 0; (list[low].text[i] = word[i]); i++)
        ;
    list[low].count = 1;
    return used + 1;
}

uint32_t bench(uint32_t n)
{
    uint32_t seed = n + 3, digest = 0;
    for (int i = 0; i < LENGTH; i++) {
        seed = seed * 1664525 + 1013904223;
        text[i] = (seed >> 20) % 4 ? (char)('a' + (seed >> 25) % 6) : ' ';
    }
    int used = 0;
    for (int i = 0; i < LENGTH;) {
        char word[12];
        int length = 0;
        while (i < LENGTH && text[i] == ' ')
            i++;
        while (i < LENGTH && text[i] != ' ' && length < 11)
            word[length++] = text[i++];
        word[length] = 0;
        if (length)
            used = insert(used, word);
    }
    for (int i = 0; i < used; i++)
        digest = digest * 31 + list[i].count;
    return digest;
}
