/*
 * parts.h - what the files of the core offer each other, file by file.
 *
 * The structs are in core.h, which includes this; read that first.
 */
#ifndef AW_CORE_PARTS_H
#define AW_CORE_PARTS_H

#include "core/core.h"

/* ---- error.c: details ---- */

struct aw_text *aw_text_new(const char *s); /* NULL for NULL, "" and when there is no memory */
struct aw_text *aw_text_ref(struct aw_text *t);
void aw_text_unref(struct aw_text *t);

/* The running task's slot, or the thread's. */
struct aw_errslot *aw_errslot_current(void);
void aw_errslot_fini(struct aw_errslot *slot);
struct aw_text *aw_errslot_share(const struct aw_errslot *slot, int code);

/* Those that record the detail of a failing call are in upper.h. */

/* The same as aw_fail() with a text somebody owns, which is shared; returns the code. */
int aw_fail_text(int code, struct aw_text *text);

/* The thread's own slot or values come to own memory: freed when it ends. */
void aw_thread_owns(void);

/* ---- sched.c: the ready queue ---- */

/* Why there is no loop or task here: AW_EMISUSE, or AW_EFORKED in the child of a fork. */
int aw_no_loop(void);

/* aw_loop_check_slow() of upper.h, where it matters. */
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
int aw_yield(aw_loop *l, struct aw_tcb *t, const void *caller);

/* The end of a task's stack: switch to whatever is next, for good. */
void aw_sched_exit(struct aw_tcb *t);

/* Run a task's first step now, on behalf of the running code. */
void aw_sched_eager(aw_loop *l, struct aw_tcb *t);

/* From the loop's own stack: run what this pass holds. */
void aw_sched_run_batch(aw_loop *l);

/* Debug mode: a step begins; and how long the one that ends took, if it was slow, else -1. */
static inline void aw_step_begin(aw_loop *l)
{
    if (AW_UNLIKELY(l->debug))
        l->step_began = aw_clock_now(&l->clock);
}
static inline int64_t aw_step_took(aw_loop *l)
{
    if (AW_LIKELY(!l->debug))
        return -1;
    int64_t took = aw_clock_now(&l->clock) - l->step_began;
    return took >= l->slow_ns ? took : -1;
}

/* For tests: call hook(t, arg) whenever a task of this loop goes to sleep; it may cancel the task.
 * NULL takes it away. */
void aw_loop_set_suspend_hook(aw_loop *l, void (*hook)(struct aw_tcb *t, void *arg), void *arg);

/* ---- future.c ---- */

/* A new future's common part; the caller has the memory.  Takes a reference on the loop. */
static inline void aw_future_init(aw_future *f, aw_loop *l, enum aw_future_kind kind,
                                  const char *file, int line)
{
    *f = (aw_future){.magic = AW_FUTURE_ALIVE,
                     .refs = 1,
                     .kind = (uint8_t)kind,
                     .state = AW_PENDING,
                     .line = line,
                     .loop = l,
                     .file = file};
    aw_list_init(&f->watchers);
    l->refs++;
}

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

static inline struct aw_job *aw_job_of(aw_future *f)
{
    return aw_container_of(f, struct aw_job, fut);
}

/* The job that a wait is for, if it is one. */
static inline struct aw_job *aw_job_waited_for(const struct aw_wait *w)
{
    aw_future *f = w->kind->cancel ? NULL : w->object;
    return f && f->kind == AW_KIND_JOB ? aw_job_of(f) : NULL;
}

/* Wait for `f` as public call `kind` does. */
int aw_await_as(aw_future *f, const struct aw_wait_kind *kind, const void *caller);

/* End such a wait without touching what it waits for. */
bool aw_await_break(struct aw_wait *w);

/* The loop closes over such a wait (over one that ends with aw_unref() too): it lets go of the
 * future. */
void aw_await_drop(struct aw_wait *w);
void aw_join_drop(struct aw_wait *w);

/* Nobody will complete this future: let its watches go. */
void aw_future_drop_watches(aw_future *f);

