/*
 * sweep.c - the driver: runs a scenario once for every point of a sweep, and judges each run.
 *
 * An undisturbed run is counted first; its counts make the list of points.  The points are run in
 * a child process, one after the other, each followed by an undisturbed run in the same process,
 * which must give the right result.  A child that dies or hangs costs its point; another child
 * goes on with the next, so that one sweep finds everything there is to find.
 *
 * A point is named by its fault, its number and its mode: alloc:-ENOMEM:17:once.  What is printed
 * for one that failed runs just that point, in the process itself, as a debugger likes it.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "core/core.h"
#include "fault/inject.h"

enum {
    FAILURES_MAX = 8,          /* of one sweep; then it ends */
    POINT_SECONDS = 5,         /* a run that takes longer hangs */
    POINTS_INSTRUMENTED = 400, /* of a sweep, under a sanitizer */
    POINTS_VALGRIND = 40,      /* under valgrind, when ASan has looked at ten times as many */
    SCENARIOS_MIN = 100,       /* of which there are never to be fewer */
    POINTS_MIN = 16000,        /* of all sweeps together, likewise */
};

static const char *const kind_names[] = {"alloc", "stack", "system", "cancel"};

/* ---- points ---- */

struct points {
    struct point *all;
    size_t n;
};

static void add_points(struct points *ps, const struct fault *fault, bool ever)
{
    unsigned calls = inject_seen(fault->site);
    ps->all = realloc(ps->all, (ps->n + calls + 1) * sizeof *ps->all);
    assert_non_null(ps->all);
    for (unsigned k = 1; k <= calls; k++)
        ps->all[ps->n++] = (struct point){fault, k, ever};
}

/* Every point of a sweep, from the counts of the run before. */
static struct points points_of(enum sweep_kind kind)
{
    struct points ps = {0};
    for (size_t i = 0; i < n_faults; i++) {
        if (faults[i].kind != kind)
            continue;
        add_points(&ps, &faults[i], false);
        if (faults[i].ever)
            add_points(&ps, &faults[i], true);
    }
    return ps;
}

/* "epoll_ctl:-ENOMEM:2:ever", "twice:5" */
static const char *point_name(const struct point *p)
{
    static char text[64];
    const char *mode = p->ever ? "ever" : "once";
    if (p->fault->kind == SWEEP_CANCEL)
        snprintf(text, sizeof text, "%s:%u", p->fault->name, p->k);
    else
        snprintf(text, sizeof text, "%s:%s:%u:%s", p->fault->name, aw_error_name(p->fault->error),
                 p->k, mode);
    return text;
}

/* ---- one run ---- */

/* What is not as it was before the run; NULL if everything is.  Tasks that nothing could bring to
 * an end take what they hold with them. */
static const char *left_behind(const struct account *before, struct account *after, bool abandoned)
{
    static char text[128];
    if (abandoned)
        *after =
            (struct account){before->blocks, before->bytes, before->mapped, after->descriptors};
    if (after->blocks == before->blocks && after->bytes == before->bytes &&
        after->mapped == before->mapped && after->descriptors == before->descriptors)
        return NULL;
    snprintf(text, sizeof text,
             "left behind: %+lld blocks, %+lld bytes, %+lld bytes mapped, %+lld descriptors",
             (long long)after->blocks - (long long)before->blocks,
             (long long)after->bytes - (long long)before->bytes,
             (long long)after->mapped - (long long)before->mapped,
             (long long)after->descriptors - (long long)before->descriptors);
    return text;
}

static const char *say_result(int rc)
{
    static char text[64];
    snprintf(text, sizeof text, "it returned %d (%s)", rc, rc < 0 ? aw_error_name(rc) : "");
    return text;
}

static const char *judge_calm(int rc)
{
    if (rc != 0)
        return say_result(rc);
    return notes.reports == notes.announced ? NULL : "an announced report was not made";
}

