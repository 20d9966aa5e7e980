/* Files in the one granted directory. */
#include <bareflow.h>

#define S(text) text, sizeof text - 1

static int same(const char *a, const char *b, int n)
{
    for (int i = 0; i < n; i++)
        if (a[i] != b[i])
            return 0;
    return 1;
}

int contents(void)
{
    char buffer[32];
    struct bf_stat stat;
    int fd = bf_open(S("a.txt"), BF_OPEN_READ | BF_OPEN_WRITE | BF_OPEN_CREATE);
    if (fd < 3)
        return 1;
    if (bf_write(fd, S("hello, file")) != 11 || bf_seek(fd, 0, BF_SEEK_CUR) != 11)
        return 2;
    if (bf_seek(fd, -4, BF_SEEK_END) != 7 || bf_read(fd, buffer, 32) != 4 || !same(buffer, "file", 4))
        return 3;
    if (bf_read(fd, buffer, 32) != 0)
        return 4;
    if (bf_truncate(fd, 100) || bf_fstat(fd, &stat) || stat.size != 100 || stat.kind != BF_KIND_FILE)
        return 5;
    if (bf_seek(fd, 11, BF_SEEK_SET) != 11 || bf_read(fd, buffer, 1) != 1 || buffer[0])
        return 6;
    if (bf_seek(fd, -1, BF_SEEK_SET) != -BF_EINVAL || bf_seek(fd, 0, 3) != -BF_EINVAL)
        return 7;
    if (bf_sync(fd) || bf_close(fd) || bf_close(fd) != -BF_EBADF)
        return 8;
    if (bf_stat(S("/a.txt"), &stat) || stat.size != 100 || stat.mtime_us < 1000000)
        return 9;
    fd = bf_open(S("left"), BF_OPEN_WRITE | BF_OPEN_CREATE);
    if (bf_write(fd, S("for the host")) != 12 || bf_close(fd))
        return 10;
    return 0;
}

int flags(void)
{
    char buffer[32];
    int fd = bf_open(S("b"), BF_OPEN_WRITE | BF_OPEN_CREATE | BF_OPEN_EXCLUSIVE);
    if (fd < 0 || bf_write(fd, S("12345")) != 5 || bf_read(fd, buffer, 1) >= 0 || bf_close(fd))
        return 1;
    if (bf_open(S("b"), BF_OPEN_WRITE | BF_OPEN_CREATE | BF_OPEN_EXCLUSIVE) != -BF_EEXIST)
        return 2;
    fd = bf_open(S("b"), BF_OPEN_WRITE | BF_OPEN_APPEND);
    bf_seek(fd, 0, BF_SEEK_SET);
    if (bf_write(fd, S("67")) != 2 || bf_close(fd))
        return 3;
    fd = bf_open(S("b"), BF_OPEN_READ);
    if (bf_read(fd, buffer, 32) != 7 || !same(buffer, "1234567", 7) || bf_write(fd, "x", 1) >= 0)
        return 4;
    bf_close(fd);
    fd = bf_open(S("b"), BF_OPEN_READ | BF_OPEN_WRITE | BF_OPEN_TRUNCATE);
    if (bf_read(fd, buffer, 32) != 0 || bf_close(fd))
        return 5;
    if (bf_open(S("none"), BF_OPEN_READ) != -BF_ENOENT || bf_open(S("none"), 0) != -BF_EINVAL)
        return 6;
    return 0;
}

int names(void)
{
    char name[64];
    struct bf_stat stat;
    if (bf_mkdir(S("d")) || bf_mkdir(S("d")) != -BF_EEXIST || bf_mkdir(S("d/e/f")) != -BF_ENOENT)
        return 1;
    int fd = bf_open(S("d/x"), BF_OPEN_WRITE | BF_OPEN_CREATE);
    bf_close(fd);
    if (bf_open(S("d"), BF_OPEN_READ) != -BF_EISDIR || bf_open(S("d/x"), BF_OPEN_DIRECTORY) != -BF_ENOTDIR)
        return 2;
    if (bf_stat(S("d"), &stat) || stat.kind != BF_KIND_DIRECTORY)
        return 3;
    if (bf_rename(S("d/x"), S("d/y")) || bf_stat(S("d/x"), &stat) != -BF_ENOENT)
        return 4;
    fd = bf_open(S("d"), BF_OPEN_READ | BF_OPEN_DIRECTORY);
    if (bf_list(fd, name, 0) != -BF_EINVAL || bf_list(fd, name, 64) != 1 || name[0] != 'y')
        return 5;
    if (bf_list(fd, name, 64) != 0 || bf_close(fd))
        return 6;
    if (bf_remove(S("d")) != -BF_ENOTEMPTY || bf_remove(S("d/y")) || bf_remove(S("d")))
        return 7;
    if (bf_remove(S("d")) != -BF_ENOENT || bf_remove(S("/")) != -BF_EPERM)
        return 8;
    return 0;
}

int descriptors(void)
{
    struct bf_stat stat;
    int fd, count = 0;
    while ((fd = bf_open(S("a.txt"), BF_OPEN_READ)) >= 0)
        count++;
    if (fd != -BF_EMFILE || count != BF_MAX_OPEN - 3)
        return 1;
    for (fd = 3; fd < BF_MAX_OPEN; fd++)
        if (bf_close(fd))
            return 2;
    if (bf_fstat(1, &stat) || stat.kind != BF_KIND_CONSOLE || bf_seek(1, 0, 0) != -BF_ESPIPE)
        return 3;
    if (bf_read(1000, &stat, 1) != -BF_EBADF || bf_write(-1u, &stat, 1) != -BF_EBADF)
        return 4;
    if (bf_write(1, "", 0) != 0 || bf_close(0))
        return 5;
    return bf_open(S("a.txt"), BF_OPEN_READ);
}
