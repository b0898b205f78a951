/*
 * report.c - every report in one place: what happened, to whom, made where, waiting for what.
 *
 * A report is one block of text and a struct with the same facts.  The text is built in a buffer on
 * the stack, so that "no memory" can be reported too.  It goes to the loop's exception handler,
 * which runs with the task-local values of the task or callback concerned; if that fails, the
 * default handler says so and prints the original as well.
 *
 *     await: a task failed and nobody looked at it
 *       task:    Task-3 fetch
 *       created: main.c:12
 *       error:   -ECONNREFUSED (Connection refused): example.org:443
 */
#include <stdio.h>
#include <string.h>

#include "core/core.h"

#define TEXT_SIZE 2048
#define CHAIN_MAX 8  /* waiters named in a report */
#define TASKS_MAX 16 /* tasks named in one */
#define FRAMES_MAX 24
#define NAME_MAX_SHOWN 64

/* ---- words ---- */

const char *aw_task_label(struct aw_tcb *t, char *out, size_t size)
{
    if (t->name)
        return t->name->s;
    snprintf(out, size, "Task-%llu", (unsigned long long)t->id);
    return out;
}

static const char waiting[] = "  waiting: ";

static const char *kind_word(const aw_future *f)
{
    static const char *const words[] = {"future", "task", "job", "gather", "shield"};
    return words[f->kind];
}

static void add_code(aw_buf *b, int code)
{
    aw_buf_printf(b, "%s (%s)", aw_error_name(code), aw_strerror(code));
}

static void add_place(aw_buf *b, const char *file, int line)
{
    aw_buf_printf(b, "%s:%d", file ? file : "?", line);
}

static void end_with_place(aw_buf *b, const char *file, int line)
{
    add_place(b, file, line);
    aw_buf_add(b, "\n");
}

/* "Task-3 fetch", "gather". */
static void add_who(aw_buf *b, aw_future *f)
{
    char label[64];
    if (f->kind != AW_KIND_TASK) {
        aw_buf_add(b, kind_word(f));
        if (f->kind == AW_KIND_JOB)
            aw_job_of(f)->kind->describe(aw_job_of(f), b);
        return;
    }
    struct aw_tcb *t = aw_tcb_of(f);
    aw_buf_printf(b, "%.*s %.*s", NAME_MAX_SHOWN, aw_task_label(t, label, sizeof label),
                  NAME_MAX_SHOWN, t->fn_name ? t->fn_name : "");
}

static void add_state(aw_buf *b, const aw_future *f)
{
    if (f->state == AW_PENDING)
        aw_buf_add(b, " pending");
    else if (f->state == AW_CANCELLED)
        aw_buf_add(b, " cancelled");
    else if (f->state == AW_FINISHED)
        aw_buf_printf(b, " finished result=%d", f->result);
    else
        aw_buf_printf(b, " failed error=%s", aw_error_name(f->result));
}

int aw_describe(aw_future *f, char *out, size_t size)
{
    aw_buf b;
    AW_TRY(aw_future_check(f));
    aw_buf_init(&b, out, size);
    aw_buf_add(&b, "<");
    if (f->kind == AW_KIND_TASK)
        aw_buf_add(&b, "task ");
    add_who(&b, f);
    add_state(&b, f);
    if (f->loop->debug) {
        aw_buf_add(&b, " created at ");
        add_place(&b, f->file, f->line);
    }
    aw_buf_add(&b, ">");
    return (int)b.wanted;
}

/* ---- where a task waits, and who waits for it ---- */

static void add_wait(aw_buf *b, const char *heading, const struct aw_tcb *t)
{
    const struct aw_wait *w = t->wait;
    if (!w) {
        aw_buf_printf(b, "%snowhere, it has not begun\n", heading);
        return;
    }
    char where[256];
    aw_code_address(w->caller, where, sizeof where);
    aw_buf_printf(b, "%s%s", heading, w->kind->name);
    if (w->kind->describe) {
        aw_buf_add(b, " (");
        w->kind->describe(w, b);
        aw_buf_add(b, ")");
    }
    aw_buf_printf(b, ", called at %s\n", where);
}

/* A stack as the chain of its frame pointers, as far as the code on it was built with them. */
struct frames {
    uintptr_t fp, lo, hi; /* the next frame, and the stack: an address outside it ends the chain */
};

