/*
 * cfuture.h - the concurrent future, for the files that complete them.
 *
 * One word holds the state and says whether threads sleep on it.  Completing is claimed by a
 * compare and swap from pending or running to COMPLETING, so of several that try, one writes the
 * outcome; the exchange that brings the final state releases it to everybody who reads that state
 * (acquire).  COMPLETING lasts for three stores and runs nobody's code; who cannot decide before it
 * is over yields until then, so that a refused attempt always finds the future done.
 *
 *     PENDING --> RUNNING --> COMPLETING --> FINISHED | FAILED | CANCELLED
 *         \_____________________/
 *
 * Callbacks are a list, newest first, in one word with two marks:
 *
 *     NULL <--> list <--> busy          somebody takes one callback back: the others wait for that
 *       \         |
 *        +--------+-----> taken         by who completes, to be run; for good
 *
 * Adding one is a compare and swap; who finds `taken` runs its callback itself.  So each callback
 * is run once, or taken back, whoever is faster.  The record is let go by whoever got it: run()
 * takes it over, a successful aw_cfuture_unwatch() gives it back to the caller, and where the
 * future goes without ever having been done, drop() is told.
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
    void (*drop)(struct aw_cf_callback *callback); /* the future goes undone; may be NULL */
};

/* What is special about the producer; entries may be NULL. */
struct aw_cfuture_kind {
    void (*cancelled)(aw_cfuture *f);       /* it was cancelled by a user: tell the producer */
    void (*free)(aw_cfuture *f);            /* the last reference has gone: free the memory */
    struct aw_spin *(*spin)(aw_cfuture *f); /* how who waits for it stays awake first */
    bool has_work;                          /* `ended` is set, and matters to aw_cfuture_join() */
    void (*lost)(aw_cfuture *f); /* the last reference has gone, it has failed, and nobody has
                                    looked: report that */
};

/* Shut at first, then open for ever: what threads sleep on.  Opening releases what was written
 * before, finding it open acquires; nobody is woken where nobody sleeps. */
struct aw_latch {
    _Atomic uint32_t word;
};
enum { AW_LATCH_SHUT, AW_LATCH_OPEN, AW_LATCH_WAITERS /* shut, and threads sleep */ };
static inline bool aw_latch_is_open(struct aw_latch *latch)
{
    return atomic_load_explicit(&latch->word, memory_order_acquire) == AW_LATCH_OPEN;
}
void aw_latch_open(struct aw_latch *latch);
/* False: the deadline came first. */
bool aw_latch_wait(struct aw_latch *latch, int64_t deadline);

struct aw_cfuture {
    const struct aw_cfuture_kind *kind;
    _Atomic uint32_t refs;
    _Atomic uint32_t state; /* AW_CF_*, and what threads sleep on */
    struct aw_latch ended;  /* the work behind it is over, and it is done: what join() waits for */
    _Atomic bool looked;    /* somebody has seen the outcome */
    int result;             /* these three: valid when done */
    void *value;
    struct aw_text *detail;
    _Atomic(struct aw_cf_callback *) callbacks;
    aw_loop *loop;            /* whose thread would do the work, or NULL: only compared */
    unsigned fork_generation; /* of the process whose threads would do the work */
};

void aw_cfuture_init(aw_cfuture *f, const struct aw_cfuture_kind *kind, aw_loop *loop);

static inline uint32_t aw_cf_state(aw_cfuture *f)
{
    return atomic_load_explicit(&f->state, memory_order_acquire) & AW_CF_STATE;
}

/* Whoever reads a done future's outcome says so. */
static inline void aw_cf_look(aw_cfuture *f)
{
    atomic_store_explicit(&f->looked, true, memory_order_relaxed);
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

/* The work behind it is over, and it is done: who joins may go on. */
static inline void aw_cfuture_end(aw_cfuture *f)
{
    aw_latch_open(&f->ended);
}

/* As aw_cfuture_set_running(), for a producer inside the library: true if it was pending. */
bool aw_cfuture_begin(aw_cfuture *f);

/* Add a callback; runs it at once when the future is done. */
void aw_cfuture_watch(aw_cfuture *f, struct aw_cf_callback *callback);

/* Take it back.  False: it has been run, is running, or will be run at once. */
bool aw_cfuture_unwatch(aw_cfuture *f, struct aw_cf_callback *callback);

/* ---- what waiting needs ---- */

/* `seconds` from now on the real clock; none for a number <= 0, INT64_MAX for INFINITY. */
int64_t aw_cf_deadline_in(double seconds);

/* Is its work that of a process of which this one is a forked child?  Then it never ends here. */
static inline bool aw_cf_is_forked(const aw_cfuture *f)
{
    return f->kind->has_work && f->fork_generation != aw_fork_generation();
}

/* Would waiting for it here wait for this very thread? -EDEADLK; or for nobody: AW_EFORKED. */
int aw_cf_refuse_own_loop(const aw_cfuture *f);

#endif
