/* zlib.c: round trips at several levels, in one call and through a stream in small steps. */
#include "generate.h"
#include <zlib.h>

static void one_call(const unsigned char *in, size_t bytes, int level)
{
    uLongf packed_bytes = compressBound(bytes), out_bytes = bytes;
    unsigned char *packed = malloc(packed_bytes), *out = malloc(bytes);
    if (compress2(packed, &packed_bytes, in, bytes, level) != Z_OK ||
        uncompress(out, &out_bytes, packed, packed_bytes) != Z_OK)
        exit(2);
    char how[32];
    snprintf(how, sizeof how, "zlib level %d", level);
    report(how, in, bytes, packed, packed_bytes, out, out_bytes);
    free(packed);
    free(out);
}

static void in_steps(const unsigned char *in, size_t bytes)
{
    size_t room = compressBound(bytes) + 1024;
    unsigned char *packed = malloc(room), *out = malloc(bytes);
    z_stream to = {0}, from = {0};
    if (deflateInit2(&to, 6, Z_DEFLATED, 15 + 16, 9, Z_FILTERED) != Z_OK)
        exit(2);
    to.next_in = (unsigned char *)in, to.next_out = packed;
    for (size_t done = 0; done < bytes; done += 1000) {
        to.avail_in = bytes - done < 1000 ? bytes - done : 1000;
        to.avail_out = room - to.total_out;
        deflate(&to, done + 1000 >= bytes ? Z_FINISH : Z_NO_FLUSH);
    }
    size_t packed_bytes = to.total_out;
    deflateEnd(&to);
    if (inflateInit2(&from, 15 + 32) != Z_OK)
        exit(2);
    from.next_in = packed, from.avail_in = packed_bytes, from.next_out = out;
    while (from.total_out < bytes) {
        from.avail_out = bytes - from.total_out < 777 ? bytes - from.total_out : 777;
        if (inflate(&from, Z_NO_FLUSH) < 0)
            exit(2);
    }
    report("gzip in steps", in, bytes, packed, packed_bytes, out, from.total_out);
    inflateEnd(&from);
    free(packed);
    free(out);
}

int main(int argc, char **argv)
{
    size_t bytes = amount(argc, argv);
    unsigned char *in = generate(bytes);
    printf("zlib %s, crc %08lx, adler %08lx\n", zlibVersion(), crc32(0, in, bytes),
           adler32(1, in, bytes));
    one_call(in, bytes, 1);
    one_call(in, bytes, 6);
    one_call(in, bytes, 9);
    in_steps(in, bytes);
    free(in);
    return 0;
}
