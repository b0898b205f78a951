/*
 * core.h - the file to read first: every struct of the core, and who writes which field when.
 *
 *   user's coroutine                  the loop                              kernel
 *   ----------------                  --------                              ------
 *   aw_await(f) ---> aw_wait on stack
 *                    aw_watch on f->watchers
 *                    aw_suspend() ----> next ready task, directly
 *                                       (nothing ready: the loop's own stack polls) ---> epoll
 *   aw_set_result(f) --> fires each watch, in order
 *                        --> aw_wake() --> ready queue, end --> next pass --> resumes after
 *                                                                            aw_suspend()
 *
 * Two nouns and three verbs.  A task that waits has one aw_wait on its stack, which says for what
 * and how to break it off; a future has a list of aw_watch, which say whom to tell.  A task
 * suspends (sched.c), anyone wakes it (sched.c), a future completes and fires its watches
 * (future.c).  Every way of waiting in this library is made of these.
 *
 * The ready queue holds aw_ready items: the next step of a task, or a callback.  A pass takes the
 * whole queue (`batch`) and runs it in order; what gets ready meanwhile waits for the next pass.
 *
 * Where is...                       it is in
 *   a task created, begun, ended    task.c      a future completed, freed      future.c
 *   a task put to sleep and woken   sched.c     a task cancelled               cancel.c
 *   a timer set, cancelled, fired   timer.c     a callback scheduled           handle.c
 *   the pass, the poll, the clock   loop.c      a run begun, drained, ended    run.c
 *   work started and waited for     structured.c  asyncio's gather and shield  gather.c
 *   wait, as_completed              several.c   time limits, wait_for          timeout.c
 *   a scope entered and left        scope.c     a task group                   group.c
 *   a deadlock noticed              loop.c      a signal, a graceful stop      stop.c
 *   a descriptor watched, read      fd.c        task-local values              local.c
 *   a coroutine object kept         coro.c      a report written and printed   report.c
 *   the detail of an error kept     error.c     a stack overflow explained     overflow.c
 *
 * Threads: everything here belongs to the thread that runs the loop.  The fields that others may
 * read say so.
 */
#ifndef AW_CORE_H
#define AW_CORE_H

#include <stdatomic.h>

#include "await.h"
#include "base/buf.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/prng.h"
#include "coro/fiber.h"
#include "io/io.h"
#include "sys/sys.h"

/* ---- small things ---- */

/* A text that several own: a name, a cancel message, an error's detail. */
struct aw_text {
    _Atomic uint32_t refs; /* a thread may keep one whose loop goes on in another thread */
    struct aw_group_failures *failures; /* behind an AW_EGROUP: a reference; or NULL */
    char s[];
};

/* The last error of a task or a thread: what aw_errno() and aw_errmsg() answer. */
struct aw_errslot {
    int code;              /* set by calls that return NULL */
    int msg_code;          /* the code that msg goes with */
    const char *msg;       /* NULL, a literal, or owner->s; replaced by each failing call */
    struct aw_text *owner; /* keeps msg alive, or NULL */
};

/* An item of the ready queue.  `run` is NULL for a task's step, which is switched to; otherwise it
 * is called on the loop's own stack. */
struct aw_ready {
    aw_fifo_node link;
    void (*run)(struct aw_ready *item);
};

/* A timer: embedded in what it belongs to, so setting one never allocates.  In the wheel it is on
 * a slot's list, near its deadline in the heap; `node.key` is the deadline in ns either way. */
struct aw_timer {
    union {
        aw_list link;
        aw_heap_node node;
    };
    void (*fire)(struct aw_timer *timer); /* runs in the pass in which it became due */
    uint8_t where;                        /* AW_TIMER_* */
    uint8_t level, slot;                  /* in the wheel: its place */
};
enum { AW_TIMER_IDLE, AW_TIMER_HEAP, AW_TIMER_WHEEL, AW_TIMER_NEVER };

#define AW_WHEEL_LEVELS 8
#define AW_WHEEL_BITS 6
#define AW_WHEEL_SLOTS (1 << AW_WHEEL_BITS)
#define AW_TICK_BITS 20 /* a tick is 2^20 ns, about a millisecond */

