/* reent.c: the part of the C library's state that each task has for itself.
 *
 * errno, strtok's place, the free lists of strtod: newlib keeps them in a struct _reent, which it
 * asks for by __getreent. The first task's is newlib's global one, since atexit handlers and open
 * streams hang there; every other task has one in its thread-local block. The three standard
 * streams are shared by all (_WANT_REENT_GLOBAL_STDIO_STREAMS).
 */
#include "task_state.h"
#include <bareflow.h>
#include <reent.h>

static _Thread_local struct _reent own;
_Thread_local struct _reent *__bf_reent;

static struct _reent *first_use(void)
{
    if (bf_self() == 1) {
        __bf_reent = _GLOBAL_REENT;
    } else {
        _REENT_INIT_PTR_ZEROED(&own);
        __bf_reent = &own;
    }
    return __bf_reent;
}

struct _reent *__getreent(void)
{
    struct _reent *present = __bf_reent;
    return present ? present : first_use();
}

void __bf_leave_reent(void)
{
    if (__bf_reent == &own)
        _reclaim_reent(&own);
}