/* The next return address, innermost first; NULL at the end. */
static const void *next_frame(struct frames *s)
{
    const uintptr_t *frame = (const uintptr_t *)s->fp;
    if (s->fp < s->lo || s->fp + 2 * sizeof *frame > s->hi || s->fp % sizeof *frame != 0)
        return NULL;
    s->fp = frame[0] > s->fp ? frame[0] : 0;
    return aw_return_address(frame[1]);
}

/* The frames from the caller of the public function that waits outwards; all of them if that one is
 * not found. */
static void add_stack(aw_buf *b, const struct aw_tcb *t)
{
    char where[256];
    bool running = t->fut.loop->current == t;
    struct frames all = {.fp = (uintptr_t)(running ? __builtin_frame_address(0) : t->fiber.regs.fp),
                         .lo = (uintptr_t)t->fiber.stack_lo,
                         .hi = (uintptr_t)t};
    struct frames s = all;
    const void *at = next_frame(&s), *caller = t->wait ? t->wait->caller : NULL;
    while (at && at != caller)
        at = next_frame(&s);
    if (!at) {
        s = all;
        at = next_frame(&s);
    }
    aw_buf_add(b, "  stack:   ");
    for (int i = 0; i < FRAMES_MAX && at; i++, at = next_frame(&s)) {
        aw_code_address(at, where, sizeof where);
        aw_buf_printf(b, "%s%s\n", i ? "           " : "", where);
    }
}

static aw_future *first_waiter(const aw_future *f)
{
    if (f->state != AW_PENDING)
        return NULL;
    aw_list_each(link, &f->watchers)
    {
        const struct aw_watch *w = aw_container_of(link, struct aw_watch, link);
        if (w->kind->waiter)
            return w->kind->waiter(w);
    }
    return NULL;
}

static void add_waiters(aw_buf *b, const aw_future *f)
{
    aw_future *waiter = first_waiter(f);
    if (!waiter)
        return;
    aw_buf_add(b, "  awaited by: ");
    for (int i = 0; waiter && i < CHAIN_MAX; i++, waiter = first_waiter(waiter)) {
        aw_buf_add(b, i ? " <- " : "");
        add_who(b, waiter);
        aw_buf_add(b, " (");
        add_place(b, waiter->file, waiter->line);
        aw_buf_add(b, ")");
    }
    aw_buf_add(b, waiter ? " <- ...\n" : "\n");
}

/* ---- delivery ---- */

static void hand_to_default(const aw_report *r)
{
    aw_ignore(aw_default_exception_handler(r, NULL));
}

static void handler_failed(const aw_report *original, int error)
{
    char text[TEXT_SIZE + 256];
    aw_buf b;
    aw_buf_init(&b, text, sizeof text);
    aw_buf_add(&b, "await: the exception handler itself failed\n  error:   ");
    add_code(&b, error);
    aw_buf_printf(&b, "\n  while it was handling:\n%s", original->text);
    aw_report r = *original;
    r.kind = AW_REPORT_HANDLER_FAILED;
    r.message = "the exception handler itself failed";
    r.error = error;
    r.text = text;
    hand_to_default(&r);
}

/* Hand the report over, with the given task-local values in force. */
void aw_report_deliver(aw_report *r, const aw_buf *b, aw_context *context)
{
    aw_loop *l = r->loop;
    if (aw_buf_cut(b)) /* a block ends in a newline, also when it did not fit */
        memcpy(b->data + b->len - 4, "...\n", 4);
    r->text = b->data;
    r->detail = r->detail ? r->detail : "";
    if (!l || !l->handler) {
        hand_to_default(r);
        return;
    }
    l->exposed = true;
    aw_context *mine = aw_context_ref(context), **before = aw_context_enter(&mine);
    int err = l->handler(r, l->handler_arg);
    aw_context_leave(before);
    aw_context_unref(mine);
    if (err < 0)
        handler_failed(r, err);
}

int aw_default_exception_handler(const aw_report *report, void *arg)
{
    (void)arg;
    aw_stderr_write(report->text, strlen(report->text));
    return 0;
}

/* ---- the reports ---- */

void aw_report_begin(aw_buf *b, char *text, size_t size, const char *message)
{
    aw_buf_init(b, text, size);
    aw_buf_printf(b, "await: %s\n", message);
}

static void add_error(aw_buf *b, int code, const char *detail)
{
    aw_buf_add(b, "  error:   ");
    add_code(b, code);
    if (detail && *detail)
        aw_buf_printf(b, ": %s", detail);
    aw_buf_add(b, "\n");
}