struct aw_timers {
    aw_heap heap;   /* deadlines up to the end of tick `now`, exactly ordered */
    int64_t now;    /* ticks <= now have been moved to the heap */
    uint64_t seq;   /* of the next timer set */
    size_t count;   /* timers set, those that are never due left out */
    aw_list never;  /* timers without a deadline, kept only to be found when the loop closes */
    uint64_t used[AW_WHEEL_LEVELS]; /* which slots hold timers */
    aw_list slots[AW_WHEEL_LEVELS][AW_WHEEL_SLOTS];
};

/* ---- futures ---- */

enum aw_future_state { AW_PENDING, AW_FINISHED, AW_FAILED, AW_CANCELLED };
enum aw_future_kind { AW_KIND_PLAIN, AW_KIND_TASK, AW_KIND_GATHER, AW_KIND_SHIELD };

#define AW_FUTURE_ALIVE 0xf07e5a11u
#define AW_FUTURE_FREED 0xdeadf07eu

struct aw_future {
    uint32_t magic;         /* AW_FUTURE_ALIVE until freed: checked by debug builds */
    uint32_t refs;          /* handles; the loop's own for a task that has not ended */
    uint8_t kind;           /* enum aw_future_kind */
    uint8_t state;          /* enum aw_future_state: written once, by aw_future_complete() */
    bool looked;            /* a failure somebody has seen: not reported when freed */
    int line;               /* where it was created */
    int result;             /* valid when done: the result or the error */
    void *value;            /* valid when finished */
    aw_list watchers;       /* pending: aw_watch.link, in order of registration;
                               failed and not looked at: itself on loop->unlooked */
    aw_loop *loop;          /* never changes; kept in memory by each of its futures */
    struct aw_text *detail; /* done: the cancel message or the error's detail, or NULL */
    const char *file;
};

/* One who wants to know that a future is done.  fire() is called once, inside the completing call,
 * with the watch already off the list: it may wake a task or push an item on the ready queue, and
 * must not run the user's code. */
struct aw_watch {
    aw_list link;
    const struct aw_watch_kind *kind;
};
struct aw_watch_kind {
    void (*fire)(struct aw_watch *w, aw_future *f);
    aw_future *(*waiter)(const struct aw_watch *w); /* who waits: the await graph's edge; or NULL */
    void (*drop)(struct aw_watch *w); /* the future goes and will never fire it; may be NULL */
};

/* ---- tasks ---- */

/* What a sleeping task waits for: on its stack, from aw_suspend() until that returns. */
struct aw_wait {
    const struct aw_wait_kind *kind;
    struct aw_tcb *task;
    void *object;       /* the kind's: a future, a timer, an operation */
    const void *caller; /* return address of the public call: "where it waits" */
    int result;         /* set by aw_wake(), what aw_suspend() returns */
    bool woken;         /* it is on the ready queue, or about to be */
};
struct aw_wait_kind {
    const char *name; /* the public call's name */
    /* Break the wait off: wake the task with -ECANCELED, or make sure that it will be woken soon.
     * Called only while the task is not woken; the task is told when it resumes.  False: this was
     * done before in the same round, so the one who asks is a descendant of what it waits for.
     * NULL: `object` is a future, and is cancelled in its turn (cancel.c walks such chains without
     * recursion). */
    bool (*cancel)(struct aw_wait *w);
    void (*describe)(const struct aw_wait *w, aw_buf *out); /* the object in words; may be NULL */
    /* The loop closes over the task, which never resumes: take the record off any list that
     * outlives the loop.  May be NULL. */
    void (*drop)(struct aw_wait *w);
    /* Effects win: a cancellation that arrived during the wait leaves the result alone unless
     * that is -ECANCELED, and stays pending for the next suspension point. */
    bool effect_wins;
    /* For graphs: the future waited for, when `object` is not one; may be NULL. */
    aw_future *(*target)(const struct aw_wait *w);
};

