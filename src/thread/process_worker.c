/*
 * process_worker.c - one worker, as the pool's thread sees it: asked, heard, lost.
 *
 *              initialiser             job given            answer
 *   NONE --> PREPARING --> IDLE ---------------------> BUSY --------> IDLE, or LEAVING when it has
 *     ^        |             |                           |            done as many as it may
 *     |        +-------------+---- something is wrong ---+
 *     |                      v                            the job fails: at once, where the reason
 *     +-------------------LEAVING                         is known; else when the server has told
 *        the server tells of its end                      how the process ended
 *
 * No call blocks: a worker that reads and writes nothing, or is stopped, costs its own job's time
 * limit and nobody else's.
 *
 * A worker's end.  Its socket may be at its end before the server has told of the process's, or
 * after; what it sent before lies in the socket either way, so that is read first, and an answer
 * that is complete counts.
 */
#include <stdio.h>
#include <string.h>

#include "thread/process.h"

#define GRACE_NS INT64_C(1000000000) /* for a worker to end by itself, or when it was killed */

/* ---- jobs and workers ---- */

static void hold(aw_process_pool *p, struct aw_proc_worker *w, struct aw_proc_job *job)
{
    aw_mutex_lock(&p->lock);
    w->job = job;
    p->n_held++;
    aw_mutex_unlock(&p->lock);
}

static struct aw_proc_job *let_go(aw_process_pool *p, struct aw_proc_worker *w)
{
    aw_mutex_lock(&p->lock);
    struct aw_proc_job *job = w->job;
    w->job = NULL;
    p->n_held -= job != NULL;
    aw_mutex_unlock(&p->lock);
    return job;
}

static void fail_job(aw_process_pool *p, struct aw_proc_worker *w, int code, const char *text)
{
    struct aw_proc_job *job = let_go(p, w);
    if (job)
        aw_proc_job_end(job, code, aw_text_new(text));
}

static void drop_body(struct aw_proc_worker *w)
{
    aw_mem_free(w->body);
    w->body = NULL;
    w->got = 0;
}

/* What it does, for messages: "worker process 17 (parse)". */
static void add_who(const struct aw_proc_worker *w, aw_buf *out)
{
    const char *fn = w->job ? w->job->opts.fn_name : NULL;
    if (w->state == AW_PROC_PREPARING)
        fn = "the initializer";
    aw_buf_add(out, "worker process");
    if (w->pid)
        aw_buf_printf(out, " %ld", w->pid);
    if (fn)
        aw_buf_printf(out, ", in %s,", fn);
}

/* ---- the end of a worker ---- */

static int64_t soon(void)
{
    return aw_clock_real() + GRACE_NS;
}

/* It is to end: by itself, or killed. */
void aw_proc_dismiss(struct aw_proc_worker *w, bool kill)
{
    if (kill && !w->killed)
        aw_child_signal(w->status, SIGKILL);
    w->killed |= kill;
    if (w->data >= 0)
        aw_sys.close(w->data);
    w->data = -1;
    w->state = AW_PROC_LEAVING;
    w->deadline = soon();
    drop_body(w);
}

/* It died, or as good as: its job fails; and what else, the pool's options say.  The pool is broken
 * first, so that who learns of the job can submit nothing more. */
static void has_died(aw_process_pool *p, struct aw_proc_worker *w, const char *text)
{
    bool preparing = w->state == AW_PROC_PREPARING;
    aw_proc_dismiss(w, true);
    if (preparing || p->opts.break_on_death)
        aw_proc_break(p, text);
    fail_job(p, w, AW_EBROKEN, text);
}

/* It does what no worker does. */
static void is_wrong(aw_process_pool *p, struct aw_proc_worker *w, const char *how)
{
    char text[256];
    aw_buf b;
    aw_buf_init(&b, text, sizeof text);
    add_who(w, &b);
    aw_buf_printf(&b, " %s, and was killed", how);
    has_died(p, w, text);
}

/* Its socket is at an end: how it ended the server will tell.  A worker that prepares stays one, so
 * that its end is told apart. */
