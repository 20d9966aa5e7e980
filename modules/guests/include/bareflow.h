/* bareflow.h: what a module may ask of the runtime.
 *
 * Modules are freestanding C for 32-bit pointers. Every function below is an import that the
 * runtime binds when it loads the module; the Rust side of this list is modules/abi, and a test
 * there compiles this header and compares the two.
 *
 * Results below zero are negated error numbers. A pointer that does not lie in the module's own
 * memory is answered with -BF_EFAULT; it never ends the program. Strings are pointer and length.
 */
#ifndef BAREFLOW_H
#define BAREFLOW_H

#ifdef __cplusplus
extern "C" {
#endif

#define BF_EPERM 1        /* not permitted */
#define BF_ENOENT 2       /* no such file or directory */
#define BF_ESRCH 3        /* no such task */
#define BF_EIO 5          /* input or output error */
#define BF_EBADF 9        /* bad file descriptor */
#define BF_EAGAIN 11      /* try again */
#define BF_ENOMEM 12      /* out of memory */
#define BF_EACCES 13      /* permission denied */
#define BF_EFAULT 14      /* bad address */
#define BF_EEXIST 17      /* file exists */
#define BF_EXDEV 18       /* not within one granted directory */
#define BF_ENOTDIR 20     /* not a directory */
#define BF_EISDIR 21      /* is a directory */
#define BF_EINVAL 22      /* invalid argument */
#define BF_EMFILE 24      /* too many open files */
#define BF_EFBIG 27       /* file too large */
#define BF_ENOSPC 28      /* no space left on the volume */
#define BF_ESPIPE 29      /* not seekable */
#define BF_EROFS 30       /* read-only */
#define BF_EDEADLK 35     /* a task cannot wait for itself */
#define BF_ENAMETOOLONG 36/* file name too long */
#define BF_ENOSYS 38      /* no such host call */
#define BF_ENOTEMPTY 39   /* directory not empty */
#define BF_ETIMEDOUT 110  /* timed out */

/* Ends the program, all its tasks, with this status. */
__attribute__((noreturn)) void bf_exit(unsigned status);

/* Console and log. bf_write: fd 1 or 2 is the console, others are files; returns the number of
 * bytes taken. bf_read: fd 0 is the console's input; returns 0 at the end. */
int bf_write(unsigned fd, const void *data, unsigned length);
int bf_read(unsigned fd, void *data, unsigned length);
int bf_log(const void *text, unsigned length);

/* Time: microseconds since the runtime started (never falls), and since 1970 UTC (0: unknown). */
long long bf_ticks_us(void);
long long bf_clock_us(void);
void bf_sleep_us(unsigned duration_us);

/* More heap: zeroed, rounded up to pages, right behind what was given before; null when none is
 * left. bf_grow(0) tells where the next would begin. */
void *bf_grow(unsigned bytes);

/* Unpredictable bytes; returns length. */
int bf_random(void *data, unsigned length);

/* Cores. bf_core: the one that runs the caller at this moment. bf_pin: -1 is any. */
int bf_core(void);
int bf_core_count(void);
int bf_pin(int core);

/* Tasks share the program's memory; each has a stack and thread-local variables of its own. The
 * first is number 1. core -1 is any. A task is joined once; result may be null. */
int bf_spawn(void *(*entry)(void *), void *argument, int core);
int bf_join(int task, void **result);
int bf_self(void);
void bf_yield(void);
__attribute__((noreturn)) void bf_task_exit(void *result);

/* Waits while *address is expected, until woken; timeout_us below 0: for ever. 0, -BF_EAGAIN (it
 * was something else), -BF_ETIMEDOUT. May return 0 without a reason: look again. */
int bf_wait(const volatile void *address, int expected, long long timeout_us);
/* Wakes at most count tasks that wait there; returns how many. */
int bf_wake(const volatile void *address, int count);

/* Files: only below the directories that the program was given. The first part of a path is a
 * grant's name, or there is one grant without a name, which is the root. */
#define BF_OPEN_READ 1
#define BF_OPEN_WRITE 2
#define BF_OPEN_CREATE 4     /* make the file if there is none */
#define BF_OPEN_TRUNCATE 8   /* empty it */
#define BF_OPEN_APPEND 16    /* every write goes to the end */
#define BF_OPEN_EXCLUSIVE 32 /* with CREATE: fail if there is one */
#define BF_OPEN_DIRECTORY 64 /* a directory, for bf_list */

#define BF_SEEK_SET 0
#define BF_SEEK_CUR 1
#define BF_SEEK_END 2

#define BF_KIND_FILE 1
#define BF_KIND_DIRECTORY 2
#define BF_KIND_CONSOLE 3

struct bf_stat {
    unsigned long long size;
    long long mtime_us; /* since 1970 UTC; 0: unknown */
    unsigned kind;
    unsigned reserved;
};

#define BF_MAX_PATH 255
#define BF_MAX_OPEN 64
#define BF_MAX_TASKS 256

int bf_open(const char *path, unsigned length, unsigned flags);
int bf_close(unsigned fd);
long long bf_seek(unsigned fd, long long offset, unsigned whence);
int bf_stat(const char *path, unsigned length, struct bf_stat *out);
int bf_fstat(unsigned fd, struct bf_stat *out);
int bf_truncate(unsigned fd, long long size);
int bf_sync(unsigned fd);
int bf_remove(const char *path, unsigned length);
int bf_rename(const char *from, unsigned from_length, const char *to, unsigned to_length);
int bf_mkdir(const char *path, unsigned length);
/* Length of the next entry's name, stored without a NUL; 0 at the end. */
int bf_list(unsigned fd, char *name, unsigned capacity);

#ifdef __cplusplus
}
#endif

#endif
