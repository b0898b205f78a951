/*
 * stream.h - what a stream is inside: two queues of bytes, those who wait, and a kind.
 *
 *      aw_stream_write() --> tx --> kind->push()      (the other side)      kind->pull() --> rx -->
 * reads |  no room: kind->await_room() ... aw_stream_flush()
 *                             +--> above .high: drain waits, until .low
 *
 * A kind moves bytes to and from one sort of other side, and never waits: what it cannot do now it
 * arranges for, and calls back (aw_stream_feed(), aw_stream_flush(), ...).  Everything a user can
 * observe is decided in stream_read.c and stream_write.c, so that all kinds behave alike.
 *
 * How a stream ends
 *   closing   no more writes: asked for, or lost.  What is pending is still sent (unless lost).
 *   over      nothing more is moved; the kind breaks off what is under way
 *   shut      nothing is under way any more: the descriptor is closed, who waits is told
 * Each follows from the one before, and none is taken back.
 */
#ifndef AW_NET_STREAM_H
#define AW_NET_STREAM_H

#include <limits.h>

#include "await/stream.h"
#include "core/core.h"
#include "core/op.h"
#include "io/receive.h"
#include "net/bytes.h"
#include "sync/wait.h"

/* What the sorts of other side have to do.  All are called in the loop's thread. */
struct aw_stream_kind {
    /* Somebody waits for more: see to it that it comes.  It may be there before this returns.  0,
     * or an error, with which the stream is lost. */
    int (*pull)(aw_stream *s);
    /* So many bytes were consumed that a paused source may go on; may be NULL. */
    void (*resume)(aw_stream *s);
    /* Give the other side up to n bytes: how many it took, or -EAGAIN, or an error. */
    ssize_t (*push)(aw_stream *s, const void *buf, size_t n);
    /* It took none: call aw_stream_flush() once it may.  0, or an error. */
    int (*await_room)(aw_stream *s);
    /* Everything was taken: end the sending side.  0, -EINPROGRESS (then aw_stream_flush() is
     * called), -ENOTSUP. */
    int (*end_sending)(aw_stream *s);
    /* Everything was taken and the stream is closing: true if there is something left to do, after
     * which aw_stream_finish() is called.  May be NULL. */
    bool (*part)(aw_stream *s);
    /* The stream is over: break off what is under way. */
    void (*stop)(aw_stream *s);
    /* Is anything under way?  When it is not any more, aw_stream_settle() is called. */
    bool (*busy)(const aw_stream *s);
    /* Nothing is: let go of the other side.  In order, or not. */
    void (*shut)(aw_stream *s, bool in_order);
    void (*free)(aw_stream *s); /* may be NULL */
    int (*fd)(const aw_stream *s);
    bool (*may_end_sending)(const aw_stream *s);
    size_t (*holds)(const aw_stream *s); /* bytes pending that are not in tx; NULL: none */
    bool sends_held;                     /* and they are sent before shut(), come what may */
    size_t (*below)(const aw_stream *s); /* bytes taken, and pending there; NULL: none */
};

/* A task in a read: on its stack, from falling asleep until it is woken. */
struct aw_stream_reader {
    struct aw_wait wait;
    aw_stream *stream;
    bool asleep; /* not yet: what is fed is seen when the source has been asked */
    size_t need; /* bytes that have to be buffered before it is worth waking */
    char *buf;   /* or any at all, if they can go here directly; NULL: they cannot */
    size_t room, got;
};

/* What a read and a write that go through at once touch comes first, in as few cache lines as it
 * takes: with thousands of connections, lines are what they cost. */
struct aw_stream {
    const struct aw_stream_kind *kind;
    aw_loop *loop;
    struct aw_stream_reader *reader; /* who sleeps */
    size_t sleepers;                 /* memory goes when there are none, nor handles */
    struct aw_bytes rx;

    bool is_reading; /* a task is in a read, asleep or about to run */
    bool is_given;   /* the bytes before rx.at (or in `given`) are still looked at */
    bool is_veiled;  /* rx's first byte is in `veiled` */
    bool paused;     /* the source waits for aw_stream_kind.resume() */
    bool eof;
    bool no_read, no_write;
    bool full;          /* drain waits */
    bool ending, ended; /* the sending side: asked to end; has */
    bool closing, over, shut;
    bool aborted;  /* with something pending */
    bool left;     /* it was a server's connection, which does not close it any more */
    char veiled;   /* the byte that the zero behind what was given out stands for */
    char empty[1]; /* what is given out of nothing */
    int set_error; /* by aw_stream_set_error() */
    int lost;      /* why the stream ended, 0: in order */

