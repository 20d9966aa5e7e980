/* sys/dirent.h: directories as this library lists them; <dirent.h> includes it. */
#ifndef _SYS_DIRENT_H
#define _SYS_DIRENT_H

#include <sys/types.h>

#define MAXNAMLEN 255

typedef struct __dir DIR;

struct dirent {
    ino_t d_ino;
    char d_name[MAXNAMLEN + 1];
};

#endif
