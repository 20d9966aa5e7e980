/* zstd.c: round trips at several levels, and through a stream with a check sum. */
#include "generate.h"
#include <zstd.h>

static void one_call(const unsigned char *in, size_t bytes, int level)
{
    size_t room = ZSTD_compressBound(bytes);
    unsigned char *packed = malloc(room), *out = malloc(bytes);
    size_t packed_bytes = ZSTD_compress(packed, room, in, bytes, level);
    if (ZSTD_isError(packed_bytes))
        exit(2);
    size_t out_bytes = ZSTD_decompress(out, bytes, packed, packed_bytes);
    char how[32];
    snprintf(how, sizeof how, "zstd level %d", level);
    report(how, in, bytes, packed, packed_bytes, out, out_bytes);
    free(packed);
    free(out);
}

static void in_steps(const unsigned char *in, size_t bytes)
{
    size_t room = ZSTD_compressBound(bytes) + 4096, used = 0, done = 0;
    unsigned char *packed = malloc(room), *out = malloc(bytes);
    ZSTD_CCtx *to = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(to, ZSTD_c_compressionLevel, 5);
    ZSTD_CCtx_setParameter(to, ZSTD_c_checksumFlag, 1);
    ZSTD_outBuffer packed_buffer = {packed, room, 0};
    for (; done < bytes; done += 5000) {
        size_t step = bytes - done < 5000 ? bytes - done : 5000;
        ZSTD_inBuffer input = {in + done, step, 0};
        ZSTD_EndDirective what = done + 5000 >= bytes ? ZSTD_e_end : ZSTD_e_continue;
        size_t left;
        do
            left = ZSTD_compressStream2(to, &packed_buffer, &input, what);
        while (!ZSTD_isError(left) && (input.pos < step || (what == ZSTD_e_end && left)));
    }
    ZSTD_freeCCtx(to);
    ZSTD_DCtx *from = ZSTD_createDCtx();
    ZSTD_inBuffer input = {packed, packed_buffer.pos, 0};
    while (input.pos < input.size) {
        size_t step = bytes - used < 3333 ? bytes - used : 3333;
        ZSTD_outBuffer output = {out + used, step, 0};
        if (ZSTD_isError(ZSTD_decompressStream(from, &output, &input)))
            exit(2);
        used += output.pos;
    }
    ZSTD_freeDCtx(from);
    report("zstd in steps", in, bytes, packed, packed_buffer.pos, out, used);
    free(packed);
    free(out);
}

int main(int argc, char **argv)
{
    size_t bytes = amount(argc, argv);
    unsigned char *in = generate(bytes);
    printf("zstd %s\n", ZSTD_versionString());
    one_call(in, bytes, 1);
    one_call(in, bytes, 3);
    one_call(in, bytes, 9);
    one_call(in, bytes / 4, 17);
    in_steps(in, bytes);
    return 0;
}
