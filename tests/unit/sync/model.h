/*
 * model.h - the frame of the model tests: many random calls on one primitive, checked by a model.
 *
 * Twenty tasks make random calls, some with a time limit, and cancel each other; the main task lets
 * time pass and, whenever everybody is blocked, asks the model whether that can be.  A model knows
 * the meaning of its primitive and nothing of how it is made.
 *
 * AWAIT_MODEL_OPS sets the number of calls, AWAIT_MODEL_SEED repeats a run: each prints its seed.
 * Every model is run twice: as it is, and with the runnable tasks shuffled, when nothing can be
 * said about who runs first of several that may.
 */
#ifndef TESTS_SYNC_MODEL_H
#define TESTS_SYNC_MODEL_H

#include <math.h>
#include <time.h>
#include <unistd.h>

#include "base/prng.h"
#include "util.h"

#define ACTORS 20

/* One of the tasks. */
struct actor {
    int id;
    aw_task *task;
    bool begun;
    bool asked;      /* to cancel, and not told yet */
    double deadline; /* of the call it is in */
    bool waiting;    /* it is in a call that may suspend */
    uint64_t since;  /* the number of that call */
};

/* What a model does: one random deed of an actor; whether it can be that all are blocked, in which
 * the main task may do something about it; and the end. */
struct model {
    void (*step)(struct actor *a);
    void (*at_rest)(void);
    void (*at_end)(void);
};

static struct {
    aw_prng rng;
    const struct model *model;
    uint64_t ops, calls;
    bool shuffled;
    struct actor actors[ACTORS];
} play;

static inline int pick(int n)
{
    return (int)aw_prng_below(&play.rng, (uint64_t)n);
}

/* One time in so many. */
static inline bool once_in(int n)
{
    return pick(n) == 0;
}

static inline uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

/* ---- what actors do ---- */

/* Is the time of its call over? */
static inline bool is_late(const struct actor *a)
{
    return aw_time() > a->deadline - 1e-6;
}

/* May its call end with an error any moment? */
static inline bool is_leaving(const struct actor *a)
{
    return a->asked || is_late(a);
}

static inline void ask_to_cancel(struct actor *a)
{
    if (a->begun && aw_cancel(a->task))
        a->asked = true;
}

/* A cancellation has been told: it was asked for, and is over. */
static inline void told(struct actor *a)
{
    assert_true(a->asked);
    a->asked = false;
    while (aw_uncancel(aw_current_task()) > 0)
        continue;
}

/* A call that may suspend, now and then with a time limit.  Its result; errors that the model did
 * not ask for are the caller's to judge. */
static inline int call(struct actor *a, aw_fn *fn, void *arg)
{
    double limit = once_in(3) ? 0.5e-3 * pick(6) : (double)INFINITY;
    a->deadline = aw_time() + limit;
    a->since = ++play.calls;
    a->waiting = true;
    int err = isinf(limit) ? fn(arg) : aw_timeout_call(limit, fn, arg);
    a->waiting = false;
    if (err == -ECANCELED)
        told(a);
    if (err == -ETIMEDOUT)
        assert_true(is_late(a));
    a->deadline = (double)INFINITY;
    return err;
}

static inline bool is_cancelled(int err)
{
    return err == -ECANCELED || err == -ETIMEDOUT;
}

/* Crowded times and quiet ones take turns. */
static inline bool is_quiet(void)
{
    return play.calls / 300 % 3 == 2;
}

/* A pass; a pass, or some milliseconds. */
static inline void yield(struct actor *a)
{
    if (aw_sleep(0) == -ECANCELED)
        told(a);
}

static inline void linger(struct actor *a)
{
    if (once_in(2))
        yield(a);
    else if (aw_sleep(1e-3 * pick(is_quiet() ? 20 : 4)) == -ECANCELED)
        told(a);
}

static inline bool has_ops(void)
{
    return play.calls < play.ops;
}

/* Somebody; half of the time the one who has waited longest, and may have been woken just now. */
static inline struct actor *victim(void)
{
    struct actor *found = &play.actors[pick(ACTORS)];
    bool oldest = once_in(2);
    for (int i = 0; i < ACTORS && oldest; i++) {
        struct actor *a = &play.actors[i];
        if (a->waiting && (!found->waiting || a->since < found->since))
            found = a;
    }
    return found;
}

static inline int act(void *arg)
{
    struct actor *a = arg;
    a->begun = true;
    while (has_ops()) {
        play.model->step(a);
        if (once_in(6))
            ask_to_cancel(victim());
        if (is_quiet() || once_in(3))
            linger(a);
    }
    if (a->asked)
        told(a);
    return 0;
}

/* ---- what models ask ---- */

static inline int n_waiting(void)
{
    int n = 0;
    for (int i = 0; i < ACTORS; i++)
        n += play.actors[i].waiting;
    return n;
}

/* Somebody's turn has come: nobody who has waited longer, and can stay, is still waiting. */
static inline void assert_first(const struct actor *a)
{
    for (int i = 0; i < ACTORS && !play.shuffled; i++) {
        const struct actor *b = &play.actors[i];
        if (b->waiting && b->since < a->since && !is_leaving(b))
            fail_msg("%d was served before %d", a->id, b->id);
    }
}

/* ---- the play ---- */

static inline bool is_over(void)
{
    for (int i = 0; i < ACTORS; i++)
        if (!aw_done(play.actors[i].task))
            return false;
    return true;
}

static inline int play_main(void *arg)
{
    (void)arg;
    for (int i = 0; i < ACTORS; i++) {
        play.actors[i] = (struct actor){.id = i, .deadline = (double)INFINITY};
        play.actors[i].task = aw_create_task(act, &play.actors[i]);
    }
    while (!is_over()) {
        assert_int_equal(aw_wait_all_blocked(), 0);
        play.model->at_rest();
        for (int i = 0; i < ACTORS && !has_ops(); i++)
            ask_to_cancel(&play.actors[i]);
        ask_to_cancel(victim());
        assert_int_equal(aw_sleep(0.3e-3 * pick(8)), 0);
    }
    for (int i = 0; i < ACTORS; i++)
        assert_int_equal(aw_join(play.actors[i].task), 0);
    play.model->at_end();
    return 0;
}

static inline void run_model(const struct model *model, bool shuffled)
{
    uint64_t here = (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid();
    uint64_t seed = number_from("AWAIT_MODEL_SEED", here);
    printf("AWAIT_MODEL_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    aw_prng_seed(&play.rng, seed);
    play.model = model;
    play.ops = number_from("AWAIT_MODEL_OPS", test_scale(100000, 10000));
    play.shuffled = shuffled || getenv("AWAIT_SHUFFLE");
    assert_int_equal(aw_run(play_main, NULL, .exception_handler = collect_report,
                            .shuffle = shuffled, .seed = seed),
                     0);
    assert_reports(0);
}

/* The two tests of a model: name and name_shuffled. */
#define TEST_MODEL(name, ...)                                                                      \
    static const struct model name##_model = {__VA_ARGS__};                                        \
    TEST_SLOW(name)                                                                                \
    {                                                                                              \
        run_model(&name##_model, false);                                                           \
    }                                                                                              \
    TEST_SLOW(name##_shuffled)                                                                     \
    {                                                                                              \
        run_model(&name##_model, true);                                                            \
    }

#endif