/* A task's control block, at the top of its stack. */
struct aw_tcb {
    struct aw_fiber fiber;      /* first: stack.c finds it here */
    aw_future fut;              /* the handle users hold points here */
    struct aw_ready ready;      /* its next step, when runnable */
    struct aw_wait *wait;       /* set while suspended, NULL while it runs */
    struct aw_fiber *eager_parent; /* in its eager first step: who goes on when it suspends */
    struct aw_tcb *eager_task;  /* the task that eager_parent is, NULL for the loop's stack */
    aw_fn *fn;
    void *arg;                  /* what fn gets: the caller's argument or the copy */
    void (*release)(void *);    /* called with release_arg when the work has ended; or NULL */
    void *release_arg;
    uint32_t cancel_requests;   /* aw_cancel() minus aw_uncancel() */
    bool must_cancel;           /* -ECANCELED is to be delivered when it next resumes */
    bool started;               /* fn was called, or will be at once */
    bool value_set;             /* aw_return_value() was called: fut.value holds it */
    bool given_up;              /* stop.c: it is never resumed again */
    uint32_t hard_calls;        /* suspending calls that failed since cancellation is hard */
    uint64_t suspensions;       /* how often it went to sleep */
    uint64_t cancel_epoch;      /* cancel.c: the walk that visited it last */
    struct aw_text *cancel_msg; /* of the latest request, or NULL */
    aw_list all;                /* on loop->tasks until it has ended */
    uint64_t id;                /* 1, 2, ... per loop: the default name */
    struct aw_text *name;       /* given or made on demand; may be NULL */
    const char *fn_name;
    aw_context *context;        /* task-local values; may be NULL: all initial */
    aw_scope *scopes;           /* innermost open scope */
    aw_group *group;            /* the group it was started in, until it has ended; or NULL */
    aw_list sibling;            /* on that group's list */
    struct aw_errslot err;
};

/* ---- callbacks ---- */

struct aw_handle {
    struct aw_ready ready;
    struct aw_timer timer;  /* for call_later and call_at */
    uint32_t refs;          /* the schedule's, and the user's if they asked for a handle */
    bool cancelled, called;
    aw_loop *loop;
    aw_callback *cb;
    void *arg;
    const char *cb_name, *file;
    int line;
    double when;
    aw_context *context;
};

/* ---- the loop ---- */

/* What a loop does about a signal; on its own stack. */
typedef void aw_loop_signal(aw_loop *l, int signo, void *arg);

