/*
 * await/work.h - work that is described and not begun.
 *
 * AW_CORO(fn, arg) describes a call of a coroutine without making it: what aw_gather() and its
 * kind start.  It is a value; dropping one is a compiler warning, because nothing would run.
 * aw_coro_new() makes the same as an object, for when the description has to be kept: used once,
 * and reported if it never is.
 */
#ifndef AWAIT_WORK_H
#define AWAIT_WORK_H

#include "await/task.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A coroutine object: a described call with an identity. */
typedef struct aw_coro aw_coro;

/* A described call.  Its fields are private; it is valid as long as what it points to. */
typedef struct aw_work {
    aw_fn *fn;
    aw_task_opts opts;
    aw_coro *coro;
    int state; /* private: AW_WORK_* */
} aw_work;

/* What an aw_work is: private. */
enum { AW_WORK_END, AW_WORK_FN, AW_WORK_CORO };

/* aw_work AW_CORO(aw_fn *fn, void *arg, ...options of aw_create_task()): describe a call.  Strings
 * and `arg` must stay valid until the work is started; an invalid fn is noticed then. */
#ifndef __cplusplus
#define AW_CORO(fn, ...) aw_work_((fn), AW_TASK_OPTS_(fn, .arg = __VA_ARGS__))
#endif
AW_API aw_work aw_work_(aw_fn *fn, const aw_task_opts *opts) AW_MUST_USE;

/* aw_coro *aw_coro_new(aw_fn *fn, void *arg, ...options): the same as an object.
 *
 * The caller's reference is given up with aw_coro_unref().  With .copy the argument is copied now.
 * An object whose last reference goes, or whose loop closes, or that is still there at the end of
 * the process, without having been used, is reported with its name and where it was made, and its
 * argument is released.  May be made in any thread, with or without a loop.  NULL with aw_errno():
 * -EINVAL, -ENOMEM. */
#ifndef __cplusplus
#define aw_coro_new(fn, ...) aw_coro_new_((fn), AW_TASK_OPTS_(fn, .arg = __VA_ARGS__))
#endif
AW_API aw_coro *aw_coro_new_(aw_fn *fn, const aw_task_opts *opts);

/* Drop the caller's reference; NULL is allowed. */
AW_API void aw_coro_unref(aw_coro *c);

/* The object as work, for aw_gather() and its kind; does not consume the reference. */
#define AW_USE(c) aw_work_use_(c)
AW_API aw_work aw_work_use_(aw_coro *c) AW_MUST_USE;

/* Use the object: start it as a task of the running loop.  Does not consume the reference.  NULL
 * with aw_errno(): AW_EMISUSE if it was used before, otherwise as aw_create_task(); a coroutine
 * object that could not be started is spent, and its argument released. */
AW_API aw_task *aw_task_of(aw_coro *c);

#ifdef __cplusplus
}
#endif
#endif
