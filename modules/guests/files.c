/* Files: write, read, seek, truncate, append, rename, remove, list, and what must be refused. Each
 * function returns 0 if all was right, else the number of the step that went wrong. The program is
 * given one directory, which is its root.
 *
 * result: 0
 */
#include <bareflow.h>

#define NAME(text) text, sizeof text - 1
#define NEW (BF_OPEN_READ | BF_OPEN_WRITE | BF_OPEN_CREATE)
#define PIECE 3000

static unsigned char bytes[2][PIECE];

static void fill(unsigned char *to, int seed)
{
    for (int i = 0; i < PIECE; i++)
        to[i] = (unsigned char)(i * 31 + i / 251 + seed);
}

static int same(const unsigned char *a, const unsigned char *b, int count)
{
    for (int i = 0; i < count; i++)
        if (a[i] != b[i])
            return 0;
    return 1;
}

/* Writes a file of many pieces, then reads pieces of it in another order. */
int create(int pieces)
{
    int fd = bf_open(NAME("data.bin"), NEW | BF_OPEN_TRUNCATE);
    if (fd < 3)
        return 1;
    for (int i = 0; i < pieces; i++) {
        fill(bytes[0], i);
        if (bf_write(fd, bytes[0], PIECE) != PIECE)
            return 2;
    }
    for (int i = 0; i < pieces; i++) {
        int which = i * 7 % pieces;
        fill(bytes[0], which);
        if (bf_seek(fd, (long long)which * PIECE, BF_SEEK_SET) != (long long)which * PIECE)
            return 3;
        if (bf_read(fd, bytes[1], PIECE) != PIECE || !same(bytes[0], bytes[1], PIECE))
            return 4;
    }
    struct bf_stat stat;
    if (bf_fstat(fd, &stat) || stat.size != (unsigned long long)pieces * PIECE || stat.kind != BF_KIND_FILE)
        return 5;
    if (bf_seek(fd, 0, BF_SEEK_END) != (long long)pieces * PIECE || bf_read(fd, bytes[0], 1) != 0)
        return 6;
    if (bf_seek(fd, -1, BF_SEEK_SET) != -BF_EINVAL || bf_seek(fd, 0, 3) != -BF_EINVAL)
        return 7;
    return bf_sync(fd) || bf_close(fd) || bf_close(fd) != -BF_EBADF ? 8 : 0;
}

/* What `create` wrote is there: in another instance, or after a reboot. */
int check(int pieces)
{
    int fd = bf_open(NAME("/data.bin"), BF_OPEN_READ);
    if (fd < 0)
        return 1;
    for (int i = 0; i < pieces; i++) {
        fill(bytes[0], i);
        if (bf_read(fd, bytes[1], PIECE) != PIECE || !same(bytes[0], bytes[1], PIECE))
            return 2;
    }
    if (bf_read(fd, bytes[1], PIECE) != 0)
        return 3;
    return bf_write(fd, bytes[0], 1) != -BF_EBADF || bf_close(fd) ? 4 : 0;
}

/* Names: directories, renaming, listing, removing. */
int names(void)
{
    char name[256];
    if (bf_mkdir(NAME("folder")) || bf_mkdir(NAME("folder")) != -BF_EEXIST)
        return 1;
    int fd = bf_open(NAME("folder/A file with a long name.txt"), NEW | BF_OPEN_APPEND);
    if (fd < 0 || bf_write(fd, "hello", 5) != 5)
        return 2;
    if (bf_seek(fd, 0, BF_SEEK_SET) != 0 || bf_write(fd, " world", 6) != 6)
        return 3;
    int gone = bf_open(NAME("folder/gone"), NEW);
    if (gone < 0 || bf_remove(NAME("folder/gone")) || bf_write(gone, "x", 1) != 1)
        return 4;
    struct bf_stat stat;
    if (bf_stat(NAME("folder/gone"), &stat) != -BF_ENOENT || bf_fstat(gone, &stat) || stat.size != 1)
        return 13;
    if (bf_rename(NAME("folder/gone"), NAME("folder/x")) != -BF_ENOENT || bf_close(gone))
        return 12;
    if (bf_truncate(fd, 8) || bf_close(fd))
        return 5;
    if (bf_rename(NAME("folder/A file with a long name.txt"), NAME("folder/b")))
        return 6;
    int dir = bf_open(NAME("folder"), BF_OPEN_READ | BF_OPEN_DIRECTORY);
    if (dir < 0 || bf_list(dir, name, sizeof name) != 1 || name[0] != 'b' || bf_list(dir, name, 1) != 0)
        return 7;
    if (bf_stat(NAME("folder/b"), &stat) || stat.size != 8 || !stat.mtime_us)
        return 8;
    if (bf_stat(NAME("folder"), &stat) || stat.kind != BF_KIND_DIRECTORY)
        return 9;
    if (bf_remove(NAME("folder")) != -BF_ENOTEMPTY || bf_remove(NAME("folder/b")))
        return 10;
    if (bf_close(dir) || bf_remove(NAME("folder")) || bf_remove(NAME("folder")) != -BF_ENOENT)
        return 11;
    return 0;
}

