// Prints test(0), test(1), … : the answers that a real i386 program gives.
#include <stdio.h>
#include <stdlib.h>

unsigned test(int);

int main(int argc, char **argv) {
    int count = argc > 1 ? atoi(argv[1]) : 0;
    for (int n = 0; n < count; n++) printf("%u\n", test(n));
    return 0;
}
