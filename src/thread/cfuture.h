/*
 * cfuture.h - the concurrent future, for the files that complete them.
 *
 * One word holds the state and says whether threads sleep on it.  Completing is claimed by a
 * compare and swap from pending or running to COMPLETING, so of several that try, one writes the
 * outcome; the store of the final state releases it to everybody who reads that state (acquire).
 *
 *     PENDING --> RUNNING --> COMPLETING --> FINISHED | FAILED | CANCELLED
 *         \_____________________/
 *
 * Callbacks are a list, newest first, that is replaced by a mark when they are taken to be run; who
 * finds the mark runs its callback itself.  So each runs once, whoever is faster.
 */
#ifndef AW_CFUTURE_H
#define AW_CFUTURE_H

#include "await/thread.h"
#include "core/core.h"

enum aw_cfuture_state {
    AW_CF_PENDING,
    AW_CF_RUNNING,
    AW_CF_COMPLETING,
    AW_CF_FINISHED,
    AW_CF_FAILED,
    AW_CF_CANCELLED,
    AW_CF_STATE = 7,   /* mask */
    AW_CF_WAITERS = 8, /* threads sleep on the word */
};

/* One who wants to know.  run() is called once, when the future is done, by the thread that
 * completes it (or adds the callback to a done one); it takes over the record. */
struct aw_cf_callback {
    struct aw_cf_callback *next;
    void (*run)(struct aw_cf_callback *callback, aw_cfuture *f);
};

/* What is special about the producer; entries may be NULL. */
struct aw_cfuture_kind {
    void (*cancelled)(aw_cfuture *f); /* it was cancelled by a user: tell the producer */
    void (*free)(aw_cfuture *f);      /* the last reference has gone: free the memory */
    bool has_work;                    /* `ended` is set, and matters to aw_cfuture_join() */
};

struct aw_cfuture {
    const struct aw_cfuture_kind *kind;
    _Atomic uint32_t refs;
    _Atomic uint32_t state; /* AW_CF_*, and what threads sleep on */
    _Atomic uint32_t ended; /* 1: the work behind it is over; what join() sleeps on */
    int result;             /* these three: valid when done */
    void *value;
    struct aw_text *detail;
    _Atomic(struct aw_cf_callback *) callbacks;
    aw_loop *loop; /* whose thread would do the work, or NULL: only compared */
};

void aw_cfuture_init(aw_cfuture *f, const struct aw_cfuture_kind *kind, aw_loop *loop);

static inline uint32_t aw_cf_state(aw_cfuture *f)
{
    return atomic_load_explicit(&f->state, memory_order_acquire) & AW_CF_STATE;
}

/* Complete it, wake the threads, and run its callbacks here.  Takes over `detail`.  False: it was
 * done already (and `detail` is let go). */
bool aw_cfuture_complete(aw_cfuture *f, enum aw_cfuture_state state, int result, void *value,
                         struct aw_text *detail);

/* The same in two steps, for who must not run callbacks: aw_cfuture_run_callbacks() is still owed
 * when the first returns true, unless aw_cfuture_seal() does. */
bool aw_cfuture_settle(aw_cfuture *f, enum aw_cfuture_state state, int result, void *value,
                       struct aw_text *detail);
void aw_cfuture_run_callbacks(aw_cfuture *f);

/* True: there are no callbacks, and who adds one from now on runs it itself; nothing is owed. */
bool aw_cfuture_seal(aw_cfuture *f);

/* The work behind it is over: who joins may go on. */
void aw_cfuture_end(aw_cfuture *f);

/* Add a callback; runs it at once when the future is done. */
void aw_cfuture_watch(aw_cfuture *f, struct aw_cf_callback *callback);

#endif
