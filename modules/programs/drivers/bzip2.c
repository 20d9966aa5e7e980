/* bzip2.c: round trips with small and large blocks. */
#include "generate.h"
#include <bzlib.h>

/* What the library calls when it finds itself wrong (BZ_NO_STDIO). */
void bz_internal_error(int number)
{
    printf("bzip2: internal error %d\n", number);
    exit(4);
}

int main(int argc, char **argv)
{
    size_t bytes = amount(argc, argv);
    unsigned char *in = generate(bytes), *packed = malloc(bytes + bytes / 100 + 600);
    unsigned char *out = malloc(bytes);
    printf("bzip2 %s\n", BZ2_bzlibVersion());
    for (int level = 1; level <= 9; level += 4) {
        unsigned packed_bytes = bytes + bytes / 100 + 600, out_bytes = bytes;
        if (BZ2_bzBuffToBuffCompress((char *)packed, &packed_bytes, (char *)in, bytes, level, 0, 0) ||
            BZ2_bzBuffToBuffDecompress((char *)out, &out_bytes, (char *)packed, packed_bytes,
                                       level == 9, 0))
            return 2;
        char how[32];
        snprintf(how, sizeof how, "bzip2 level %d", level);
        report(how, in, bytes, packed, packed_bytes, out, out_bytes);
    }
    return 0;
}
