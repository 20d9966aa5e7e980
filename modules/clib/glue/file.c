/* file.c: POSIX's calls about files, on the runtime's.
 *
 * newlib calls the functions with a _r (they set errno in the struct they are given); the plain
 * ones that POSIX has beside them are in newlib's syscalls/ folder or below.
 *
 * What a file is, is told by st_ino alone: the runtime has no numbers for files, so st_ino is a
 * hash of the path that was opened, kept per descriptor. Two spellings of one path are two numbers;
 * leading "/" and "./" are taken off. A program (SQLite) that compares what it opened with what it
 * finds under the same name later gets the right answer.
 */
#include "errno_map.h"
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

static ino_t identity[BF_MAX_OPEN + 3];

/* FNV-1a. */
static ino_t hash(const char *path)
{
    while (*path == '/' || (path[0] == '.' && path[1] == '/'))
        path++;
    unsigned value = 2166136261u;
    for (; *path; path++)
        value = (value ^ (unsigned char)*path) * 16777619u;
    return (ino_t)(value ^ value >> 16);
}

static ino_t *identity_of(int fd)
{
    return &identity[(unsigned)fd < sizeof identity / sizeof *identity ? fd : 0];
}

int _open_r(struct _reent *reent, const char *path, int flags, int mode)
{
    (void)mode;
    static const unsigned char access[4] = {BF_OPEN_READ, BF_OPEN_WRITE,
                                            BF_OPEN_READ | BF_OPEN_WRITE, 0};
    unsigned wanted = access[flags & O_ACCMODE];
    wanted |= flags & O_CREAT ? BF_OPEN_CREATE : 0;
    wanted |= flags & O_TRUNC ? BF_OPEN_TRUNCATE : 0;
    wanted |= flags & O_APPEND ? BF_OPEN_APPEND : 0;
    wanted |= flags & O_EXCL ? BF_OPEN_EXCLUSIVE : 0;
    wanted |= flags & O_DIRECTORY ? BF_OPEN_DIRECTORY : 0;
    int fd = finish(reent, bf_open(path, strlen(path), (int)wanted));
    if (fd >= 0)
        *identity_of(fd) = hash(path);
    return fd;
}

int _close_r(struct _reent *reent, int fd) { return finish(reent, bf_close(fd)); }

_ssize_t _read_r(struct _reent *reent, int fd, void *data, size_t length)
{
    return finish(reent, bf_read(fd, data, length));
}

_ssize_t _write_r(struct _reent *reent, int fd, const void *data, size_t length)
{
    return finish(reent, bf_write(fd, data, length));
}

_off_t _lseek_r(struct _reent *reent, int fd, _off_t offset, int whence)
{
    long long place = bf_seek(fd, offset, whence);
    if (place < 0)
        return fail(reent, map_errno((int)-place));
    return place > 0x7fffffff ? fail(reent, EOVERFLOW) : (_off_t)place;
}

static void translate(const struct bf_stat *from, ino_t number, struct stat *to)
{
    static const mode_t mode[4] = {0, S_IFREG | 0666, S_IFDIR | 0777, S_IFCHR | 0666};
    memset(to, 0, sizeof *to);
    to->st_mode = mode[from->kind & 3];
    to->st_ino = number;
    to->st_nlink = 1;
    to->st_size = (off_t)from->size;
    to->st_blksize = 4096;
    to->st_blocks = (blkcnt_t)((from->size + S_BLKSIZE - 1) / S_BLKSIZE);
    to->st_mtim.tv_sec = from->mtime_us / 1000000;
    to->st_mtim.tv_nsec = from->mtime_us % 1000000 * 1000;
    to->st_atim = to->st_ctim = to->st_mtim;
}

int _stat_r(struct _reent *reent, const char *path, struct stat *to)
{
    struct bf_stat found;
    int result = finish(reent, bf_stat(path, strlen(path), &found));
    if (result >= 0)
        translate(&found, hash(path), to);
    return result;
}

int _fstat_r(struct _reent *reent, int fd, struct stat *to)
{
    struct bf_stat found;
    int result = finish(reent, bf_fstat(fd, &found));
    if (result >= 0)
        translate(&found, *identity_of(fd), to);
    return result;
}

