/* sys/stat.h: newlib's, and lstat, which it declares for some systems only. */
#ifndef _BAREFLOW_SYS_STAT_H
#define _BAREFLOW_SYS_STAT_H

#include <sys/_newlib_stat.h>

#ifdef __cplusplus
extern "C" {
#endif

int lstat(const char *__restrict path, struct stat *__restrict to);

#ifdef __cplusplus
}
#endif

#endif