struct aw_loop {
    uint64_t id;                /* 1, 2, ... per process: never another loop's, unlike its address */
    struct aw_fiber main;       /* the running thread's own stack: polls, runs callbacks */
    struct aw_tcb *current;     /* the running task, NULL on the loop's own stack */
    aw_fifo batch;              /* what this pass still has to run */
    aw_fifo ready;              /* what the next pass will run */
    aw_context **context;       /* the running task's or callback's; NULL: the thread's */
    struct aw_timers timers;
    struct aw_clock clock;
    struct aw_io *io;           /* made by the first run; kept until close */
    const char *backend;        /* name asked for, or NULL */
    struct aw_stack_pool stacks;
    aw_list tasks;              /* tcb->all of every unfinished task, in order of creation */
    size_t n_tasks;
    aw_list unlooked;           /* failed futures that nobody has looked at */
    aw_list retired;            /* futures without a reference, about to be freed */
    bool retiring;
    uint64_t next_id;           /* of the next task */
    uint64_t cancel_epoch;      /* cancel.c: walks along awaits */
    uint64_t cancel_round;      /* cancel.c: outermost requests, each with all that follows from it */
    aw_list cancel_queue;       /* cancel.c: aw_cancel_item.link, to be run */
    bool cancel_draining;
    struct aw_cancel_item *cancel_running; /* the one whose run() this is */
    size_t refs;                /* 1 while open, and 1 per future, coroutine and handle */
    _Atomic(const struct aw_thread *) owner; /* whose loop it runs as; NULL while it does not.
                                                Read by any thread, written by the running one */
    unsigned fork_generation;   /* of the process that made it */
    _Atomic bool attention;     /* set from outside: something waits for the loop's own stack */
    _Atomic uint64_t signals;   /* bit signo - 1: it came; set by handlers */
    _Atomic unsigned signals_unseen; /* came since the loop last looked */
    unsigned signals_taken;     /* AW_SIGINT, AW_SIGTERM: which are ours now */
    aw_loop_signal *on_signal;  /* called on the loop's stack for each */
    void *on_signal_arg;
    bool stop_asked;            /* stop.c: the run is wished to end */
    aw_list stop_waiters;       /* tasks in aw_stop_wait() */
    double grace, hard_after;   /* seconds of the stages */
    struct aw_timer grace_timer, hard_timer;
    bool hard;                  /* every suspending call fails */
    size_t n_given_up;          /* of the unfinished tasks */
    aw_list idle_waiters;       /* testing.c: tasks in aw_wait_all_blocked() */
    bool seeded, shuffle;       /* testing.c: open order is drawn from prng */
    aw_prng prng;
    uint64_t trace;             /* seeded: a hash of all steps */
    uint8_t stop;               /* AW_STOP_*: when the run is to end */
    bool one_pass;              /* return to the caller after every pass: the end of a run */
    bool closed;
    bool overflow_watched;      /* during a run: overflow.c is at work in its thread */
    bool debug;
    bool watched;               /* steps are looked at when they end: debug, or a hook is set */
    void (*on_suspend)(struct aw_tcb *t, void *arg); /* tests: called as a task goes to sleep */
    void *on_suspend_arg;
    bool exposed;               /* user code holds the loop's pointer: anyone might wake it */
    bool detect_deadlock;       /* in a plain aw_run() */
    int64_t slow_ns;            /* debug: from when on a step is slow */
    int64_t step_began;         /* debug: when the running step did */
    struct aw_fd_watch **fds;   /* fd.c: readers (2 * fd) and writers (2 * fd + 1) */
    size_t n_fds;               /* entries in it */
    aw_exception_handler *handler;
    void *handler_arg;
    aw_task_factory *factory;
    void *factory_arg;
};

/* A run that is asked to stop ends after the pass; one whose future is done does one pass more,
 * which runs what was scheduled together with that. */
enum { AW_STOP_NO, AW_STOP_NEXT_PASS, AW_STOP_THIS_PASS };

/* What a thread knows of itself. */
struct aw_thread {
    aw_loop *loop; /* the loop that runs in this thread, or NULL */
    bool forked;   /* a loop ran here when this process was forked off */
    bool watched;  /* what it owns is freed when the thread ends */
    struct aw_errslot err;
    aw_context *context;            /* the values of code outside any task or callback */
    aw_context **context_override;  /* in force during an exception handler's call, or NULL */
    long id;       /* for messages; 0 until asked */
};
extern _Thread_local struct aw_thread aw_self __attribute__((tls_model("initial-exec")));

/* ---- error.c: details ---- */

struct aw_text *aw_text_new(const char *s); /* NULL for NULL, "" and when there is no memory */
struct aw_text *aw_text_ref(struct aw_text *t);
void aw_text_unref(struct aw_text *t);

/* The running task's slot, or the thread's. */
struct aw_errslot *aw_errslot_current(void);
void aw_errslot_fini(struct aw_errslot *slot);
struct aw_text *aw_errslot_share(const struct aw_errslot *slot, int code);

/* Both record the detail of a failing call; `msg` is a literal or NULL.  The first returns the
 * code, the second is for calls that return NULL. */
int aw_fail(int code, const char *msg);
void *aw_fail_null(int code, const char *msg);

/* Record the code and keep the detail that a check has recorded; NULL. */
void *aw_null(int code);

/* The same as aw_fail() with a text somebody owns, which is shared; returns the code. */
int aw_fail_text(int code, struct aw_text *text);

/* The thread's own slot or values come to own memory: freed when it ends. */
void aw_thread_owns(void);

/* What a call that was handed NULL answers. */
int aw_null_handle(void);

/* ---- sched.c: the ready queue ---- */

/* The loop that runs in this thread, or NULL after setting nothing. */
static inline aw_loop *aw_loop_here(void)
{
    return aw_self.loop;
}