static void add_subject(aw_buf *b, aw_future *f)
{
    if (f->kind == AW_KIND_TASK) {
        aw_buf_add(b, "  task:    ");
        add_who(b, f);
        aw_buf_add(b, "\n");
    }
    aw_buf_add(b, "  created: ");
    end_with_place(b, f->file, f->line);
}

void aw_report_task(aw_future *f, enum aw_report_kind kind, const char *message)
{
    char text[TEXT_SIZE], label[64];
    aw_buf b;
    struct aw_tcb *t = f->kind == AW_KIND_TASK ? aw_tcb_of(f) : NULL;
    aw_report_begin(&b, text, sizeof text, message);
    add_subject(&b, f);
    if (f->state == AW_FAILED)
        add_error(&b, f->result, f->detail ? f->detail->s : NULL);
    if (f->state == AW_PENDING && t && kind != AW_REPORT_NEVER_RAN) {
        add_wait(&b, waiting, t);
        add_waiters(&b, f);
    }
    if (kind == AW_REPORT_WOULD_NOT_STOP && t && t->started)
        add_stack(&b, t);
    aw_report r = {.kind = kind,
                   .message = message,
                   .error = f->state == AW_FAILED ? f->result : 0,
                   .detail = f->detail ? f->detail->s : NULL,
                   .name = t ? aw_task_label(t, label, sizeof label) : NULL,
                   .fn_name = t ? t->fn_name : NULL,
                   .file = f->file,
                   .line = f->line,
                   .future = f,
                   .loop = f->loop};
    f->refs++; /* for the time of the report: it may be on its way out */
    aw_report_deliver(&r, &b, t ? t->context : NULL);
    f->refs--;
}

/* A failure of code that runs here, with the detail that it has left. */
static void deliver_failure(aw_report *r, aw_buf *b, aw_context *context)
{
    struct aw_text *detail = aw_errslot_share(aw_errslot_current(), r->error);
    r->detail = detail ? detail->s : NULL;
    add_error(b, r->error, r->detail);
    aw_report_deliver(r, b, context);
    aw_text_unref(detail);
}

void aw_report_callback(aw_loop *l, aw_handle *h, const char *message, int error)
{
    char text[TEXT_SIZE];
    aw_buf b;
    aw_report_begin(&b, text, sizeof text, message);
    aw_buf_printf(&b, "  callback: %s\n  scheduled: ", h->cb_name ? h->cb_name : "?");
    end_with_place(&b, h->file, h->line);
    aw_report r = {.kind = AW_REPORT_CALLBACK_FAILED,
                   .message = message,
                   .error = error,
                   .fn_name = h->cb_name,
                   .file = h->file,
                   .line = h->line,
                   .handle = h,
                   .loop = l};
    deliver_failure(&r, &b, h->context);
}

static void add_duration(aw_report *r, aw_buf *b, int64_t ns)
{
    r->duration = (double)ns / 1e9;
    aw_buf_printf(b, "  took:    %.3f s\n", r->duration);
}

void aw_report_slow_step(struct aw_tcb *t, int64_t ns)
{
    char text[TEXT_SIZE], label[64];
    aw_buf b;
    aw_report r = {.kind = AW_REPORT_SLOW,
                   .message = "a step of a task blocked the loop",
                   .name = aw_task_label(t, label, sizeof label),
                   .fn_name = t->fn_name,
                   .file = t->fut.file,
                   .line = t->fut.line,
                   .future = &t->fut,
                   .loop = t->fut.loop};
    aw_report_begin(&b, text, sizeof text, r.message);
    add_subject(&b, &t->fut);
    add_duration(&r, &b, ns);
    if (t->wait)
        add_wait(&b, "  up to:   ", t);
    else if (!aw_list_linked(&t->all))
        aw_buf_add(&b, "  up to:   its end\n");
    aw_report_deliver(&r, &b, t->context);
}

void aw_report_slow_callback(aw_handle *h, int64_t ns)
{
    char text[TEXT_SIZE];
    aw_buf b;
    aw_report r = {.kind = AW_REPORT_SLOW,
                   .message = "a callback blocked the loop",
                   .fn_name = h->cb_name,
                   .file = h->file,
                   .line = h->line,
                   .handle = h,
                   .loop = h->loop};
    aw_report_begin(&b, text, sizeof text, r.message);
    aw_buf_printf(&b, "  callback: %s\n  scheduled: %s:%d\n", h->cb_name, h->file, h->line);
    add_duration(&r, &b, ns);
    aw_report_deliver(&r, &b, h->context);
}

