/*
 * scenarios.h - what the scenarios are written with: small programs that are made to be disturbed.
 *
 * SCENARIO(name) { ... } defines a program of a few coroutines, and with it four sweeps, which are
 * tests: every allocation fails in turn, every mapping of a stack, every system call; and at every
 * suspension the task that falls asleep is cancelled.  A scenario returns
 *
 *     0            everything came out as it should, looked at by the scenario itself;
 *     an error     that the library gave, passed on as a program would (AW_TRY, EXPECT);
 *     WRONG        what must not be, whatever fails (CHECK).
 *
 * So it is written like any careful program: it goes on only after what worked, gives back what it
 * made, and leaves nothing waiting for a thing that will not come.
 *
 * Threads are disturbed like everything else: the counts are of all of them together.  A scenario
 * that has some ends them before it returns, lets one work at a time where it can, and says
 * threads_take_part(): then a point near the end that is not reached in some run is no failure.
 */
#ifndef TESTS_FAULT_SCENARIOS_H
#define TESTS_FAULT_SCENARIOS_H

#include <unistd.h>

#include "await.h"
#include "harness/test.h"

struct scenario {
    const char *name;
    int (*run)(void);
    struct scenario *next; /* in order of definition */
};
extern struct scenario *scenarios;
void scenario_register(struct scenario *s);

/* What is swept. */
enum sweep_kind { SWEEP_ALLOC, SWEEP_STACK, SWEEP_SYSTEM, SWEEP_CANCEL };

/* Runs every point of a sweep; fails the test if one of them went wrong. */
void sweep(const struct scenario *s, enum sweep_kind kind);

