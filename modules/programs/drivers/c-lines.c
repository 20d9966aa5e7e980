/* c-lines.c: more output than any console takes at once, a line without an end, and text that is not ASCII. */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    int lines = argc > 1 ? atoi(argv[1]) : 100;
    for (int i = 0; i < lines; i++)
        printf("line %06d of many, none of which may be lost or come before another\n", i);
    for (int i = 0; i < 3000; i++)
        putchar("abc\xc3\xa4"[i % 5]);
    printf("\ntab\t\xe2\x82\xac \xf0\x9f\x98\x80, and the end\n");
    return 0;
}