/* What is said of a done callback: its code, and the future it was for. */
static void done_callback_report(aw_report *r, aw_buf *b, aw_future *f, const void *cb)
{
    char where[256];
    aw_code_address(cb, where, sizeof where);
    aw_buf_printf(b, "  callback: %s\n  of:      %s", where, kind_word(f));
    if (f->kind == AW_KIND_TASK) {
        aw_buf_add(b, " ");
        add_who(b, f);
        r->name = aw_tcb_of(f)->name ? aw_tcb_of(f)->name->s : NULL;
        r->fn_name = aw_tcb_of(f)->fn_name;
    }
    aw_buf_add(b, "\n  created: ");
    end_with_place(b, f->file, f->line);
    r->file = f->file;
    r->line = f->line;
    r->future = f;
    r->loop = f->loop;
}

void aw_report_done_callback(aw_future *f, const void *cb, int error)
{
    char text[TEXT_SIZE];
    aw_buf b;
    aw_report r = {
        .kind = AW_REPORT_CALLBACK_FAILED, .message = "a done callback failed", .error = error};
    aw_report_begin(&b, text, sizeof text, r.message);
    done_callback_report(&r, &b, f, cb);
    deliver_failure(&r, &b, aw_context_here());
}

void aw_report_slow_done_callback(aw_future *f, const void *cb, int64_t ns)
{
    char text[TEXT_SIZE];
    aw_buf b;
    aw_report r = {.kind = AW_REPORT_SLOW, .message = "a done callback blocked the loop"};
    aw_report_begin(&b, text, sizeof text, r.message);
    done_callback_report(&r, &b, f, cb);
    add_duration(&r, &b, ns);
    aw_report_deliver(&r, &b, aw_context_here());
}

static void begin_bare(aw_buf *b, char *text, size_t size, const char *message, const void *cb)
{
    char where[256];
    aw_code_address(cb, where, sizeof where);
    aw_report_begin(b, text, size, message);
    aw_buf_printf(b, "  callback: %s\n", where);
}

void aw_report_bare_callback(aw_loop *l, const void *cb, const char *message, int error)
{
    char text[TEXT_SIZE];
    aw_buf b;
    begin_bare(&b, text, sizeof text, message, cb);
    aw_report r = {
        .kind = AW_REPORT_CALLBACK_FAILED, .message = message, .error = error, .loop = l};
    deliver_failure(&r, &b, aw_context_here());
}

void aw_report_named(aw_loop *l, enum aw_report_kind kind, const char *message, const char *what,
                     const char *name, int error)
{
    char text[TEXT_SIZE];
    aw_buf b;
    aw_report r = {.kind = kind, .message = message, .error = error, .name = name, .loop = l};
    aw_report_begin(&b, text, sizeof text, r.message);
    aw_buf_printf(&b, "  %s%-*s", what, (int)(9 - strlen(what)), ":");
    aw_buf_add_shown(&b, name);
    aw_buf_add(&b, "\n");
    deliver_failure(&r, &b, aw_context_here());
}

void aw_report_slow_bare_callback(aw_loop *l, const void *cb, int64_t ns)
{
    char text[TEXT_SIZE];
    aw_buf b;
    aw_report r = {.kind = AW_REPORT_SLOW, .message = "a callback blocked the loop", .loop = l};
    begin_bare(&b, text, sizeof text, r.message, cb);
    add_duration(&r, &b, ns);
    aw_report_deliver(&r, &b, aw_context_here());
}

void aw_report_submitted(aw_loop *l, enum aw_report_kind kind, const char *message,
                         const aw_task_opts *opts, int error, struct aw_text *detail)
{
    char text[TEXT_SIZE];
    aw_buf b;
    aw_report_begin(&b, text, sizeof text, message);
    if (opts->fn_name) {
        aw_buf_printf(&b, "  function:  %s\n  submitted: ", opts->fn_name);
        end_with_place(&b, opts->file, opts->line);
    }
    add_error(&b, error, detail ? detail->s : NULL);
    aw_report r = {.kind = kind,
                   .message = message,
                   .error = error,
                   .detail = detail ? detail->s : NULL,
                   .name = opts->name,
                   .fn_name = opts->fn_name,
                   .file = opts->file,
                   .line = opts->line,
                   .loop = l};
    aw_report_deliver(&r, &b, NULL);
}

