/*
 * await/local.h - task-local values: asyncio's context variables.
 *
 * A variable is a static object of the program; each task sees a value of its own, copied from its
 * creator's when it is created.  A context is the set of values; it is immutable inside, so that
 * inheriting one costs a pointer.  Callbacks run with the values of whoever scheduled them.
 */
#ifndef AWAIT_LOCAL_H
#define AWAIT_LOCAL_H

#include "await/task.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A variable: `static const aw_local request_id = AW_LOCAL_INIT("request_id", NULL);` */
typedef struct aw_local {
    const char *name;
    void *initial; /* what tasks that never set it read */
} aw_local;
#define AW_LOCAL_INIT(name_, initial_)                                                             \
    {                                                                                              \
        (name_), (initial_)                                                                        \
    }

/* The value in the running task or callback, else in this thread; the initial one if it was never
 * set.  The pointer's target is the program's business. */
AW_API void *aw_local_get(const aw_local *var);

/* Set it for the running task or callback (outside any: for this thread) and for what is created
 * from there later on.  0, -EINVAL, -ENOMEM. */
AW_API int aw_local_set(const aw_local *var, void *value);

/* The current values as an object, for the .context option; NULL with aw_errno() -ENOMEM.  The
 * reference is the caller's. */
AW_API aw_context *aw_copy_context(void);
AW_API void aw_context_unref(aw_context *c);

#ifdef __cplusplus
}
#endif
#endif