/* What was to be disturbed did not come to pass. */
static const char *judge_unreached(int rc)
{
    return notes.varies ? judge_calm(rc) : "not reached: the scenario is not the same each time";
}

/* Told, or harmless. */
static const char *judge_fault(const struct point *p, int rc)
{
    if (!inject_fired())
        return judge_unreached(rc);
    if (rc == p->fault->error && inject_may_be_told(p->fault->site))
        return NULL;
    if (p->fault->telling == HARMLESS)
        return judge_calm(rc);
    if (rc == p->fault->error || (rc == -ECANCELED && notes.loop_failed))
        return NULL;
    if (rc != 0)
        return say_result(rc);
    return inject_loud() && !notes.report_error ? "nobody was told of the failure" : NULL;
}

static const char *judge_cancel(int rc)
{
    if (!inject_fired())
        return judge_unreached(rc);
    return rc == 0 || rc == -ECANCELED ? NULL : say_result(rc);
}

/* Tasks were abandoned in this process, and took with them what they held on their stacks: who
 * looks for leaks at its end would find that. */
static bool has_abandoned;

/* Runs the scenario; NULL, or what was wrong with that. */
static const char *run_once(const struct scenario *s, const struct point *p)
{
    static char text[400];
    scenario_reset();
    struct account before = account_now();
    inject_begin(p);
    cancel_begin();
    int rc = s->run();
    inject_end();
    const char *why = !p                               ? judge_calm(rc)
                      : p->fault->kind == SWEEP_CANCEL ? judge_cancel(rc)
                                                       : judge_fault(p, rc);
    if (notes.wrong)
        why = notes.text;
    if (why)
        snprintf(text, sizeof text, "%s", why);
    bool abandoned = p && notes.abandoned;
    has_abandoned |= abandoned;
    scenario_reset();
    struct account after = account_now();
    return why ? text : left_behind(&before, &after, abandoned);
}

/* A point, and then a calm run. */
static const char *run_point(const struct scenario *s, const struct point *p)
{
    static char text[512];
    const char *why = run_once(s, p);
    if (why)
        return why;
    if (!(why = run_once(s, NULL)))
        return NULL;
    snprintf(text, sizeof text, "in the undisturbed run after it: %s", why);
    return text;
}

/* ---- children ---- */

/* What parent and child share. */
struct board {
    size_t at; /* the point that is being run; n: all have been */
    size_t failures;
};

static void say_failed(const struct scenario *s, const struct point *p, const char *why)
{
    static char self[4096], here[4096];
    const char *program = self;
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    size_t prefix = getcwd(here, sizeof here) ? strlen(here) : 0;
    if (n > 0 && prefix > 0 && strncmp(self, here, prefix) == 0 && self[prefix] == '/')
        program = self + prefix + 1;
    printf("%s at %s: %s\n", s->name, point_name(p), why);
    printf("  repeat: AWAIT_FAULT=%s %s --run sweep_%s_%s\n", point_name(p), program,
           kind_names[p->fault->kind], s->name);
}

static void child_main(const struct scenario *s, const struct points *ps, struct board *board)
{
    process_begins();
    for (; board->at < ps->n && board->failures < FAILURES_MAX; board->at++) {
        const struct point *p = &ps->all[board->at];
        alarm(test_scale(POINT_SECONDS, POINT_SECONDS * 6));
        const char *why = run_point(s, p);
        if (!why)
            continue;
        say_failed(s, p, why);
        board->failures++;
    }
    alarm(0);
}

static const char *how_it_ended(int status)
{
    static char text[64];
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        return "it hangs";
    if (WIFSIGNALED(status))
        snprintf(text, sizeof text, "killed by %s", strsignal(WTERMSIG(status)));
    else
        snprintf(text, sizeof text, "exit status %d", WEXITSTATUS(status));
    return text;
}

