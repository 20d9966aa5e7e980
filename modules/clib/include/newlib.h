/* newlib.h: how this build of newlib is configured (its configure script would write this file).
 *
 * Full-size stdio with C99 formats, long long and floats; wide characters; one set of standard
 * streams for all tasks; locks and the per-task state from modules/clib/glue.
 */
#ifndef __NEWLIB_H__
#define __NEWLIB_H__ 1

#define _NEWLIB_VERSION "3.3.0"
#define __NEWLIB__ 3
#define __NEWLIB_MINOR__ 3
#define __NEWLIB_PATCHLEVEL__ 0

/* Each task asks for its state by __getreent. */
#define __DYNAMIC_REENT__ 1
#define _WANT_REENT_GLOBAL_STDIO_STREAMS 1
#define _RETARGETABLE_LOCKING 1

#define _WANT_IO_C99_FORMATS 1
#define _WANT_IO_LONG_LONG 1
#define _WANT_IO_LONG_DOUBLE 1
#define _WANT_IO_POS_ARGS 1
#define _FVWRITE_IN_STREAMIO 1
#define _FSEEK_OPTIMIZATION 1
#define _UNBUF_STREAM_OPT 1
#define _WIDE_ORIENT 1
#define _MB_CAPABLE 1
#define _MB_LEN_MAX 8
#define _ATEXIT_DYNAMIC_ALLOC 1

/* -mlong-double-64: long double is double. */
#define _HAVE_LONG_DOUBLE 1
#define _LDBL_EQ_DBL 1

/* What POSIX calls the optional parts that are there. */
#define _POSIX_TIMERS 200809L
#define _POSIX_MONOTONIC_CLOCK 200809L
#define _CLOCKS_PER_SEC_ 1000000

#endif
