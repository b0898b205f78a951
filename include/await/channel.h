/*
 * await/channel.h - items from any thread to any thread: coroutines await, threads block.
 *
 *     aw_channel *ch = aw_channel_new(64, .release = free);
 *     ...
 *     while ((line = read_line()) != NULL)             // a thread
 *         if (aw_channel_send(ch, line) < 0)
 *             break;
 *     aw_channel_close(ch);
 *     ...
 *     while ((err = aw_channel_recv(ch, &item)) == 0)  // a coroutine of a loop, or of several
 *         work_on(item);                               // err: AW_ESHUTDOWN at the end
 *
 * A channel holds at most so many items, first in, first out.  Any number of tasks of any loops,
 * and of threads, may send and receive; those that wait, of both kinds, are served in the order in
 * which they came, and nobody overtakes them.  Sending and receiving suspend a task, and block a
 * thread that runs no loop.  A channel of capacity 0 has no room: each send waits for its receive.
 *
 * Items are pointers, NULL included.  A send that returned 0 has given the item away; any other
 * leaves it with the caller.  Cancellation and time limits lose nothing: a call that was served
 * before they came returns what it got, and the request stays pending, as with I/O.
 *
 * Time limits are by the loop's clock in a task.  A virtual clock does not know of other threads:
 * it jumps to the limit although one of them may still send, so with them use real time, or no
 * limit.
 *
 * The channel is reference counted: whoever uses it has a handle.
 */
#ifndef AWAIT_CHANNEL_H
#define AWAIT_CHANNEL_H

#include "await/task.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Items on their way between threads. */
typedef struct aw_channel aw_channel;

typedef struct aw_channel_opts {
    size_t capacity;             /* most items it holds */
    void (*release)(void *item); /* what to do with items that are dropped, in whatever thread; or
                                    NULL.  Must not use the channel */
} aw_channel_opts;

/* aw_channel *aw_channel_new(size_t capacity, .release = f): an open, empty channel; the handle is
 * the caller's.  All its memory is allocated here.  NULL with aw_errno(): -ENOMEM.  Any thread. */
#ifndef __cplusplus
#define aw_channel_new(...) aw_channel_new_(&(aw_channel_opts){.capacity = __VA_ARGS__})
#endif
AW_API aw_channel *aw_channel_new_(const aw_channel_opts *opts);

/* Another handle; returns `ch`.  And one less: with the last one the channel goes, and items that
 * are left in it are dropped through .release.  Giving a handle up does not close.  NULL is allowed
 * in both.  Any thread. */
AW_API aw_channel *aw_channel_ref(aw_channel *ch);
AW_API void aw_channel_unref(aw_channel *ch);

typedef struct aw_channel_send_opts {
    aw_channel *channel;
    void *item;
    double timeout; /* seconds; 0: none, < 0: do not wait */
} aw_channel_send_opts;

/* int aw_channel_send(aw_channel *ch, void *item, .timeout = seconds): send an item, waiting while
 * there is no room.
 *
 * 0; AW_ESHUTDOWN when the channel is closed, or gets closed meanwhile; -ETIMEDOUT; -ECANCELED;
 * -EINVAL for NULL and NaN; AW_EMISUSE from a callback of a loop, which must not wait; AW_EFORKED.
 * Suspends a task, or blocks the thread, if there is no room. */
#ifndef __cplusplus
#define aw_channel_send(...) aw_channel_send_(&(aw_channel_send_opts){.channel = __VA_ARGS__})
#endif
AW_API int aw_channel_send_(const aw_channel_send_opts *opts) AW_MUST_USE;

typedef struct aw_channel_recv_opts {
    aw_channel *channel;
    void **ret;
    double timeout; /* seconds; 0: none, < 0: do not wait */
} aw_channel_recv_opts;

/* int aw_channel_recv(aw_channel *ch, void **ret, .timeout = seconds): receive the oldest item into
 * *ret, waiting while there is none.
 *
 * 0; AW_ESHUTDOWN from a channel that is closed and empty, or gets closed meanwhile; the others as
 * above, and *ret is left alone.  Suspends a task, or blocks the thread, if there is no item. */
#ifndef __cplusplus
#define aw_channel_recv(...) aw_channel_recv_(&(aw_channel_recv_opts){.channel = __VA_ARGS__})
#endif
AW_API int aw_channel_recv_(const aw_channel_recv_opts *opts) AW_MUST_USE;

/* The same without waiting, from anywhere: AW_EFULL, AW_EEMPTY. */
AW_API int aw_channel_try_send(aw_channel *ch, void *item);
AW_API int aw_channel_try_recv(aw_channel *ch, void **ret);

typedef struct aw_channel_close_opts {
    aw_channel *channel;
    bool immediate;
} aw_channel_close_opts;

/* int aw_channel_close(aw_channel *ch, .immediate = true): let nothing more in.
 *
 * Sends fail with AW_ESHUTDOWN from now on, those that wait included; receives do when no item is
 * left.  An immediate close drops the items that are left through .release.  May be repeated.  0;
 * -EINVAL for NULL; AW_EFORKED.  Any thread; does not wait. */
#ifndef __cplusplus
#define aw_channel_close(...) aw_channel_close_(&(aw_channel_close_opts){.channel = __VA_ARGS__})
#endif
AW_API int aw_channel_close_(const aw_channel_close_opts *opts);

/* How many items are in it just now, and how many it holds at most; -EINVAL for NULL.  Is it
 * closed?  False for NULL.  Any thread. */
AW_API int aw_channel_count(aw_channel *ch);
AW_API int aw_channel_capacity(aw_channel *ch);
AW_API bool aw_channel_closed(aw_channel *ch);

#ifdef __cplusplus
}
#endif
#endif