/* Why there is no loop or task here: AW_EMISUSE, or AW_EFORKED in the child of a fork. */
int aw_no_loop(void);

/* 0 if this thread may use the loop now; AW_ETHREAD or AW_EFORKED, recorded. */
int aw_loop_check_slow(const aw_loop *l);
static inline int aw_loop_check(const aw_loop *l)
{
    return AW_LIKELY(l == aw_self.loop) ? 0 : aw_loop_check_slow(l);
}

static inline void aw_ready_push(aw_loop *l, struct aw_ready *item)
{
    aw_fifo_push(&l->ready, &item->link);
}

/* Put the running task `t` to sleep until aw_wake(w); `w` has kind, object and caller set.
 * Returns w->result, or -ECANCELED when the task is to be told of a cancellation; w->result still
 * holds what it was woken with, so that whoever was granted something can pass it on. */
int aw_suspend(struct aw_tcb *t, struct aw_wait *w);

/* Make the sleeping task runnable, at the end of the ready queue.  Once per wait. */
void aw_wake(struct aw_wait *w, int result);

/* Give up one pass: wait kind `aw_sleep`, not cancelled early. */
int aw_yield(struct aw_tcb *t, const void *caller);

/* The end of a task's stack: switch to whatever is next, for good. */
_Noreturn void aw_sched_exit(struct aw_tcb *t);

/* Run a task's first step now, on behalf of the running code. */
void aw_sched_eager(aw_loop *l, struct aw_tcb *t);

/* From the loop's own stack: run what this pass holds. */
void aw_sched_run_batch(aw_loop *l);

/* Debug mode: a step begins; and how long the one that ends took, if it was slow, else -1. */
void aw_step_begin(aw_loop *l);
int64_t aw_step_took(aw_loop *l);

/* For tests: call hook(t, arg) whenever a task of this loop goes to sleep; it may cancel the task.
 * NULL takes it away. */
void aw_loop_set_suspend_hook(aw_loop *l, void (*hook)(struct aw_tcb *t, void *arg), void *arg);

/* ---- future.c ---- */

/* A new future's common part; the caller has the memory.  Takes a reference on the loop. */
void aw_future_init(aw_future *f, aw_loop *l, enum aw_future_kind kind, const char *file, int line);

/* Finish a pending future and fire its watches.  Takes over the reference to `detail`. */
void aw_future_complete(aw_future *f, enum aw_future_state state, int result, void *value,
                        struct aw_text *detail);

/* Somebody has seen the outcome: a failure will not be reported. */
void aw_future_look(aw_future *f);

/* Reports a failure that nobody has looked at, once. */
void aw_future_report_unlooked(aw_future *f);

/* The outcome of a done future for the running task: looks, and records the detail. */
int aw_future_outcome(aw_future *f);

/* NULL, freed or foreign handles: 0, or the error that a call returning int answers. */
int aw_future_check(aw_future *f);

/* The task of a future that is one. */
static inline struct aw_tcb *aw_tcb_of(aw_future *f)
{
    return aw_container_of(f, struct aw_tcb, fut);
}

/* Wait for `f` as public call `kind` does. */
int aw_await_as(aw_future *f, const struct aw_wait_kind *kind, const void *caller);

/* End such a wait without touching what it waits for. */
bool aw_await_break(struct aw_wait *w);

/* Nobody will complete this future: let its watches go. */
void aw_future_drop_watches(aw_future *f);

/* ---- task.c ---- */

/* What aw_create_task() does after its checks; `l` may be used by this thread. */
struct aw_tcb *aw_task_new(aw_loop *l, aw_fn *fn, const aw_task_opts *opts);
/* As aw_create_task(), through the loop's task factory. */
aw_task *aw_task_make(aw_fn *fn, const aw_task_opts *opts);
/* The last reference has gone, or its loop closes: frees what it holds, and its stack. */
void aw_task_free(struct aw_tcb *t);
/* A loop closes and this task, which was reported, will never go on: ends it. */
void aw_task_abandon(struct aw_tcb *t);

/* ---- cancel.c ---- */

