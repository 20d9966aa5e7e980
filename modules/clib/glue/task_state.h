/* task_state.h: what the library's own files know of a task's thread-local state. */
#ifndef TASK_STATE_H
#define TASK_STATE_H

struct _reent;

/* Its address tells one task from another without a host call. */
extern _Thread_local struct _reent *__bf_reent;

static inline void *this_task(void) { return &__bf_reent; }

/* Gives back what the C library allocated for the calling task; the task ends next. */
void __bf_leave_reent(void);

#endif