/* ---- task.c ---- */

#define AW_TASK_STACK ((size_t)64 << 10) /* by default */
/* What aw_create_task() does after its checks; `l` may be used by this thread. */
struct aw_tcb *aw_task_new(aw_loop *l, aw_fn *fn, const aw_task_opts *opts);
/* The last reference has gone: frees what it holds, and its stack. */
void aw_task_free(struct aw_tcb *t);
/* aw_unref() of a task that this thread's loop runs. */
void aw_task_unref(struct aw_tcb *t);
/* A loop closes and this task, which was reported, will never go on: ends it. */
void aw_task_abandon(struct aw_tcb *t);
/* The new task (NULL: an error, which is returned) goes to whoever asks for it, or is let go of. */
int aw_task_hand_over(aw_task *t, aw_task **ret);

/* ---- cancel.c ---- */

/* Cancel a future, or ask a task to end.  False: there was nothing to cancel. */
bool aw_cancel_request(aw_future *f, struct aw_text *msg);

/* What has children to cancel puts this on the loop's queue: run() is called, once, before the
 * outermost aw_cancel_request() (or aw_cancel_queued()) returns.  So nesting never recurses. */
struct aw_cancel_item {
    aw_list link; /* initialised; linked while it is queued */
    void (*run)(struct aw_cancel_item *item);
    uint64_t round;              /* in which it was queued last */
    struct aw_cancel_item *from; /* valid in that round: in whose run() it was, or NULL */
};
/* Once per round; false when asked again from within its own run(), or what follows from that: who
 * asks is a descendant of what it waits for. */
bool aw_cancel_queue(aw_loop *l, struct aw_cancel_item *item);
void aw_cancel_queued(aw_loop *l);
/* A request that does not come through aw_cancel_request() begins; its consequences are queued. */
void aw_cancel_begin_round(aw_loop *l);

/* ---- several.c ---- */

/* Are they given, all of them, and of this loop? */
int aw_futures_check(aw_loop *l, aw_future *const *fs, size_t n);

/* ---- gather.c ---- */

/* A pending gather is asked to end: its children are queued.  False: they have all ended, and it is
 * about to finish; or it was asked in this round before: it is its own descendant. */
bool aw_gather_request_cancel(aw_future *f, struct aw_text *msg);
/* A reference to a pending gather or shield has gone: if only its own watches are left to hold it,
 * nobody can ever see what it comes to, and they go too.  True: that was the last. */
bool aw_follower_let_go(aw_future *f);
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
/* A task will never go on: what its open scopes hold is let go. */
void aw_scopes_abandon(struct aw_tcb *t);
/* A task ends with a scope open: says which, and aborts. */
AW_COLD _Noreturn void aw_scope_left_open(struct aw_tcb *t);
#ifdef AW_DEBUG_HANDLES
/* Debug builds, at each suspension: aborts over a scope that was left by `return`. */
void aw_scope_check(struct aw_tcb *t);
#else
static inline void aw_scope_check(struct aw_tcb *t)
{
    (void)t;
}
#endif

/* ---- group.c ---- */

/* A new task is a child of this group. */
void aw_group_adopt(aw_group *g, struct aw_tcb *t);
/* A child of a group comes to its end with `result`: on its stack, before anybody is told. */
void aw_group_child_ends(struct aw_tcb *t, int result);
/* Its loop closes over it: the group, whose task is abandoned too, forgets it. */
void aw_group_forget(struct aw_tcb *t);
/* What an aw_text holds on to. */
void aw_group_failures_free(struct aw_group_failures *f);

/* ---- local.c ---- */

aw_context *aw_context_ref(aw_context *c);
/* The values of the code that runs here; not a new reference, may be NULL. */
static inline aw_context **aw_context_place(void)
{
    aw_loop *l = aw_self.loop;
    if (AW_UNLIKELY(aw_self.context_override != NULL))
        return aw_self.context_override;
    return l && l->context ? l->context : &aw_self.context;
}
static inline aw_context *aw_context_here(void)
{
    return *aw_context_place();
}
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
/* Operations with the kernel that belong to callbacks, and so to no task's stack. */
size_t aw_fds_in_flight(const aw_loop *l);
void aw_fds_close(aw_loop *l);
/* Its handle was cancelled: it is removed. */
void aw_fd_watch_cancel(struct aw_fd_watch *w);

