/*
 * signals.c - tasks that wait for signals: aw_signal_wait, and signals that are kept.
 *
 * One record for both: a subscription, a line of tasks, and the signals that came while nobody was
 * in line.  A wait of its own has the record on its stack, and so unsubscribes before it returns.
 * It must not swallow a signal: one that has been noticed when it is cancelled is waited for, and
 * those that come between its waking and its next step are sent once more.  The loop's end
 * unsubscribes too.
 */
#include "core/upper.h"
#include "sys/sys.h"

#include "await/signal.h"

struct aw_signals {
    struct aw_signal_sub sub;
    struct aw_closer closer;
    struct aw_line line;
    uint64_t kept;
    aw_loop *loop;
    bool closed;
};

static void arrived(struct aw_signal_sub *sub, int signo)
{
    struct aw_signals *s = aw_container_of(sub, struct aw_signals, sub);
    if (aw_list_empty(&s->line.waiting))
        s->kept |= AW_SIGNAL_BIT(signo);
    else
        aw_line_wake(&s->line, signo);
}

static void end(struct aw_signals *s)
{
    if (s->closed)
        return;
    s->closed = true;
    aw_closer_remove(&s->closer);
    s->kept |= aw_signal_unsubscribe(&s->sub);
}

static void loop_closes(struct aw_closer *closer)
{
    end(aw_container_of(closer, struct aw_signals, closer));
}

static int begin(struct aw_signals *s, aw_loop *l, uint64_t set)
{
    *s = (struct aw_signals){
        .sub = {.set = set, .arrived = arrived}, .closer = {.run = loop_closes}, .loop = l};
    aw_list_init(&s->line.waiting);
    AW_TRY(aw_signal_subscribe(l, &s->sub));
    aw_closer_add(l, &s->closer);
    return 0;
}

/* The lowest that is kept, or 0. */
static int take_kept(struct aw_signals *s)
{
    if (!s->kept)
        return 0;
    int signo = 1 + __builtin_ctzll(s->kept);
    s->kept &= s->kept - 1;
    return signo;
}

static void describe(const void *object, aw_buf *out)
{
    const struct aw_signals *s = object;
    aw_buf_add(out, "signals");
    for (int signo = 1; signo <= 64; signo++)
        if (s->sub.set & AW_SIGNAL_BIT(signo))
            aw_buf_printf(out, " %d", signo);
}

static bool is_coming(const void *object)
{
    const struct aw_signals *s = object;
    return aw_signal_is_coming(&s->sub);
}

static int wait_for(struct aw_signals *s, const char *name, const void *caller)
{
    int signo = take_kept(s);
    if (signo)
        return signo;
    aw_loop_expect(s->loop, 1);
    signo = aw_line_wait(&s->line, &(struct aw_line_call){.name = name,
                                                          .caller = caller,
                                                          .describe = describe,
                                                          .patient = is_coming,
                                                          .object = s});
    aw_loop_expect(s->loop, -1);
    return signo;
}

int aw_signal_wait(uint64_t set)
{
    struct aw_signals s;
    aw_loop *l = aw_loop_of_task();
    if (!l)
        return aw_errno();
    AW_TRY(begin(&s, l, set));
    int signo = wait_for(&s, "aw_signal_wait", __builtin_return_address(0));
    end(&s);
    aw_signal_come_again(l, s.kept);
    return signo;
}

aw_signals *aw_signals_new(aw_loop *l, uint64_t set)
{
    if (!l && !(l = aw_loop_here_quietly()))
        return NULL;
    if (aw_loop_check_slow(l) < 0)
        return aw_null(aw_loop_check_slow(l));
    if (aw_loop_is_closed(l))
        return aw_fail_null(AW_EMISUSE, "the loop is closed");
    struct aw_signals *s = aw_mem_alloc(sizeof *s);
    if (!s)
        return aw_fail_null(-ENOMEM, "no memory for signals");
    int err = begin(s, l, set);
    if (err < 0) {
        aw_mem_free(s);
        return aw_null(err);
    }
    aw_loop_keep(l);
    return s;
}

int aw_signals_wait(aw_signals *s)
{
    if (!s)
        return aw_null_handle();
    AW_TRY(aw_loop_check_slow(s->loop));
    if (s->closed)
        return aw_fail(AW_EMISUSE, "the loop is closed");
    aw_loop *l = aw_loop_of_task();
    if (!l)
        return aw_errno();
    if (l != s->loop)
        return aw_fail(AW_ETHREAD, "the signals belong to another loop");
    return wait_for(s, "aw_signals_wait", __builtin_return_address(0));
}

void aw_signals_free(aw_signals *s)
{
    if (!s || aw_loop_check_slow(s->loop) < 0)
        return;
    aw_loop *l = s->loop;
    aw_assert(aw_list_empty(&s->line.waiting));
    end(s);
    aw_mem_free(s);
    aw_loop_let_go(l);
}