    size_t limit, max_pending;
    struct aw_bytes tx;
    union {
        struct aw_stream_fd {
            int fd;
            bool is_socket;
            struct aw_receiver in;
            struct aw_op out;      /* waiting for room, or posted */
            struct aw_ready again; /* there was some at once: flush in the next pass */
            bool is_again;
        } of_fd;
        struct aw_stream_half {
            aw_stream *peer; /* NULL: gone */
            bool waits;      /* has something pending, for which the peer had no room */
        } of_pair;
        struct aw_stream_own {
            const aw_transport *transport;
            void *context;
            aw_task *reading, *writing;
            struct aw_bytes in, out; /* what they work on */
            ssize_t n;               /* what became of the read */
            int write_error;         /* what became of writing, or 0 */
            struct aw_text *detail;  /* of either's error, on its way to the stream */
            bool parting, parted;    /* the writing task is to say good-bye; was told so */
        } of_own;
    };

    struct aw_bytes given; /* memory that was given out, when `rx` had to move on meanwhile */
    size_t handles;
    struct aw_closer closer; /* on the loop, until it is shut */
    size_t high, low;
    aw_waiters drainers, closers;
    struct aw_text *detail;   /* of set_error or lost */
    double close_timeout;     /* seconds */
    bool hurried;             /* aw_stream_close_within() has set .patience */
    struct aw_timer patience; /* runs while nobody has a handle, and it is not over; or `hurried` */
    size_t untaken;           /* bytes, when it was set */
};

/* ---- stream.c: for the kinds ---- */

/* A stream with its options checked, for the running loop; NULL after setting the error. */
aw_stream *aw_stream_make(const struct aw_stream_kind *kind, const aw_stream_opts *opts);
/* It was never used: as though it had not been made. */
void aw_stream_unmake(aw_stream *s);

/* The other side fails: the stream is over.  Takes over the reference to `detail`. */
void aw_stream_lose(aw_stream *s, int error, struct aw_text *detail);
/* Everything that was pending is sent, or dropped: the stream is over. */
void aw_stream_finish(aw_stream *s);
/* Something that was under way is not any more. */
void aw_stream_settle(aw_stream *s);
/* Its memory, unless somebody has a handle or is asleep in one of its calls. */
void aw_stream_free_unused(aw_stream *s);

/* 0, or what a call is to return: for NULL, in the wrong thread; and for one that has to wait. */
static inline int aw_stream_check(const aw_stream *s)
{
    return AW_LIKELY(s != NULL) ? aw_loop_check(s->loop) : aw_fail(-EINVAL, "the stream is NULL");
}
int aw_stream_check_task(const aw_stream *s);

/* What is to be told of a stream that was lost, or set an error. */
int aw_stream_error(const aw_stream *s, int code);

/* Sleep in a line of the stream's, which the stream outlives. */
int aw_stream_sleep(aw_stream *s, aw_waiters *line, const struct aw_wait_kind *kind,
                    const void *caller);
void aw_stream_wake_all(aw_waiters *line);
void aw_stream_drop_wait(struct aw_wait *w);
/* The kind of a call that sleeps so. */
#define AW_STREAM_KIND(call_)                                                                      \
    {                                                                                              \
        .name = (call_), .cancel = aw_waiter_cancel, .drop = aw_stream_drop_wait,                  \
        .describe = aw_stream_describe_wait                                                        \
    }
void aw_stream_describe_wait(const struct aw_wait *w, aw_buf *out);
void aw_stream_describe(const aw_stream *s, aw_buf *out);

/* ---- stream_read.c ---- */

/* Bytes have come: they go to who waits, and into the queue.  False: there was no memory, and the
 * stream is lost. */
bool aw_stream_feed(aw_stream *s, const void *data, size_t n);
/* The same with a queue of the caller's, which goes: as a whole, where that saves copying. */
void aw_stream_feed_bytes(aw_stream *s, struct aw_bytes *b);
void aw_stream_feed_eof(aw_stream *s);

/* Does somebody wait for more than there is?  Then ask the source for it. */
bool aw_stream_wants(const aw_stream *s);
void aw_stream_pull(aw_stream *s);

/* How many bytes the stream would like to have, at least one while somebody waits; 0: it is full
 * and will call resume(). */
size_t aw_stream_appetite(aw_stream *s);

/* Where the next bytes can go without being moved again, and how many; NULL: no memory.  They are
 * there when aw_stream_fed() says so; with 0, they never came. */
void *aw_stream_space(aw_stream *s, size_t *ret_room);
void aw_stream_fed(aw_stream *s, size_t n);

/* Whoever reads has a reason to look again. */
void aw_stream_wake_reader(aw_stream *s);

/* The memory goes: that which was given out too. */
void aw_stream_drop_rx(aw_stream *s);

/* ---- stream_write.c ---- */

/* Send what is pending, as far as it goes. */
void aw_stream_flush(aw_stream *s);
/* How much is pending has changed. */
void aw_stream_pending_changed(aw_stream *s);

#endif