/* Cancel a future, or ask a task to end.  False: there was nothing to cancel. */
bool aw_cancel_request(aw_future *f, struct aw_text *msg);

/* What has children to cancel puts this on the loop's queue: run() is called, once, before the
 * outermost aw_cancel_request() (or aw_cancel_queued()) returns.  So nesting never recurses. */
struct aw_cancel_item {
    aw_list link; /* initialised; linked while it is queued */
    void (*run)(struct aw_cancel_item *item);
    uint64_t round; /* in which it was queued last */
    struct aw_cancel_item *from; /* valid in that round: in whose run() it was, or NULL */
};
/* Once per round; false when asked again from within its own run(), or what follows from that: who
 * asks is a descendant of what it waits for. */
bool aw_cancel_queue(aw_loop *l, struct aw_cancel_item *item);
void aw_cancel_queued(aw_loop *l);
/* A request that does not come through aw_cancel_request() begins; its consequences are queued. */
void aw_cancel_begin_round(aw_loop *l);

/* ---- gather.c ---- */

/* A pending gather is asked to end: its children are queued.  False: they have all ended, and it is
 * about to finish; or it was asked in this round before: it is its own descendant. */
bool aw_gather_request_cancel(aw_future *f, struct aw_text *msg);
void aw_gather_free(aw_future *f);
void aw_shield_free(aw_future *f);

/* ---- timer.c ---- */

void aw_timers_init(struct aw_timers *ts, int64_t now_ns);
/* Set an idle timer whose fire() is set, for a deadline in ns of the loop's clock. */
void aw_timer_set(struct aw_timers *ts, struct aw_timer *t, int64_t deadline);
/* Take it out; harmless on an idle one. */
void aw_timer_cancel(struct aw_timers *ts, struct aw_timer *t);
/* Fire every timer that is due, in order of deadline, then of setting. */
void aw_timers_fire(struct aw_timers *ts, int64_t now_ns);
/* No timer is due before this; INT64_MAX if none is set. */
int64_t aw_timers_next(const struct aw_timers *ts);

static inline bool aw_timer_is_set(const struct aw_timer *t)
{
    return t->where != AW_TIMER_IDLE;
}

/* `seconds` from now as a deadline: never before its time, saturating; a NaN is the caller's to
 * refuse.  INT64_MAX means never. */
int64_t aw_deadline_in(aw_loop *l, double seconds);
int64_t aw_ns_from_seconds(double seconds);

/* Any timer that is set, taken out; NULL when there is none.  For closing. */
struct aw_timer *aw_timers_take_any(struct aw_timers *ts);

/* ---- handle.c ---- */

/* Every aw_ready.run() does this when its loop is closed: let go, run nothing of the user's. */

/* A handle that is not scheduled yet: with a reference for whoever will call it, and the user's if
 * they want one. */
int aw_handle_new(aw_callback *cb, const aw_call_opts *opts, aw_handle **ret);
/* Call its callback now, on the loop's stack. */
void aw_handle_call(aw_handle *h);

/* A loop closes: if the timer is a handle's, the schedule lets the handle go. */
void aw_handle_drop_timer(struct aw_timer *timer);

/* ---- scope.c ---- */

void aw_scope_open(aw_scope *s, struct aw_tcb *t, const char *what, const char *file, int line);
void aw_scope_close(aw_scope *s, struct aw_tcb *t);
enum { AW_SCOPE_FRESH, AW_SCOPE_OPEN, AW_SCOPE_CLOSED };
/* A task ends with a scope open: says which, and aborts. */
AW_COLD _Noreturn void aw_scope_left_open(const aw_scope *s, struct aw_tcb *t);

/* ---- group.c ---- */

/* A new task is a child of this group. */
void aw_group_adopt(aw_group *g, struct aw_tcb *t);
/* A child of a group has ended: on its stack, in its last step. */
void aw_group_child_ended(struct aw_tcb *t);
/* Its loop closes over it: the group, whose task is abandoned too, forgets it. */
void aw_group_forget(struct aw_tcb *t);
/* What an aw_text holds on to. */
void aw_group_failures_free(struct aw_group_failures *f);

/* ---- local.c ---- */