int lstat(const char *path, struct stat *to) { return _stat_r(_REENT, path, to); }

int _isatty_r(struct _reent *reent, int fd)
{
    struct bf_stat found;
    if (finish(reent, bf_fstat(fd, &found)) < 0)
        return 0;
    if (found.kind == BF_KIND_CONSOLE)
        return 1;
    fail(reent, ENOTTY);
    return 0;
}

int _isatty(int fd) { return _isatty_r(_REENT, fd); }

int _unlink_r(struct _reent *reent, const char *path)
{
    return finish(reent, bf_remove(path, strlen(path)));
}

int rmdir(const char *path) { return _unlink_r(_REENT, path); }

int _rename_r(struct _reent *reent, const char *from, const char *to)
{
    return finish(reent, bf_rename(from, strlen(from), to, strlen(to)));
}

int _link_r(struct _reent *reent, const char *from, const char *to)
{
    (void)from, (void)to;
    return fail(reent, ENOSYS);
}

int _mkdir_r(struct _reent *reent, const char *path, int mode)
{
    (void)mode;
    return finish(reent, bf_mkdir(path, strlen(path)));
}

int mkdir(const char *path, mode_t mode) { return _mkdir_r(_REENT, path, (int)mode); }

/* Locks are always granted and never found: programs do not share files at the same time. */
int _fcntl_r(struct _reent *reent, int fd, int command, int argument)
{
    struct bf_stat found;
    if (finish(reent, bf_fstat(fd, &found)) < 0)
        return -1;
    switch (command) {
    case F_GETFD:
    case F_SETFD:
    case F_SETFL:
    case F_SETLK:
    case F_SETLKW:
        return 0;
    case F_GETFL:
        return O_RDWR;
    case F_GETLK:
        ((struct flock *)argument)->l_type = F_UNLCK;
        return 0;
    default:
        return fail(reent, EINVAL);
    }
}

int ftruncate(int fd, off_t size) { return finish(_REENT, bf_truncate(fd, size)); }

int truncate(const char *path, off_t size)
{
    int fd = open(path, O_WRONLY);
    if (fd < 0)
        return -1;
    int result = ftruncate(fd, size);
    int number = errno;
    close(fd);
    errno = number;
    return result;
}

int fsync(int fd) { return finish(_REENT, bf_sync(fd)); }
int fdatasync(int fd) { return fsync(fd); }

/* Who may do what is decided by the grant; what exists may be tried. */
int access(const char *path, int mode)
{
    (void)mode;
    struct stat found;
    return stat(path, &found);
}

int chmod(const char *path, mode_t mode)
{
    (void)mode;
    return access(path, F_OK);
}

int fchmod(int fd, mode_t mode)
{
    (void)mode;
    struct stat found;
    return fstat(fd, &found);
}

int chown(const char *path, uid_t user, gid_t group)
{
    (void)user, (void)group;
    return access(path, F_OK);
}

int fchown(int fd, uid_t user, gid_t group)
{
    (void)user, (void)group;
    return fchmod(fd, 0);
}

int utimes(const char *path, const struct timeval times[2])
{
    (void)times;
    return access(path, F_OK);
}

ssize_t readlink(const char *path, char *to, size_t length)
{
    (void)to, (void)length;
    if (access(path, F_OK) < 0)
        return -1;
    return fail(_REENT, EINVAL); /* There are no links. */
}

/* The root of the grants is the working directory, for good. */
char *getcwd(char *to, size_t length)
{
    if (!to || length < 2) {
        fail(_REENT, to ? ERANGE : EINVAL);
        return 0;
    }
    return strcpy(to, "/");
}

int chdir(const char *path)
{
    struct stat found;
    if (stat(path, &found) < 0)
        return -1;
    return strcmp(path, "/") == 0 || strcmp(path, ".") == 0 ? 0 : fail(_REENT, ENOSYS);
}

mode_t umask(mode_t mode)
{
    (void)mode;
    return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
    (void)fd, (void)request;
    return fail(_REENT, ENOTTY);
}