static void hung_up(struct aw_proc_worker *w)
{
    bool preparing = w->state == AW_PROC_PREPARING;
    aw_proc_dismiss(w, true);
    w->hung_up = true;
    if (preparing)
        w->state = AW_PROC_PREPARING;
}

static void forget(aw_process_pool *p, struct aw_proc_worker *w)
{
    aw_sys.close(w->status);
    if (w->data >= 0)
        aw_sys.close(w->data);
    drop_body(w);
    aw_mutex_lock(&p->lock);
    aw_assert(!w->job);
    *w = (struct aw_proc_worker){.data = -1, .status = -1};
    aw_mutex_unlock(&p->lock);
}

/* Nothing more will be heard of it, and this is what is known. */
static void is_gone(aw_process_pool *p, struct aw_proc_worker *w, const char *how)
{
    char text[256];
    aw_buf b;
    bool expected = w->state == AW_PROC_LEAVING && !w->job && !w->hung_up;
    aw_buf_init(&b, text, sizeof text);
    add_who(w, &b);
    aw_buf_printf(&b, " %s", how);
    if (!expected)
        has_died(p, w, text);
    forget(p, w);
}

/* ---- a broken pool ---- */

/* With this text: what waits, what runs, and what will be submitted. */
void aw_proc_break(aw_process_pool *p, const char *text)
{
    struct aw_text *why = aw_text_new(text);
    aw_mutex_lock(&p->lock);
    bool first = !p->broken;
    if (first) {
        p->broken = true;
        p->why = aw_text_ref(why);
    }
    aw_mutex_unlock(&p->lock);
    if (first) {
        for (int i = 0; i < p->opts.max_workers; i++) {
            struct aw_proc_worker *w = &p->workers[i];
            if (w->state == AW_PROC_NONE)
                continue;
            aw_proc_dismiss(w, true);
            fail_job(p, w, AW_EBROKEN, text);
        }
        aw_proc_end_queued(p, AW_EBROKEN, why);
    }
    aw_text_unref(why);
}

/* ---- talking to a worker ---- */

/* Sends what there is room for.  False: there is nobody at the other end. */
static bool send_piece(struct aw_proc_worker *w, const void *from, size_t n, bool *ret_full)
{
    ssize_t done;
    do
        done = aw_sys.send_now(w->data, from, n);
    while (done == -EINTR);
    *ret_full = done == -EAGAIN;
    w->sent += done > 0 ? (size_t)done : 0;
    return done > 0 || done == -EAGAIN;
}

static const char *input_of(const aw_process_pool *p, const struct aw_proc_worker *w)
{
    return w->job ? w->job->opts.in : p->opts.initializer_input;
}

/* A worker that has hung up may still have sent something before; and where nothing was sent to
 * one that had proved itself, its job is given to another. */
static void speak(aw_process_pool *p, struct aw_proc_worker *w)
{
    const size_t head = sizeof w->request;
    bool there = true, full = false;
    while (there && !full && !aw_proc_is_sent(w)) {
        if (w->sent < head)
            there = send_piece(w, (const char *)&w->request + w->sent, head - w->sent, &full);
        else
            there = send_piece(w, input_of(p, w) + (w->sent - head),
                               head + w->request.size - w->sent, &full);
    }
    if (there)
        return;
    struct aw_proc_job *again = w->sent == 0 && w->tasks > 0 ? let_go(p, w) : NULL;
    hung_up(w);
    if (!again)
        return;
    aw_mutex_lock(&p->lock);
    aw_list_push_front(&p->queue, &again->link);
    p->n_queued++;
    aw_mutex_unlock(&p->lock);
}

/* Ask for a function to be called. */
static void request(aw_process_pool *p, struct aw_proc_worker *w, aw_process_fn *fn, size_t size)
{
    w->request = (struct aw_proc_request){.magic = AW_PROC_REQUEST,
                                          .number = ++p->number,
                                          .fn = fn,
                                          .size = size,
                                          .output_limit = p->opts.output_limit};
    aw_code_address(*(void **)&fn, w->request.where, sizeof w->request.where);
    w->sent = w->got = 0;
    speak(p, w);
}

/* ---- answers ---- */