/* Runs points until one kills the child; false when there are no more. */
static bool run_some(const struct scenario *s, const struct points *ps, struct board *board)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        child_main(s, ps, board);
        fflush(NULL);
        free(ps->all); /* or it counts as leaked here */
        if (has_abandoned)
            _exit(0);
        exit(0);
    }
    while (waitpid(pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return false;
    board->failures++;
    if (board->at < ps->n)
        say_failed(s, &ps->all[board->at], how_it_ended(status));
    else
        printf("%s: the process that ran the points: %s\n", s->name, how_it_ended(status));
    return ++board->at < ps->n && board->failures < FAILURES_MAX;
}

/* ---- a sweep ---- */

/* Leaves `most` points, evenly spread. */
static void thin_out(struct points *ps, size_t most)
{
    if (ps->n <= most)
        return;
    for (size_t i = 0; i < most; i++)
        ps->all[i] = ps->all[i * ps->n / most];
    ps->n = most;
}

static void must_be_calm(const struct scenario *s)
{
    const char *why = run_once(s, NULL);
    if (why)
        fail_msg("%s, undisturbed: %s", s->name, why);
}

/* The point that the environment names, in this process. */
static void run_named(const struct scenario *s, const struct points *ps, const char *name)
{
    for (size_t i = 0; i < ps->n; i++) {
        if (strcmp(point_name(&ps->all[i]), name) != 0)
            continue;
        const char *why = run_point(s, &ps->all[i]);
        if (why)
            fail_msg("%s at %s: %s", s->name, name, why);
        return;
    }
    fail_msg("%s has no point %s", s->name, name);
}

/* Children that run points begin with a process server: see process_begins(). */
static void skip_without_servers(const struct scenario *s)
{
    static const char prefix[] = "process_";
    if (test_is_emulated() && strncmp(s->name, prefix, strlen(prefix)) == 0)
        SKIP("a thread of the emulator's keeps the child of a fork from having a process server");
}

void sweep(const struct scenario *s, enum sweep_kind kind)
{
    skip_without_servers(s);
    inject_install();
    process_begins();
    must_be_calm(s);
    must_be_calm(s); /* what a process does once in its life has been done by now */
    struct points ps = points_of(kind);
    const char *named = getenv("AWAIT_FAULT");
    if (named) {
        run_named(s, &ps, named);
        free(ps.all);
        return;
    }
    size_t total = ps.n;
    thin_out(&ps, test_is_under_valgrind() ? POINTS_VALGRIND
                                           : test_scale((unsigned)ps.n, POINTS_INSTRUMENTED));
    struct board *board =
        mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(board != MAP_FAILED);
    while (ps.n > 0 && run_some(s, &ps, board))
        ;
    printf("%s: %s: %zu of %zu points, %zu failures\n", s->name, kind_names[kind], ps.n, total,
           board->failures);
    size_t failures = board->failures;
    munmap(board, sizeof *board);
    free(ps.all);
    assert_int_equal(failures, 0);
}

/* ---- all of them ---- */

// How much the sweeps try is counted, and does not become less.
TEST_SLOW(sweep_points_are_counted)
{
    size_t n = 0, sum = 0;
    inject_install();
    process_begins();
    printf("%-32s %6s %6s %6s %6s\n", "scenario", kind_names[0], kind_names[1], kind_names[2],
           kind_names[3]);
    for (const struct scenario *s = scenarios; s; s = s->next, n++) {
        size_t points[4];
        must_be_calm(s);
        must_be_calm(s);
        for (int kind = SWEEP_ALLOC; kind <= SWEEP_CANCEL; kind++) {
            struct points ps = points_of((enum sweep_kind)kind);
            points[kind] = ps.n;
            sum += ps.n;
            free(ps.all);
        }
        printf("%-32s %6zu %6zu %6zu %6zu\n", s->name, points[0], points[1], points[2], points[3]);
    }
    printf("%zu scenarios, %zu points\n", n, sum);
    assert_true(n >= SCENARIOS_MIN);
    assert_true(test_is_instrumented() || sum >= POINTS_MIN);
}
