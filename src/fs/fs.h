/*
 * fs.h - what the calls on files share.
 */
#ifndef AW_FS_H
#define AW_FS_H

#include "core/op.h"

/* In a task: the operation's result, by the backend or, where it has no such operation or would
 * block, by a thread of the loop's pool; a call on its way to a thread is cancelled there, and one
 * that has begun is waited for, since what it works on is on the task's stack.  `name` is the
 * call's, for reports. */
int aw_file_call(struct aw_op *op, const char *name, const void *caller);

#endif