static bool is_answer(const aw_process_pool *p, const struct aw_proc_worker *w)
{
    const struct aw_proc_answer *a = &w->answer;
    return a->magic == AW_PROC_ANSWER && a->number == w->request.number && aw_proc_is_sent(w) &&
           a->size <= p->opts.output_limit && a->detail <= AW_PROC_DETAIL_MAX &&
           (a->result >= 0 ? a->detail == 0 : a->size == 0);
}

static size_t body_size(const struct aw_proc_worker *w)
{
    return (size_t)(w->answer.size + w->answer.detail);
}

static void is_prepared(aw_process_pool *p, struct aw_proc_worker *w)
{
    char text[256];
    int result = w->answer.result;
    w->state = AW_PROC_IDLE;
    w->deadline = INT64_MAX;
    if (result >= 0) {
        drop_body(w);
        return;
    }
    snprintf(text, sizeof text, "an initializer has failed: %s%s%s", aw_strerror(result),
             *w->body ? ": " : "", w->body);
    aw_proc_break(p, text);
}

/* The worker is free before the job is over: who waits for that may submit the next. */
static void has_answered(aw_process_pool *p, struct aw_proc_worker *w)
{
    if (w->state == AW_PROC_PREPARING) {
        is_prepared(p, w);
        return;
    }
    struct aw_proc_job *job = let_go(p, w);
    struct aw_proc_answer a = w->answer;
    char *body = w->body;
    w->body = NULL;
    w->got = 0;
    w->state = AW_PROC_IDLE;
    w->deadline = INT64_MAX;
    if (++w->tasks == p->opts.max_tasks_per_child)
        aw_proc_dismiss(w, false);
    if (a.result >= 0) {
        aw_proc_job_succeed(job, a.result, body, (size_t)a.size);
        return;
    }
    aw_proc_job_end(job, a.result, aw_text_new(body));
    aw_mem_free(body);
}

/* The answer's head is there. */
static void expect_body(aw_process_pool *p, struct aw_proc_worker *w)
{
    if (!is_answer(p, w)) {
        is_wrong(p, w, "sent what is no answer");
        return;
    }
    w->body = aw_mem_alloc(body_size(w) + 1);
    if (w->body) {
        w->body[body_size(w)] = '\0';
        return;
    }
    bool preparing = w->state == AW_PROC_PREPARING;
    aw_proc_dismiss(w, true);
    fail_job(p, w, -ENOMEM, "for what came out of the job");
    if (preparing)
        aw_proc_break(p, "no memory for an initializer's answer");
}

/* Reads a piece.  False: nothing more is to be read now. */
static bool hear_piece(aw_process_pool *p, struct aw_proc_worker *w)
{
    const size_t head = sizeof w->answer;
    bool in_head = w->got < head;
    char *to = in_head ? (char *)&w->answer + w->got : w->body + (w->got - head);
    size_t n = in_head ? head - w->got : head + body_size(w) - w->got;
    ssize_t done = aw_sys.recv_now(w->data, to, n);
    if (done == -EINTR)
        return true;
    if (done == -EAGAIN)
        return false;
    if (done <= 0) {
        hung_up(w);
        return false;
    }
    w->got += (size_t)done;
    if (in_head && w->got == head)
        expect_body(p, w);
    return w->data >= 0;
}

static void hear(aw_process_pool *p, struct aw_proc_worker *w)
{
    char byte;
    while (w->data >= 0 && (w->state == AW_PROC_BUSY || w->state == AW_PROC_PREPARING)) {
        if (w->body && w->got == sizeof w->answer + body_size(w))
            has_answered(p, w);
        else if (!hear_piece(p, w))
            return;
    }
    if (w->state != AW_PROC_IDLE)
        return;
    ssize_t n = aw_sys.recv_now(w->data, &byte, 1);
    if (n > 0)
        is_wrong(p, w, "spoke without being asked");
    else if (n != -EAGAIN && n != -EINTR)
        hung_up(w);
}

/* ---- news from the server ---- */

/* The process has ended: what it sent before is all there. */
static void read_the_rest(aw_process_pool *p, struct aw_proc_worker *w)
{
    for (int turn = 0; turn < 100 && w->data >= 0 && w->state != AW_PROC_IDLE; turn++) {
        int ready = aw_sys.poll_one(w->data, POLLIN);
        if (ready >= 0 && !(ready & POLLIN))
            return;
        hear(p, w);
    }
}