aw_context *aw_context_ref(aw_context *c);
/* The values of the code that runs here; not a new reference, may be NULL. */
aw_context *aw_context_here(void);
/* Let other values be in force until leave(); for code that cannot suspend. */
aw_context **aw_context_enter(aw_context **p);
void aw_context_leave(aw_context **before);

/* ---- coro.c ---- */

/* Work is about to be started: 0, -EINVAL, or AW_EMISUSE for an object used before. */
int aw_work_claim(const aw_work *w);
/* Start claimed work as a task of the running loop. */
aw_task *aw_work_start(const aw_work *w);
/* Claimed work that could not be started, or whose turn never came: release its argument. */
void aw_work_drop(const aw_work *w);
/* Report the unused objects that belong to this loop. */
void aw_coro_report_unused(aw_loop *l);

/* ---- fd.c ---- */

/* The loop begins to run: submit the watches that wait for it. */
void aw_fds_start(aw_loop *l);
void aw_fds_close(aw_loop *l);

/* ---- stop.c ---- */

/* Have signals (AW_SIGINT, AW_SIGTERM) of the process handled by this running loop; 0 or -errno. */
int aw_loop_take_signals(aw_loop *l, unsigned set, aw_loop_signal *fn, void *arg);
void aw_loop_give_signals_back(aw_loop *l);
/* `attention` was set: see to it. */
void aw_loop_attend(aw_loop *l);
/* A run with a graceful stop begins and ends. */
int aw_stop_on(aw_loop *l, unsigned set, double grace);
void aw_stop_off(aw_loop *l);
/* Tasks have been cancelled for good: cancellation becomes hard later, unless ended before. */
void aw_hard_begin(aw_loop *l);
void aw_hard_end(aw_loop *l);
/* Hard: this wait fails; a task that does not heed that is given up. */
void aw_hard_cancel(struct aw_tcb *t, struct aw_wait *w);
void aw_task_give_up(struct aw_tcb *t);

/* ---- testing.c ---- */

void aw_seed_loop(aw_loop *l, uint64_t seed, bool shuffle);
void aw_shuffle_batch(aw_loop *l);
void aw_shuffle_completed(aw_loop *l, aw_list *completed);
void aw_trace_step(aw_loop *l, uint64_t id);
/* Nothing is ready: does a test wait for that?  Then its task is ready now. */
bool aw_wake_one_idle(aw_loop *l);

/* ---- loop.c ---- */

/* Begin and end running a loop in this thread. */
int aw_loop_enter(aw_loop *l);
void aw_loop_leave(aw_loop *l);
/* Passes until `stopping`, or -EDEADLK. */
int aw_loop_passes(aw_loop *l);
void aw_loop_unref(aw_loop *l);
/* Virtual clock: let so many seconds pass, as though the running step took them. */
void aw_loop_advance(aw_loop *l, double seconds);
/* Options, environment. */
bool aw_env_flag(const char *name);

/* ---- report.c ---- */

void aw_report_task(aw_future *f, enum aw_report_kind kind, const char *message);
void aw_report_callback(aw_loop *l, aw_handle *h, const char *message, int error);
void aw_report_done_callback(aw_future *f, const void *cb, int error);
void aw_report_slow_step(struct aw_tcb *t, int64_t ns);
void aw_report_slow_callback(aw_handle *h, int64_t ns);
void aw_report_slow_done_callback(aw_future *f, const void *cb, int64_t ns);
void aw_report_unused_coro(aw_loop *l, const char *name, const char *fn_name, const char *file,
                           int line);
void aw_report_deadlock(aw_loop *l, aw_future *main);
/* Every unfinished task, to standard error. */
void aw_report_dump(aw_loop *l);
/* A task's name into `out`: given, or "Task-7". */
const char *aw_task_label(struct aw_tcb *t, char *out, size_t size);

/* ---- overflow.c ---- */

/* Explain overflows of this thread's tasks; false if that is not possible (a benign failure: the
 * overflow still ends the process, without words).  Undone only if it was done. */
bool aw_overflow_watch(void);
void aw_overflow_unwatch(void);

#endif
