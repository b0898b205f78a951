/*
 * file_turn.c - what only a thread can do; and reads and writes at a file's position among that.
 *
 * Several tasks may read one file, and each call moves its position: so calls on one descriptor
 * are done one after the other, as they came.  A call that a thread does is on the loop's list;
 * one that finds an earlier call on its descriptor there waits until it is the first.
 */
#include "core/core.h"
#include "core/op.h"

struct file_turn {
    aw_list link; /* on l->file_turns, in the order of the calls */
    int fd;
    aw_event begun;
};

static struct file_turn *first_on(const aw_loop *l, int fd)
{
    aw_list_each(node, &l->file_turns)
    {
        struct file_turn *t = aw_container_of(node, struct file_turn, link);
        if (t->fd == fd)
            return t;
    }
    return NULL;
}

static int do_it(void *arg)
{
    struct aw_op *op = arg;
    op->result = aw_op_block(op);
    return (int)op->result;
}

/* An error of the thread's is told from that of having none by op->result. */
int64_t aw_op_await_or_thread(struct aw_op *op, const char *name, const void *caller)
{
    int64_t result = aw_op_await(op, caller);
    if (result != AW_OP_NEEDS_THREAD)
        return result;
    result = aw_to_thread_(
        do_it, &(aw_job_opts){.file = __FILE__, .line = __LINE__, .fn_name = name, .arg = op});
    return result < 0 && result == op->result ? aw_op_fail(op, (int)result) : result;
}

/* An earlier call may have been for a pipe's other end, so it is tried without a thread again.
 *
 * Whoever is first on the descriptor afterwards begins, if it has not: also when this call was
 * cancelled just as its own turn came. */
static int64_t wait_for_turn(aw_loop *l, struct aw_op *op, const char *name, const void *caller)
{
    struct file_turn turn = {.fd = op->fd};
    bool first = !first_on(l, op->fd);
    aw_list_push_back(&l->file_turns, &turn.link);
    int64_t result = first ? 0 : aw_event_wait(&turn.begun);
    if (result == 0)
        result = aw_op_await_or_thread(op, name, caller);
    aw_list_remove(&turn.link);
    struct file_turn *next = first_on(l, op->fd);
    if (next)
        aw_ignore(aw_event_set(&next->begun));
    return result;
}

int64_t aw_op_await_in_turn(struct aw_op *op, const char *name, const void *caller)
{
    aw_loop *l = aw_self.loop;
    if (!l || !l->current)
        return aw_no_loop();
    if (AW_LIKELY(aw_list_empty(&l->file_turns)) || !first_on(l, op->fd)) {
        int64_t result = aw_op_await(op, caller);
        if (result != AW_OP_NEEDS_THREAD)
            return result;
    }
    return wait_for_turn(l, op, name, caller);
}