/* What a program must not reach, and arguments that are wrong. */
int refused(void)
{
    static const char *outside[] = {"..", "../secret", "/../secret", "x/../../secret", "./../secret"};
    struct bf_stat stat;
    for (unsigned i = 0; i < sizeof outside / sizeof *outside; i++) {
        unsigned length = 0;
        while (outside[i][length])
            length++;
        if (bf_open(outside[i], length, BF_OPEN_READ) != -BF_EACCES)
            return 1;
        if (bf_stat(outside[i], length, &stat) != -BF_EACCES || bf_remove(outside[i], length) != -BF_EACCES)
            return 2;
        if (bf_rename(NAME("data.bin"), outside[i], length) != -BF_EACCES)
            return 3;
    }
    if (bf_open(NAME("none"), BF_OPEN_READ) != -BF_ENOENT || bf_open(NAME("/secret"), BF_OPEN_READ) != -BF_ENOENT)
        return 4;
    if (bf_open(NAME("data.bin"), 0) != -BF_EINVAL || bf_open((char *)16, 4, 1) != -BF_EFAULT)
        return 5;
    if (bf_remove(NAME("/")) != -BF_EACCES || bf_open(NAME("/"), BF_OPEN_READ) != -BF_EISDIR)
        return 6;
    if (bf_read(1000, bytes, 1) != -BF_EBADF || bf_write(63, bytes, 1) != -BF_EBADF)
        return 7;
    if (bf_fstat(1, &stat) || stat.kind != BF_KIND_CONSOLE || bf_seek(1, 0, 0) != -BF_ESPIPE)
        return 8;
    for (int i = 3; i < BF_MAX_OPEN; i++)
        if (bf_open(NAME("data.bin"), BF_OPEN_READ) != i)
            return 9;
    if (bf_open(NAME("data.bin"), BF_OPEN_READ) != -BF_EMFILE)
        return 10;
    return 0;
}

/* Without a directory there are no files at all. */
int nothing(void)
{
    struct bf_stat stat;
    if (bf_open(NAME("data.bin"), BF_OPEN_READ) != -BF_EACCES || bf_stat(NAME("/"), &stat) != -BF_EACCES)
        return 1;
    return bf_mkdir(NAME("x")) != -BF_EACCES ? 2 : 0;
}

/* Several tasks read the same file, each by a descriptor of its own, while another writes one. */
static void *reader(void *argument)
{
    static unsigned char buffers[8][2][PIECE];
    unsigned char(*mine)[PIECE] = buffers[(int)argument];
    int fd = bf_open(NAME("data.bin"), BF_OPEN_READ);
    for (int i = 0; fd >= 0 && i < 20; i++) {
        fill(mine[0], i);
        if (bf_read(fd, mine[1], PIECE) != PIECE || !same(mine[0], mine[1], PIECE))
            return (void *)1;
    }
    return (void *)(fd < 0 || bf_close(fd));
}

int together(void)
{
    int task[8], wrong = 0;
    for (int i = 0; i < 8; i++)
        if ((task[i] = bf_spawn(reader, (void *)i, -1)) < 0)
            return 1;
    int fd = bf_open(NAME("noise.bin"), NEW);
    for (int i = 0; i < 30; i++)
        if (bf_write(fd, bytes[0], PIECE) != PIECE || bf_sync(fd))
            wrong = 2;
    for (int i = 0; i < 8; i++) {
        void *result;
        if (bf_join(task[i], &result) || result)
            wrong = 3;
    }
    return bf_close(fd) || bf_remove(NAME("noise.bin")) ? 4 : wrong;
}

/* Reads and removes the file beside its folder; 0 if that is possible. */
int escaped(void)
{
    int fd = bf_open(NAME("../secret"), BF_OPEN_READ);
    return fd < 0 ? -fd : bf_close(fd) || bf_remove(NAME("../secret"));
}

/* Opens files and goes wrong: they must be closed, and what was written must be there. */
int left_open(void)
{
    int fd = bf_open(NAME("left open"), NEW | BF_OPEN_TRUNCATE);
    if (bf_write(fd, "abc", 3) != 3)
        return 1;
    *(volatile int *)16 = 1;
    return 2;
}

int found_closed(void)
{
    struct bf_stat stat;
    if (bf_stat(NAME("left open"), &stat) || stat.size != 3)
        return 1;
    return bf_remove(NAME("left open")) ? 2 : 0;
}

int main(void)
{
    struct bf_stat stat;
    int wrong = bf_stat(NAME("data.bin"), &stat) == -BF_ENOENT ? create(2000) : 0;
    return wrong ? wrong : 100 * check(2000);
}
