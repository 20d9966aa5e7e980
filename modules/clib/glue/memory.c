/* memory.c: the heap below malloc.
 *
 * bf_grow gives whole pages, each right behind the last. sbrk hands them out by the byte, so that
 * malloc's small requests share a page. malloc holds its lock around every call of _sbrk_r.
 */
#include "errno_map.h"
#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>

/* What sbrk has given out ends at brk; what the runtime has given ends at limit. */
static char *brk, *limit;

void *_sbrk_r(struct _reent *reent, ptrdiff_t bytes)
{
    if (!brk)
        brk = limit = bf_grow(0);
    if (bytes < 0)
        return (void *)(ptrdiff_t)fail(reent, EINVAL);
    size_t left = (size_t)(limit - brk);
    if ((size_t)bytes > left) {
        size_t wanted = ((size_t)bytes - left + 4095) & ~(size_t)4095;
        char *more = bf_grow(wanted);
        if (!more)
            return (void *)(ptrdiff_t)fail(reent, ENOMEM);
        /* Somebody else may have called bf_grow: then the rest behind brk is lost. */
        if (more != limit)
            brk = more;
        limit = more + wanted;
        if ((size_t)(limit - brk) < (size_t)bytes)
            return _sbrk_r(reent, bytes);
    }
    char *given = brk;
    brk += bytes;
    return given;
}

int posix_memalign(void **result, size_t alignment, size_t bytes)
{
    if (alignment < sizeof(void *) || (alignment & (alignment - 1)))
        return EINVAL;
    void *block = memalign(alignment, bytes);
    if (!block)
        return ENOMEM;
    *result = block;
    return 0;
}

int getentropy(void *data, size_t bytes)
{
    if (bytes > 256)
        return fail(_REENT, EIO);
    return finish(_REENT, bf_random(data, bytes)) < 0 ? -1 : 0;
}