void aw_report_unused_coro(aw_loop *l, const char *name, const char *fn_name, const char *file,
                           int line)
{
    char text[TEXT_SIZE];
    aw_buf b;
    const char *message = "a coroutine object was never used: its function never ran";
    aw_report_begin(&b, text, sizeof text, message);
    aw_buf_add(&b, "  coroutine: ");
    aw_buf_add_shown(&b, name ? name : "");
    aw_buf_printf(&b, "%s%s\n  created:   ", name ? " " : "", fn_name ? fn_name : "?");
    end_with_place(&b, file, line);
    aw_report r = {.kind = AW_REPORT_NEVER_AWAITED,
                   .message = message,
                   .name = name,
                   .fn_name = fn_name,
                   .file = file,
                   .line = line,
                   .loop = l};
    aw_report_deliver(&r, &b, NULL);
}

/* ---- deadlock ---- */

static void add_blocked(aw_buf *b, struct aw_tcb *t)
{
    aw_buf_add(b, "  task:    ");
    add_who(b, &t->fut);
    aw_buf_add(b, ", created at ");
    end_with_place(b, t->fut.file, t->fut.line);
    add_wait(b, waiting, t);
}

/* The task that this one waits for directly, if it does. */
static struct aw_tcb *awaited_task(const struct aw_tcb *t)
{
    const struct aw_wait *w = t->wait;
    bool by_await = w && (!w->kind->cancel || w->kind->cancel == aw_await_break);
    aw_future *f = by_await ? w->object : NULL;
    return f && f->kind == AW_KIND_TASK ? aw_tcb_of(f) : NULL;
}

/* A task on a circle of tasks that await each other.  Every task is visited once: walks mark them
 * with rising numbers, and one that meets its own mark has found a circle. */
static struct aw_tcb *on_a_circle(aw_loop *l)
{
    uint64_t before = l->cancel_epoch;
    aw_list_each(link, &l->tasks)
    {
        uint64_t walk = ++l->cancel_epoch;
        struct aw_tcb *t = aw_container_of(link, struct aw_tcb, all);
        for (; t && t->cancel_epoch <= before; t = awaited_task(t))
            t->cancel_epoch = walk;
        if (t && t->cancel_epoch == walk)
            return t;
    }
    return NULL;
}

/* Tasks are named in order of creation: the circle is told from its oldest. */
static void add_circle(aw_buf *b, aw_loop *l)
{
    struct aw_tcb *first = on_a_circle(l), *t = first;
    if (!first)
        return;
    for (struct aw_tcb *u = awaited_task(first); u != t; u = awaited_task(u))
        first = u->id < first->id ? u : first;
    aw_buf_add(b, "  cycle:   ");
    add_who(b, &first->fut);
    t = first;
    do {
        t = awaited_task(t);
        aw_buf_add(b, " -> ");
        add_who(b, &t->fut);
    } while (t != first);
    aw_buf_add(b, "\n");
}

void aw_report_deadlock(aw_loop *l, aw_future *main)
{
    char text[4 * TEXT_SIZE], label[64];
    aw_buf b;
    const char *message = "deadlock: every task waits, and nothing is left that could wake one";
    aw_report_begin(&b, text, sizeof text, message);
    add_circle(&b, l);
    size_t named = 0;
    aw_list_each(link, &l->tasks) if (named++ < TASKS_MAX)
        add_blocked(&b, aw_container_of(link, struct aw_tcb, all));
    if (named > TASKS_MAX)
        aw_buf_printf(&b, "  and %zu more tasks\n", named - TASKS_MAX);
    aw_report r = {.kind = AW_REPORT_DEADLOCK,
                   .message = message,
                   .error = -EDEADLK,
                   .name = aw_task_label(aw_tcb_of(main), label, sizeof label),
                   .fn_name = aw_tcb_of(main)->fn_name,
                   .file = main->file,
                   .line = main->line,
                   .future = main,
                   .loop = l};
    aw_report_deliver(&r, &b, NULL);
}

void aw_report_dump(aw_loop *l)
{
    aw_list_each(link, &l->tasks)
    {
        char text[2 * TEXT_SIZE];
        aw_buf b;
        struct aw_tcb *t = aw_container_of(link, struct aw_tcb, all);
        aw_report_begin(&b, text, sizeof text, "a task of the run that is being ended");
        add_subject(&b, &t->fut);
        add_wait(&b, waiting, t);
        add_waiters(&b, &t->fut);
        if (t->started)
            add_stack(&b, t);
        aw_stderr_write(text, b.len);
    }
}
