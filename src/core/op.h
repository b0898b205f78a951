/*
 * op.h - awaiting an operation: what the layers that add some need of the core.
 */
#ifndef AW_OP_H
#define AW_OP_H

#include "await/loop.h"
#include "io/io.h"

/* What the kernel moves at most in one call; fits an int. */
static inline size_t aw_op_len(size_t n)
{
    return n < 0x7ffff000 ? n : 0x7ffff000;
}

/* 0, or -EINVAL with its reason, for what the kernel would refuse. */
int aw_check_vectors(const struct iovec *v, int n);

/* In a task: submit the operation (a copy of it) and suspend until it is over.  Its result, with
 * the rule on effects; an error's detail is recorded.  AW_OP_NEEDS_THREAD: this backend cannot do
 * it, do aw_op_block() in a thread.  `caller` is the address that reports show. */
int64_t aw_op_await(const struct aw_op *op, const void *caller);

/* The same, and what this backend cannot do is done by a thread of the loop's pool, which the task
 * waits for once it has begun.  `name` is the call's, for reports. */
int64_t aw_op_await_or_thread(struct aw_op *op, const char *name, const void *caller);

/* The same for a transfer at the file's position: after earlier calls on the descriptor. */
int64_t aw_op_await_in_turn(struct aw_op *op, const char *name, const void *caller);

/* The call that an operation is of, "aw_read". */
const char *aw_op_name(const struct aw_op *op);

/* It has failed: records in words with what, and returns the code.  -EAGAIN, which is the answer to
 * who will not wait, gets none. */
int aw_op_fail(const struct aw_op *op, int code);

/* For objects that own operations, such as a struct aw_receiver: submit(), post() and cancel() of
 * the loop's backend, in its thread, once it has run. */
bool aw_op_begin(const aw_loop *l, struct aw_op *op);
bool aw_op_post(const aw_loop *l, struct aw_op *op); /* false also where it has no post() */
bool aw_op_cancel(const aw_loop *l, struct aw_op *op);

#endif
