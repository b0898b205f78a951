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
 *   a deadlock noticed              loop.c      a graceful stop                stop.c
 *   work handed over by a thread    inbox.c     a signal noticed, called       signals.c
 *   a record that crosses threads   record.c    memory of a moment             block.c
 *   a descriptor watched, read      fd.c        task-local values              local.c
 *   a coroutine object kept         coro.c      a report written and printed   report.c
 *   the detail of an error kept     error.c     a stack overflow explained     overflow.c
 *   waiting for a layer above       line.c      what layers above see          upper.h
 *   reports of layers above         report_named.c  messages sent, received    socket.c
 *   what the simulator is let have  door.c
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
#include "core/upper.h"
#include "coro/fiber.h"
#include "io/io.h"
#include "sys/sys.h"

/* ---- small things ---- */

/* A text that several own: a name, a cancel message, an error's detail.  One line, without control
 * characters. */
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
    aw_heap heap;  /* deadlines up to the end of tick `now`, exactly ordered */
    int64_t now;   /* ticks <= now have been moved to the heap */
    uint64_t seq;  /* of the next timer set */
    size_t count;  /* timers set, those that are never due left out */
    aw_list never; /* timers without a deadline, kept only to be found when the loop closes */
    uint64_t used[AW_WHEEL_LEVELS]; /* which slots hold timers */
    aw_list slots[AW_WHEEL_LEVELS][AW_WHEEL_SLOTS];
};

/* ---- futures ---- */

enum aw_future_state { AW_PENDING, AW_FINISHED, AW_FAILED, AW_CANCELLED };
enum aw_future_kind { AW_KIND_PLAIN, AW_KIND_TASK, AW_KIND_JOB, AW_KIND_GATHER, AW_KIND_SHIELD };

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

/* A future whose work is done by another thread.  Work that has begun cannot be taken back, and its
 * argument may lie on the stack of the task that waits: so such a wait is never broken off. */
struct aw_job {
    aw_future fut; /* of AW_KIND_JOB */
    const struct aw_job_kind *kind;
};
struct aw_job_kind {
    /* Cancel it, as it is pending.  True: it is done now.  False: the work has begun and will come
     * to its own end; the request of who waits for it stays pending (effects win). */
    bool (*cancel)(struct aw_job *job, struct aw_text *msg);
    void (*describe)(const struct aw_job *job, aw_buf *out); /* behind the word "job" */
    void (*free)(struct aw_job *job);
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
    /* It waits for children of the caller's: not even hard cancellation breaks it off, as they are
     * cancelled themselves and may use the caller's stack. */
    bool holds;
    /* For graphs: the future waited for, when `object` is not one; may be NULL. */
    aw_future *(*target)(const struct aw_wait *w);
};

/* A task's control block, at the top of its stack.  What every switch touches comes first, in two
 * cache lines: with a thousand tasks awake, lines are what switching costs. */
struct aw_tcb {
    struct aw_fiber fiber;         /* first: stack.c finds it here */
    struct aw_wait *wait;          /* set while suspended, NULL while it runs */
    struct aw_ready ready;         /* its next step, when runnable */
    bool must_cancel;              /* -ECANCELED is to be delivered when it next resumes */
    bool given_up;                 /* stop.c: it is never resumed again */
    bool started;                  /* fn was called, or will be at once */
    bool value_set;                /* aw_return_value() was called: fut.value holds it */
    uint32_t hard_calls;           /* suspending calls that failed since cancellation is hard */
    uint64_t suspensions;          /* how often it went to sleep */
    struct aw_fiber *eager_parent; /* in its eager first step: who goes on when it suspends */
    struct aw_tcb *eager_task;     /* the task that eager_parent is, NULL for the loop's stack */
    aw_context *context;           /* task-local values; may be NULL: all initial */
    aw_future fut;                 /* the handle users hold points here */
    aw_fn *fn;
    void *arg;               /* what fn gets: the caller's argument or the copy */
    void (*release)(void *); /* called with release_arg when the work has ended; or NULL */
    void *release_arg;
    uint32_t cancel_requests;   /* aw_cancel() minus aw_uncancel() */
    uint64_t cancel_epoch;      /* cancel.c: the walk that visited it last */
    struct aw_text *cancel_msg; /* of the latest request, or NULL */
    aw_list all;                /* on loop->tasks until it has ended */
    uint64_t id;                /* 1, 2, ... per loop: the default name */
    struct aw_text *name;       /* given or made on demand; may be NULL */
    const char *fn_name;
    struct aw_place {
        const char *what, *file;
        int line;
    } scope_at; /* the innermost open scope, told apart from its record, which may lie in a frame
                   that was left */
    aw_scope *scopes; /* innermost open scope */
    void *submission; /* submit.c: what it was handed over as, or NULL */
    aw_group *group;  /* the group it was started in, until it has ended; or NULL */
    aw_list sibling;  /* on that group's list */
    struct aw_errslot err;
};