/* ---- block.c ---- */

#define AW_BLOCK_SIZE 4096 /* bytes */
/* A block of memory of this loop's thread, or NULL; and back. */
void *aw_block_get(aw_loop *l);
void aw_block_put(aw_loop *l, void *block);
void aw_blocks_close(aw_loop *l);
void aw_handles_close(aw_loop *l);

/* ---- stop.c ---- */

/* A run with a graceful stop begins and ends. */
int aw_stop_on(aw_loop *l, unsigned set, double grace);
void aw_stop_off(aw_loop *l);
/* Tasks have been cancelled for good: cancellation becomes hard later, unless ended before. */
void aw_hard_begin(aw_loop *l);
void aw_hard_end(aw_loop *l);
/* Hard: this wait fails; a task that does not heed that is given up. */
void aw_hard_cancel(struct aw_tcb *t, struct aw_wait *w);
/* The same for a task that only gives way, before its next step is queued. */
void aw_hard_yield(struct aw_tcb *t);
void aw_task_give_up(struct aw_tcb *t);

/* ---- signals.c ---- */

/* Have signals (AW_SIGINT, AW_SIGTERM) stop this run; `yielding`: as long as nobody on the loop
 * subscribes to them.  0 or -errno. */
int aw_loop_take_signals(aw_loop *l, unsigned set, bool yielding, aw_loop_signal *fn, void *arg);
void aw_loop_give_signals_back(aw_loop *l);
/* `attention` was set: see to it. */
void aw_loop_attend(aw_loop *l);
/* Its handle was cancelled: it is removed. */
void aw_signal_watch_cancel(struct aw_signal_watch *w);
void aw_signals_close(aw_loop *l);

/* ---- testing.c ---- */

void aw_seed_loop(aw_loop *l, uint64_t seed, bool shuffle);
void aw_shuffle_batch(aw_loop *l);
void aw_shuffle_completed(aw_loop *l, aw_list *completed);
void aw_trace_step(aw_loop *l, uint64_t id);
/* Nothing is ready: does a test wait for that?  Then its task is ready now. */
bool aw_wake_one_idle(aw_loop *l);

/* ---- inbox.c ---- */

/* Hand an item to the loop, from any thread: 0, AW_EMISUSE once it is closed, AW_EFORKED. */
int aw_inbox_push(aw_loop *l, struct aw_ready *item);
/* It is not empty: some of what was handed over goes to the end of the ready queue; or all that has
 * been up to now, which may have to wait for another thread's next step. */
void aw_inbox_take(aw_loop *l);
void aw_inbox_take_all(aw_loop *l);
/* Everything goes there, and nothing more can be handed over. */
void aw_inbox_close(aw_loop *l);
/* Has that been done?  From any thread. */
bool aw_inbox_closed(const aw_loop *l);
/* Wait in the poll, or without it where the kernel has nothing to do for the loop, until something
 * comes, aw_inbox_wake() is called or the time is over (ns, not 0; < 0: for ever).  Result and
 * `completed` as a backend's poll(). */
int aw_inbox_sleep(aw_loop *l, int64_t timeout, aw_list *completed);
/* Have it return, or the next one; something that it looks at has been changed before.  Any thread,
 * any signal handler. */
void aw_inbox_wake(aw_loop *l);

static inline bool aw_inbox_filled(const aw_loop *l)
{
    return atomic_load_explicit(&l->inbox, memory_order_relaxed) != NULL;
}

/* ---- record.c ---- */

#define AW_RECORD_WORDS 4

/* Room for so many pointers, to be given up in any thread; NULL without memory.  And the thread
 * makes no more of them. */
void *aw_record_new(void);
void aw_record_free(void *room);
void aw_record_thread_ends(void);

/* ---- spin.c ---- */

