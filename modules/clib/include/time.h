/* time.h: newlib's, and what C11 has besides. */
#ifndef _BAREFLOW_TIME_H
#define _BAREFLOW_TIME_H

#include <_newlib_time.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TIME_UTC 1
int timespec_get(struct timespec *to, int base);

#ifdef __cplusplus
}
#endif

#endif
