/* errno_map.h: the runtime's error numbers are Linux's, newlib's are its own.
 *
 * Most agree; map_errno translates the others. finish turns the result of a host call into what C
 * promises: the value, or -1 and errno.
 */
#ifndef ERRNO_MAP_H
#define ERRNO_MAP_H

#include <bareflow.h>
#include <errno.h>
#include <reent.h>

static inline int map_errno(int number)
{
    switch (number) {
    case BF_EDEADLK:
        return EDEADLK;
    case BF_ENAMETOOLONG:
        return ENAMETOOLONG;
    case BF_ENOSYS:
        return ENOSYS;
    case BF_ENOTEMPTY:
        return ENOTEMPTY;
    case BF_ETIMEDOUT:
        return ETIMEDOUT;
    default:
        return number;
    }
}

static inline int fail(struct _reent *reent, int number)
{
    reent->_errno = number;
    return -1;
}

static inline int finish(struct _reent *reent, int result)
{
    return result < 0 ? fail(reent, map_errno(-result)) : result;
}

#endif