#define SCENARIO(name_)                                                                            \
    static int name_##_scenario(void);                                                             \
    static struct scenario name_##_entry = {.name = #name_, .run = name_##_scenario};              \
    __attribute__((constructor)) static void name_##_add(void)                                     \
    {                                                                                              \
        scenario_register(&name_##_entry);                                                         \
    }                                                                                              \
    TEST_SLOW(sweep_alloc_##name_)                                                                 \
    {                                                                                              \
        sweep(&name_##_entry, SWEEP_ALLOC);                                                        \
    }                                                                                              \
    TEST_SLOW(sweep_stack_##name_)                                                                 \
    {                                                                                              \
        sweep(&name_##_entry, SWEEP_STACK);                                                        \
    }                                                                                              \
    TEST_SLOW(sweep_system_##name_)                                                                \
    {                                                                                              \
        sweep(&name_##_entry, SWEEP_SYSTEM);                                                       \
    }                                                                                              \
    TEST_SLOW(sweep_cancel_##name_)                                                                \
    {                                                                                              \
        sweep(&name_##_entry, SWEEP_CANCEL);                                                       \
    }                                                                                              \
    static int name_##_scenario(void)

/* ---- verdicts ---- */

#define WRONG (-9999) /* no error of the library's or the system's */

int wrong(const char *what, const char *file, int line);
int unexpected(long long got, const char *what, const char *file, int line);

/* Has something been made to fail in this run (or is it about to be)? */
bool disturbed(void);

/* What must be so, whatever fails. */
#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond))                                                                               \
            return wrong(#cond, __FILE__, __LINE__);                                               \
    } while (0)

/* A result that must be this one, or the error that the disturbance causes, which is passed on. */
#define EXPECT(expr, expected)                                                                     \
    do {                                                                                           \
        long long got_ = (expr);                                                                   \
        if (got_ != (expected))                                                                    \
            return unexpected(got_, #expr " == " #expected, __FILE__, __LINE__);                   \
    } while (0)

/* What one side sees, at the least, of a failure of the other's: the connection has ended. */
bool is_gone(long long err);

/* A result that must be this one; or, in a disturbed run, what the file's own is_consequence()
 * takes for a consequence of the disturbance, for which its error is passed on. */
#define EXPECT_HERE(expr, expected)                                                                \
    do {                                                                                           \
        long long n_ = (expr);                                                                     \
        if (disturbed() && n_ != (expected) && is_consequence(n_))                                 \
            return expected_error;                                                                 \
        EXPECT(n_, expected);                                                                      \
    } while (0)

/* What only an undisturbed run owes: order and time that a failure elsewhere may change, and the
 * words beside an error. */
#define CHECK_CALM(cond) CHECK(disturbed() || (cond))

/* Make something that is given up when the scenario is over; passes the reason on if it fails. */
#define MAKE(var, expr)                                                                            \
    do {                                                                                           \
        (var) = keep(expr);                                                                        \
        if (!(var))                                                                                \
            return unexpected(aw_errno(), #expr, __FILE__, __LINE__);                              \
    } while (0)
aw_future *keep(aw_future *f);

/* The same for concurrent futures. */
#define MAKE_CONCURRENT(var, expr)                                                                 \
    do {                                                                                           \
        (var) = keep_concurrent(expr);                                                             \
        if (!(var))                                                                                \
            return unexpected(aw_errno(), #expr, __FILE__, __LINE__);                              \
    } while (0)
aw_cfuture *keep_concurrent(aw_cfuture *f);

/* ---- running ---- */

/* aw_run() under the virtual clock; reports are noted. */
int run_main(aw_fn *fn, void *arg);
int run_main_with(aw_fn *fn, void *arg, aw_run_opts opts);

/* A loop of one's own, likewise; and its end, which first cancels what is left on it. */
aw_loop *make_loop(void);
void end_loop(aw_loop *l);

/* The exception handler of both.  A report that was not announced is WRONG in a calm run. */
int note_report(const aw_report *r, void *arg);
void announce_reports(int n);
int reports_made(void);

/* How often the calls that are counted happen depends on whose turn it is. */
void threads_take_part(void);

/* Everybody who takes part is in the loop that runs, or a job of it in a thread, and what they do
 * to each other the kernel does at once (sockets, but not files): so what a loop without a job has
 * not been told of within some milliseconds never comes.  Once something has failed in this run, a
 * loop that has waited for so long does not wait for the rest of a time limit in real time: its
 * clock is moved on.  `but_lookups`: libcurl may look names up in threads of its own; not while
 * there are other threads, then. */
void comes_at_once(bool but_lookups);

/* A function to be called, at most once, by the next report: whoever hears of a failure that no
 * call can return has to tell those who wait. */
void on_report(void (*fn)(void *arg), void *arg);

/* ---- arguments ---- */

/* Something handed over with .release: it must come back once, and only if it was accepted. */
struct owned {
    int given, released;
};
void release_owned(void *arg);

/* Every one of n: released once if it was given, never otherwise. */
bool owned_settled(const struct owned *o, size_t n);

/* Every one of n released once, or none at all. */
bool owned_all_or_none(const struct owned *o, size_t n);

/* ---- coroutines ---- */

/* A number as an argument. */
#define INT(n) ((void *)(intptr_t)(n))

/* Returns its argument at once. */
int give(void *arg);

/* Sleeps, then returns a result or an error. */
struct later {
    double seconds;
    int result;
};
int give_later(void *arg);

/* Sleeps until it is cancelled. */
int sleep_long(void *arg);

/* Sleeps until it is cancelled, cleans up for a second whatever comes, and gives in. */
int clean_up_slowly(void *arg);

/* Awaits the future that is its argument. */
int await_it(void *arg);

/* ---- descriptors ---- */

/* A pipe; flags as of pipe2(). */
struct pipe_ends {
    int r, w;
};
int pipe_open(struct pipe_ends *p, int flags);
void pipe_close(struct pipe_ends *p);

/* ---- between scenarios and the driver ---- */

/* What became of a run besides what it returned. */
struct notes {
    int reports, announced;
    int report_error; /* of the first report that told of the injected error, or 0 */
    bool abandoned;   /* the loop closed over a task, and whatever that held is lost */
    bool wrong;
    bool loop_failed; /* that of a thread ended by the injected error, and said so */
    bool varies;      /* the number of points is not the same each time */
    char text[256];
};
extern struct notes notes;

/* Gives up what keep() kept and forgets the notes: before and after each run. */
void scenario_reset(void);

/* The error that the present disturbance may cause, or 0: set by the driver. */
extern int expected_error;

#endif