/* Zero seconds: never spin. */
void aw_spin_init(struct aw_spin *s, double seconds);
/* Look for a while, if that has paid lately: true as soon as there() is.  Any thread. */
bool aw_spin_until(struct aw_spin *s, bool (*there)(void *arg), void *arg, int64_t deadline);

/* ---- loop.c ---- */

/* The unfinished tasks; written without a locked instruction, as there is one writer. */
static inline size_t aw_loop_task_count(aw_loop *l)
{
    return atomic_load_explicit(&l->n_tasks, memory_order_relaxed);
}
static inline void aw_loop_count_task(aw_loop *l, int by)
{
    atomic_store_explicit(&l->n_tasks, aw_loop_task_count(l) + (size_t)by, memory_order_relaxed);
}

/* Cancel every task of an entered loop and run until none is left that could end; `told`: a report
 * has named them already. */
void aw_loop_drain(aw_loop *l, bool told);
/* Other threads' references on a loop's memory. */
void aw_loop_hold(aw_loop *l);
void aw_loop_release(aw_loop *l);

/* Begin and end running a loop in this thread. */
int aw_loop_enter(aw_loop *l);
void aw_loop_leave(aw_loop *l);
/* Passes until `stopping`, or -EDEADLK. */
int aw_loop_passes(aw_loop *l);
static inline void aw_loop_unref(aw_loop *l)
{
    aw_assert(l->refs > 0);
    if (--l->refs == 0)
        aw_loop_release(l);
}
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
/* A callback of which only the address is known has failed; or blocked its loop.  NULL: it ran in a
 * foreign thread. */
void aw_report_bare_callback(aw_loop *l, const void *cb, const char *message, int error);
void aw_report_slow_bare_callback(aw_loop *l, const void *cb, int64_t ns);
static inline void aw_report_outside(const void *cb, const char *message, int error)
{
    aw_report_bare_callback(NULL, cb, message, error);
}
/* What a thread handed over: it could not be made a task, or has failed without anybody looking
 * (in whatever thread: NULL). */
void aw_report_submitted(aw_loop *l, enum aw_report_kind kind, const char *message,
                         const aw_task_opts *opts, int error, struct aw_text *detail);
void aw_report_unused_coro(aw_loop *l, const char *name, const char *fn_name, const char *file,
                           int line);
void aw_report_deadlock(aw_loop *l, aw_future *main);
/* Something that is neither a task nor a callback has failed: a thread, a server.  `what` it is
 * has at most seven letters. */
void aw_report_named(aw_loop *l, enum aw_report_kind kind, const char *message, const char *what,
                     const char *name, int error);
/* The loop of this thread cannot go on. */
static inline void aw_report_loop_failed(aw_loop *l, const char *thread, int error)
{
    aw_report_named(l, AW_REPORT_LOOP_FAILED, "the loop of a thread ended by an error", "thread",
                    thread, error);
}
/* Every unfinished task, to standard error. */
void aw_report_dump(aw_loop *l);
/* What they are made of: the first line of the text; and the way to the handler. */
void aw_report_begin(aw_buf *b, char *text, size_t size, const char *message);
void aw_report_deliver(aw_report *r, const aw_buf *b, aw_context *context);
/* A task's name into `out`: given, or "Task-7". */
const char *aw_task_label(struct aw_tcb *t, char *out, size_t size);

/* ---- stacks.c: only where l->measures_stacks ---- */

/* Make a stack that is handed out zero, count the task that got it, look how much of it has been
 * used when the task ends; tell it at the end of the loop. */
void aw_stacks_wipe(struct aw_fiber *f);
void aw_stacks_count(struct aw_tcb *t);
void aw_stacks_look(struct aw_tcb *t);
void aw_stacks_close(aw_loop *l);

/* ---- overflow.c ---- */

/* Explain overflows of this thread's tasks; false if that is not possible (a benign failure: the
 * overflow still ends the process, without words).  Undone only if it was done. */
bool aw_overflow_watch(void);
void aw_overflow_unwatch(void);

#endif
