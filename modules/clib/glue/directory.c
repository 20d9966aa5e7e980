/* directory.c: opendir and its relatives, on bf_list.
 *
 * The runtime lists names only; d_type is not given. "." and ".." are not listed.
 */
#include "errno_map.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct __dir {
    int fd;
    char *path; /* to open it anew when it is rewound */
    struct dirent entry;
};

DIR *opendir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return 0;
    DIR *dir = calloc(1, sizeof *dir);
    char *copy = strdup(path);
    if (!dir || !copy) {
        free(dir);
        free(copy);
        close(fd);
        errno = ENOMEM;
        return 0;
    }
    dir->fd = fd;
    dir->path = copy;
    return dir;
}

struct dirent *readdir(DIR *dir)
{
    char *name = dir->entry.d_name;
    int length = finish(_REENT, bf_list(dir->fd, name, sizeof dir->entry.d_name - 1));
    if (length <= 0)
        return 0;
    name[length] = 0;
    dir->entry.d_ino = 1;
    return &dir->entry;
}

void rewinddir(DIR *dir)
{
    int fd = open(dir->path, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return;
    close(dir->fd);
    dir->fd = fd;
}

int dirfd(DIR *dir) { return dir->fd; }

int closedir(DIR *dir)
{
    int result = close(dir->fd);
    free(dir->path);
    free(dir);
    return result;
}
