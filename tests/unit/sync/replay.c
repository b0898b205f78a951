/*
 * The same thousand random programs as in CPython 3.13: what happened, in which order, is the same.
 *
 * A program is a seed: some tasks draw calls on a lock, an event, a condition, a semaphore, a
 * barrier and a queue, cancel each other and let passes go by; every call that ends is noted with
 * its result and the state of everything.  replay.py is this file in Python; it has run the
 * programs under asyncio and written the hashes of the notes into replay_expected.h.
 * REPLAY_SEED=n shows the notes of one program, as `replay.py n` does.
 */
#include "replay_expected.h"
#include "util.h"

#define MAX_TASKS 8

static struct {
    aw_lock lock;
    aw_event event;
    aw_condition cond;
    aw_semaphore sem;
    aw_barrier barrier;
    aw_queue q;
    uint64_t rng[MAX_TASKS + 1]; /* the last is the main task's */
    aw_task *tasks[MAX_TASKS];
    int n_tasks, n_used, item;
    int used[6]; /* which of the primitives */
    bool stop, shown;
    uint64_t hash;
} r;

static int draw(int actor, int n)
{
    r.rng[actor] = r.rng[actor] * 6364136223846793005u + 1442695040888963407u;
    return (int)((r.rng[actor] >> 33) % (uint64_t)n);
}

static int by_residue(const void *a, const void *b)
{
    return (int)((intptr_t)a % 5) - (int)((intptr_t)b % 5);
}

/* ---- calls ---- */

static int call_lock_or_event(char op)
{
    switch (op) {
    case 'L':
        return aw_lock_acquire(&r.lock);
    case 'r':
        return aw_lock_release(&r.lock);
    case 'E':
        return aw_event_wait(&r.event);
    case 'S':
        return aw_event_set(&r.event);
    default: /* C */
        return aw_event_clear(&r.event);
    }
}

static int call_condition(char op)
{
    switch (op) {
    case 'c':
        return aw_condition_acquire(&r.cond);
    case 'w':
        return aw_condition_wait(&r.cond);
    case 'x':
        return aw_condition_release(&r.cond);
    case 'n':
        return aw_condition_notify(&r.cond, 1);
    default: /* N */
        return aw_condition_notify_all(&r.cond);
    }
}

static int call_semaphore_or_barrier(char op)
{
    switch (op) {
    case 's':
        return aw_semaphore_acquire(&r.sem);
    case 'v':
        return aw_semaphore_release(&r.sem);
    case 'b':
        return aw_barrier_wait(&r.barrier);
    case 'R':
        return aw_barrier_reset(&r.barrier);
    default: /* A */
        return aw_barrier_abort(&r.barrier);
    }
}

static int call_queue(char op)
{
    void *item = NULL;
    int err;
    switch (op) {
    case 'p':
        return aw_queue_put(&r.q, INT(++r.item));
    case 'P':
        return aw_queue_put_nowait(&r.q, INT(++r.item));
    case 'g':
        err = aw_queue_get(&r.q, &item);
        return err < 0 ? err : (int)(intptr_t)item;
    case 'G':
        err = aw_queue_get_nowait(&r.q, &item);
        return err < 0 ? err : (int)(intptr_t)item;
    case 't':
        return aw_queue_task_done(&r.q);
    case 'j':
        return aw_queue_join(&r.q);
    default: /* d, D */
        return aw_queue_shutdown(&r.q, .immediate = op == 'D');
    }
}

static int call(int actor, char op)
{
    if (op == '_')
        return aw_sleep(0);
    if (op == 'k')
        return aw_cancel(r.tasks[draw(actor, r.n_tasks)]);
    if (strchr("LrESC", op))
        return call_lock_or_event(op);
    if (strchr("cwxnN", op)) {
        int err = call_condition(op);
        return err > 0 ? 0 : err; /* asyncio does not say how many were woken */
    }
    return strchr("svbRA", op) ? call_semaphore_or_barrier(op) : call_queue(op);
}

/* ---- notes ---- */

static void note_text(const char *text)
{
    if (r.shown)
        printf("%s\n", text);
    for (; *text; text++)
        r.hash = (r.hash ^ (unsigned char)*text) * 0x100000001b3u;
}

static void note_call(char actor, char op, int result)
{
    char text[96];
    snprintf(text, sizeof text, "%c %c %d %d%d%d %d%d %d%d %d", actor, op, result,
             aw_lock_locked(&r.lock), aw_event_is_set(&r.event), aw_condition_locked(&r.cond),
             aw_semaphore_value(&r.sem), aw_semaphore_locked(&r.sem),
             aw_barrier_n_waiting(&r.barrier), aw_barrier_broken(&r.barrier), aw_queue_size(&r.q));
    note_text(text);
}

/* ---- programs ---- */