/* ---- callbacks ---- */

struct aw_handle {
    struct aw_ready ready;
    struct aw_timer timer; /* for call_later and call_at */
    uint32_t refs;         /* the schedule's, and the user's if they asked for a handle */
    bool cancelled, called;
    struct aw_fd_watch *watch; /* fd.c: the reader or writer this is the callback of; or NULL */
    struct aw_signal_watch *signal; /* signals.c: the same */
    aw_loop *loop;
    aw_callback *cb;
    void *arg;
    const char *cb_name, *file;
    int line;
    double when;
    aw_context *context;
};

/* ---- the loop ---- */

/* spin.c: how long who waits on one side stays awake first. */
struct aw_spin {
    int64_t ns;             /* at most; 0: not at all */
    _Atomic unsigned pause; /* sleeps to leave out, and how many of them are left */
};

/* What a loop does about a signal; on its own stack. */
typedef void aw_loop_signal(aw_loop *l, int signo, void *arg);

struct aw_loop {
    uint64_t id;            /* 1, 2, ... per process: unlike an address never used again */
    struct aw_fiber main;   /* the running thread's own stack: polls, runs callbacks */
    struct aw_tcb *current; /* the running task, NULL on the loop's own stack */
    aw_fifo batch;          /* what this pass still has to run */
    aw_fifo ready;          /* what the next pass will run */
    aw_context **context;   /* the running task's or callback's; NULL: the thread's */
    struct aw_timers timers;
    struct aw_clock clock;
    int64_t waited;           /* ns, in real time, for the next moment of a virtual one */
    struct aw_io *io;         /* made by the first run; kept until close */
    const char *backend;      /* name asked for, or NULL */
    unsigned fork_generation; /* of the process that made it */
    size_t submit_limit;      /* most submissions that are not over; 0: any number */
    struct aw_stack_pool stacks;
    bool measures_stacks;              /* stacks.c: AWAIT_STACKS was set when it was made */
    struct aw_stack_site *stack_sites; /* what it has found out */
    size_t stacks_uncounted;           /* tasks there was no memory to note down */
    aw_list tasks;                     /* tcb->all of every unfinished task, in order of creation */
    _Atomic size_t n_tasks;            /* how many; written by the running thread, read by any */
    aw_list unlooked;                  /* failed futures that nobody has looked at */
    aw_list retired;                   /* futures without a reference, about to be freed */
    bool retiring;
    uint64_t next_id;      /* of the next task */
    uint64_t cancel_epoch; /* cancel.c: walks along awaits */
    uint64_t cancel_round; /* cancel.c: outermost requests, with what follows from them */
    aw_list cancel_queue;  /* cancel.c: aw_cancel_item.link, to be run */
    bool cancel_draining;
    struct aw_cancel_item *cancel_running; /* the one whose run() this is */
    size_t refs; /* 1 while open, and 1 per future, coroutine and handle */
    _Atomic(const struct aw_thread *) owner; /* whose loop it runs as; NULL while it does not.
                                                Read by any thread, written by the running one */
    _Atomic long owner_number;               /* that thread's, for messages; as the owner */
    aw_list closers; /* aw_closer.link: what others have to do when it closes */
    char apart[64];  /* so that other threads' writes do not take the lines around from the loop */
    _Atomic(struct aw_ready *) inbox;    /* inbox.c: the latest that other threads handed over */
    _Atomic(aw_fifo_node *) inbox_first; /* and the oldest; written by the loop, and by who finds
                                            the inbox empty */
    _Atomic uint32_t doze;               /* whether the loop sleeps, and where */
    _Atomic unsigned wakers;             /* pushers that may be about to wake the poll */
    char apart_from_submitters[64];      /* whose words the loop does not look at */
    _Atomic size_t outside_refs;         /* of other threads on its memory; one for all inside */
    _Atomic size_t submitted;            /* submissions that are not over, where there is a limit */
    struct aw_spin waiter_spin;          /* of threads that wait for its results */
    char apart_too[64];
    unsigned inbox_looks;    /* for what was not linked yet, in vain, one after the other */
    size_t inbox_taken;      /* items since it was about to sleep */
    bool one_cpu;            /* is all that the process has */
    struct aw_spin spin;     /* its own */
    struct aw_block *blocks; /* block.c: free ones, and how many */
    unsigned n_blocks, n_spare_handles;
    aw_fifo_node *spare_handles; /* handle.c */
    size_t outside;              /* what other threads owe it: jobs, wrapped futures */
    size_t jobs;                 /* of these, the jobs */
    void *pool;                  /* offload.c: its pool for blocking work, or NULL */
    void *names;                 /* resolve.c: its pool for names, or NULL */
    bool pool_daemon;            /* that pool's options, which are those of the loop's thread */
    double pool_exit_timeout;
    _Atomic bool attention;   /* set from outside: something waits for the loop's own stack */
    _Atomic uint64_t signals; /* bit signo - 1: it came; set by handlers */
    _Atomic unsigned signals_unseen; /* came since the loop last looked */
    _Atomic uint64_t signals_stop;   /* those that stop the run, and nothing else */
    uint64_t signals_taken;          /* which are ours now */
    uint64_t stop_set;               /* those that the run has asked for */
    bool stop_yields;                /* to subscribers */
    aw_loop_signal *on_signal;       /* called on the loop's stack for each of stop_set */
    void *on_signal_arg;
    aw_list signal_subs;      /* aw_signal_sub.link: who wants to know of some */
    aw_list signal_watches;   /* signals.c: callbacks */
    bool stop_asked;          /* stop.c: the run is wished to end */
    aw_list stop_waiters;     /* tasks in aw_stop_wait() */
    double grace, hard_after; /* seconds of the stages */
    struct aw_timer grace_timer, hard_timer;
    bool hard;            /* every suspending call fails */
    size_t n_given_up;    /* of the unfinished tasks */
    aw_list idle_waiters; /* testing.c: tasks in aw_wait_all_blocked() */
    bool seeded, shuffle; /* testing.c: open order is drawn from prng */
    aw_prng prng;
    uint64_t trace; /* seeded: a hash of all steps */
    uint8_t stop;   /* AW_STOP_*: when the run is to end */
    bool one_pass;  /* return to the caller after every pass: the end of a run */
    bool draining;  /* its tasks have been cancelled; what is submitted does not begin */
    bool closed;
    bool overflow_watched; /* during a run: overflow.c is at work in its thread */
    bool debug;
    bool watched; /* steps are looked at when they end: debug, or a hook is set */
    void (*on_suspend)(struct aw_tcb *t, void *arg); /* tests: called as a task goes to sleep */
    void *on_suspend_arg;
    bool exposed;             /* user code holds the loop's pointer: anyone might wake it */
    bool detect_deadlock;     /* in a plain aw_run() */
    int64_t slow_ns;          /* debug: from when on a step is slow */
    int64_t step_began;       /* debug: when the running step did */
    struct aw_fd_watch **fds; /* fd.c: readers (2 * fd) and writers (2 * fd + 1) */
    size_t n_fds;             /* entries in it */
    aw_list file_turns;       /* file_turn.c: calls on files that threads do */
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
    bool dropping; /* items run because their loop closes: it is not `loop` */
    struct aw_errslot err;
    aw_context *context;           /* the values of code outside any task or callback */
    aw_context **context_override; /* in force during an exception handler's call, or NULL */
    struct aw_records *records;    /* record.c: the one whose records this thread hands out */
    unsigned records_left;         /* and how many it still has */
};
extern _Thread_local struct aw_thread aw_self __attribute__((tls_model("initial-exec")));

#include "core/parts.h"

#endif