static void is_known(aw_process_pool *p, struct aw_proc_worker *w, long pid)
{
    aw_mutex_lock(&p->lock);
    w->pid = pid;
    aw_mutex_unlock(&p->lock);
}

static void take_news(aw_process_pool *p, struct aw_proc_worker *w)
{
    struct aw_child_news news;
    char how[96];
    if (aw_child_news(w->status, &news) == 0)
        return;
    if (news.pid)
        is_known(p, w, news.pid);
    if (news.kind == AW_CHILD_STARTED)
        return;
    if (news.kind == AW_CHILD_REFUSED || !w->pid) {
        int err = news.kind == AW_CHILD_REFUSED ? news.status : -EAGAIN;
        bool preparing = w->state == AW_PROC_PREPARING;
        fail_job(p, w, err, "the system gives no process");
        if (preparing)
            aw_proc_break(p, "the system gives no process");
        forget(p, w);
        return;
    }
    read_the_rest(p, w);
    if (news.kind == AW_CHILD_ENDED)
        aw_child_describe(news.status, how, sizeof how);
    else
        snprintf(how, sizeof how, "is gone with the process server");
    is_gone(p, w, how);
}

/* ---- time ---- */

void aw_proc_time_is_over(aw_process_pool *p, struct aw_proc_worker *w)
{
    char text[256];
    aw_buf b;
    if (w->state == AW_PROC_LEAVING && !w->killed) {
        aw_proc_dismiss(w, true);
        return;
    }
    if (w->killed) {
        is_gone(p, w, "was killed, and nothing more was heard of it");
        return;
    }
    bool preparing = w->state == AW_PROC_PREPARING;
    aw_buf_init(&b, text, sizeof text);
    add_who(w, &b);
    aw_buf_add(&b, " was killed at the time limit");
    aw_proc_dismiss(w, true);
    fail_job(p, w, -ETIMEDOUT, text);
    if (preparing)
        aw_proc_break(p, text);
}

/* ---- what the pool's thread asks for ---- */

static int64_t deadline_in(int64_t ns)
{
    int64_t now = aw_clock_real();
    return ns > INT64_MAX - now ? INT64_MAX : now + ns;
}

void aw_proc_give(aw_process_pool *p, struct aw_proc_worker *w, struct aw_proc_job *job)
{
    hold(p, w, job);
    w->state = AW_PROC_BUSY;
    w->deadline = deadline_in(job->limit_ns);
    request(p, w, job->fn, job->opts.n);
}

/* A new worker in an empty place: 0, or the system's error. */
int aw_proc_hire(aw_process_pool *p, struct aw_proc_worker *w)
{
    int data, status;
    int err = aw_child_spawn(&data, &status);
    if (err < 0)
        return err;
    w->data = data;
    w->status = status;
    w->state = AW_PROC_IDLE;
    w->deadline = INT64_MAX;
    if (!p->opts.initializer)
        return 0;
    w->state = AW_PROC_PREPARING;
    w->deadline = deadline_in(p->limit_ns);
    request(p, w, p->opts.initializer, p->opts.initializer_size);
    return 0;
}

void aw_proc_abort(aw_process_pool *p, struct aw_proc_worker *w)
{
    aw_proc_dismiss(w, true);
    fail_job(p, w, -ECANCELED, NULL);
}

/* News first: a worker tells that it has started before it answers, so whose answer is taken has a
 * process id.  (What came between the poll and the reading is therefore left for the next turn; but
 * where the poll has failed all is looked at, and the answer may be first.) */
void aw_proc_look_at(aw_process_pool *p, struct aw_proc_worker *w, const struct pollfd *fds)
{
    if (fds[1].revents)
        take_news(p, w);
    if (w->state == AW_PROC_NONE || w->data < 0)
        return;
    if ((fds[0].revents & (POLLOUT | POLLERR)) && !aw_proc_is_sent(w))
        speak(p, w);
    if ((fds[0].revents & ~POLLOUT) && w->data >= 0)
        hear(p, w);
}