/* What can be drawn, primitive by primitive: calls to be made one after the other. */
static const char *const drawn[6][8] = {
    {"L", "L", "L_r", "L__r", "L_r", "r", "L", "L_r"},
    {"E", "E", "E", "E", "S", "SC", "C", "S"},
    {"cwx", "cwx", "cwx", "cnx", "cNx", "c", "x", "w"},
    {"s", "s_v", "s__v", "s_v", "v", "s", "s_v", "vv"},
    {"b", "b", "b", "b", "b", "b", "R", "A"},
    {"p", "p", "g", "g", "gt", "P", "G", "j"},
};
/* The same for the main task, which must not be blocked for good. */
static const char *const drawn_by_main[6] = {"r", "SC", "n", "v", "_", "PG"};

static void perform(int actor, const char *ops)
{
    for (; *ops && !r.stop; ops++) {
        int result = call(actor, *ops);
        if (result == -ECANCELED)
            while (aw_uncancel(aw_current_task()) > 0)
                continue;
        note_call(actor == MAX_TASKS ? 'M' : (char)('0' + actor), *ops, result);
    }
}

static int act(void *arg)
{
    int me = (int)(intptr_t)arg, n = 3 + draw(me, 20);
    while (n-- > 0 && !r.stop) {
        int what = draw(me, 100);
        if (what < 25)
            perform(me, what < 12 ? "_" : "__");
        else if (what < 37)
            perform(me, "k");
        else if (what == 99)
            perform(me, draw(me, 2) ? "d" : "D");
        else
            perform(me, drawn[r.used[draw(me, r.n_used)]][draw(me, 8)]);
    }
    return 0;
}

/* Everybody must end: what is held is released, what waits is cancelled. */
static void end_all(void)
{
    r.stop = true;
    for (int i = 0; i < r.n_tasks; i++) {
        while (!aw_done(r.tasks[i])) {
            if (aw_lock_locked(&r.lock))
                aw_lock_release(&r.lock);
            if (aw_condition_locked(&r.cond))
                aw_condition_release(&r.cond);
            for (int k = 0; k < r.n_tasks; k++)
                aw_cancel(r.tasks[k]);
            passes(1);
        }
    }
    for (int i = 0; i < r.n_tasks; i++)
        aw_unref(r.tasks[i]);
}

static void make_program(uint64_t seed)
{
    bool shown = r.shown;
    memset(&r, 0, sizeof r);
    r.shown = shown;
    r.hash = 0xcbf29ce484222325u;
    for (int i = 0; i <= MAX_TASKS; i++)
        r.rng[i] = seed * 1000003 + (uint64_t)i * 7919;
    r.n_tasks = 2 + draw(MAX_TASKS, MAX_TASKS - 1);
    for (int i = 0; i < 6; i++)
        if (draw(MAX_TASKS, 3) == 0 || (i == 5 && !r.n_used))
            r.used[r.n_used++] = i;
    r.sem = (aw_semaphore)AW_SEMAPHORE_INIT(draw(MAX_TASKS, 4));
    r.barrier = (aw_barrier)AW_BARRIER_INIT(1 + draw(MAX_TASKS, 4));
    r.q = (aw_queue)AW_QUEUE_INIT(.maxsize = draw(MAX_TASKS, 3));
    r.q.order = (enum aw_queue_order[]){AW_FIFO, AW_LIFO, AW_PRIORITY}[draw(MAX_TASKS, 3)];
    r.q.compare = by_residue;
}

static int run_program(void *arg)
{
    (void)arg;
    for (int i = 0; i < r.n_tasks; i++)
        r.tasks[i] = aw_create_task(act, INT(i));
    for (int n = 5 + draw(MAX_TASKS, 25); n > 0; n--) {
        int what = draw(MAX_TASKS, 10);
        if (what < 8)
            perform(MAX_TASKS, what < 5 ? "_" : "k");
        else
            perform(MAX_TASKS, drawn_by_main[r.used[draw(MAX_TASKS, r.n_used)]]);
    }
    passes(20);
    note_call('M', '.', 0);
    end_all();
    note_call('M', '.', 0);
    return aw_queue_fini(&r.q);
}

static void run_seed(uint64_t seed)
{
    make_program(seed);
    assert_int_equal(aw_run(run_program, NULL, .exception_handler = collect_report), 0);
    assert_reports(0);
}

/* A thousand random programs take the same course as under CPython 3.13's asyncio, call by call and
 * pass by pass. */
TEST_SLOW(replay_of_asyncio)
{
    const char *only = getenv("REPLAY_SEED");
    r.shown = only != NULL;
    if (only)
        run_seed(strtoull(only, NULL, 10));
    for (unsigned i = 0; i < REPLAY_PROGRAMS && !only; i++) {
        run_seed(i);
        if ((uint32_t)(r.hash >> 32) != replay_expected[i])
            fail_msg("program %u takes another course: compare REPLAY_SEED=%u with replay.py %u", i,
                     i, i);
    }
}
