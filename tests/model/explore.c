/*
 * explore.c - the scheduler of the models: one thread at a time, every order in turn.
 *
 * The threads are real ones, so that each has its own thread-local variables, and stay from order
 * to order.  An order is a list of choices, one for each point at which more than one thread could
 * go on.  To try the next one the model runs again from the beginning: the old choices are followed
 * up to the last that has an alternative left, which is taken, and from there on the first choice,
 * which is to stay with the running thread.
 *
 * Many orders differ only in how steps follow each other that have nothing to do with each other.
 * So the states that orders have come to are remembered (traces.c): an order that comes to one that
 * is known goes on to its end, but nothing else is tried from there.
 */
#include "model/explore.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"
#include "model/clocks.h"
#include "model/traces.h"

enum { MAX_CHOICES = 4096, MAX_STEPS = 20000, MAX_NAMES = 64, SHOWN = 100 };

#define PLAIN_MAX                                                                                  \
    100000             /* plain accesses in one step: a walk along a list that has become a ring */
#define FUTILE_MAX 100 /* turns of those who yield that nobody else can end */

enum state { ABSENT, LATER, READY, BLOCKED, ENDED };

static struct thread {
    pthread_t handle;
    sem_t turn;
    enum state state;
    const void *waits_for;
    unsigned how; /* BLOCKED: TIMED, FICKLE */
    bool yielded;
} threads[MODEL_THREADS];

/* The order that is being tried. */
static struct {
    const struct model *model;
    struct choice {
        unsigned char of, taken;
    } choices[MAX_CHOICES];
    int n_choices, at; /* how many are known; the next one to be made */
    int preemptions, steps, futile, plain;
    bool on, found;
    bool cut; /* what follows has been tried: no more choices */
    struct step {
        int who;
        const char *what;
        const void *addr;
    } trace[MAX_STEPS];
    struct verdict *verdict;
} order;

static int running = MODEL_THREADS; /* whose turn it is; that number: setup and check */
static sem_t threads_ended;

static struct {
    const void *addr;
    const char *name;
} names[MAX_NAMES];
static int n_names;

/* ---- words ---- */

void model_name(const void *addr, const char *name)
{
    if (n_names == MAX_NAMES)
        abort();
    names[n_names].addr = addr;
    names[n_names++].name = name;
}

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    char *text = order.verdict->text;
    size_t used = strlen(text), size = sizeof order.verdict->text;
    va_list args;
    va_start(args, format);
    vsnprintf(text + used, size - used, format, args);
    va_end(args);
}

static void say_address(const void *addr)
{
    for (int i = 0; i < n_names; i++) {
        if (names[i].addr == addr) {
            say(" %s", names[i].name);
            return;
        }
    }
    if (addr)
        say(" %p", addr);
}

static void say_steps(void)
{
    int first = order.steps > SHOWN ? order.steps - SHOWN : 0;
    for (int i = first; i < order.steps; i++) {
        const struct step *s = &order.trace[i];
        say("  %c %s", s->who == MODEL_THREADS ? '-' : 'A' + s->who, s->what);
        say_address(s->addr);
        say("\n");
    }
    for (int i = 0; i < MODEL_THREADS; i++) {
        if (threads[i].state != BLOCKED)
            continue;
        say("  %c waits for", 'A' + i);
        say_address(threads[i].waits_for);
        say("\n");
    }
}

/* ---- choosing ---- */

/* Its waiting is over; why: part of what it knows. */
static void let_go_on(int i, uint64_t why)
{
    threads[i].state = READY;
    trace_event(i, why);
}

/* Of so many ways on, the one of this order. */
static int choose(int n)
{
    if (n == 1 || order.cut)
        return 0;
    if (order.at == MAX_CHOICES)
        abort();
    if (order.at == order.n_choices) {
        order.choices[order.n_choices].of = (unsigned char)n;
        order.choices[order.n_choices++].taken = 0;
    }
    return order.choices[order.at++].taken;
}

/* Ways on from here: who goes on, and whether that is bad luck. */
struct options {
    struct option {
        int who;
        bool unluckily, without_reason;
    } at[2 * MODEL_THREADS];
    int n;
};

static void may_go_on(struct options *o, int who, bool unluckily, bool without_reason)
{
    if (!unluckily || order.preemptions < order.verdict->bound)
        o->at[o->n++] = (struct option){who, unluckily, without_reason};
}

static bool can_go_on(int i)
{
    const struct thread *t = &threads[i];
    return (t->state == READY && !t->yielded) || (t->state == BLOCKED && t->how & TIMED);
}

/* None can: those who have yielded look again, but not for ever. */
static int look_again(int me)
{
    if (order.futile++ == FUTILE_MAX)
        return -1;
    for (int i = 0; i < MODEL_THREADS; i++) {
        int who = (me + i) % MODEL_THREADS;
        if (threads[who].state == READY)
            return who;
    }
    return -1;
}

/* Others: going on here is bad luck for me if I could. */
static void collect_others(struct options *o, int me, bool i_could)
{
    for (int i = 0; i < MODEL_THREADS; i++)
        if (i != me && can_go_on(i))
            may_go_on(o, i, i_could, false);
}

static void collect_sleepers(struct options *o)
{
    for (int i = 0; i < MODEL_THREADS; i++)
        if (threads[i].state == BLOCKED && threads[i].how & FICKLE)
            may_go_on(o, i, true, true);
}

static void collect_options(struct options *o, int me)
{
    bool ready = me < MODEL_THREADS && threads[me].state == READY;
    bool i_could = ready && !threads[me].yielded;
    if (i_could)
        may_go_on(o, me, false, false);
    collect_others(o, me, i_could);
    if (!i_could && me < MODEL_THREADS && can_go_on(me))
        may_go_on(o, me, false, false); /* its time is over at once */
    if (!o->n)
        return; /* sleepers without a reason do not count */
    if (ready && !i_could && order.model->yields_end)
        may_go_on(o, me, true, false);
    collect_sleepers(o);
}

/* No alternative has to be tried here, if another order has come to the same. */
static void maybe_cut(int me)
{
    uint64_t more = (uint64_t)me;
    if (order.cut || order.at < order.n_choices)
        return;
    for (int i = 0; i < MODEL_THREADS; i++)
        more = more << 8 | threads[i].state << 3 | threads[i].how << 1 | threads[i].yielded;
    order.cut = trace_seen(more, order.preemptions);
}

/* The next thread to run; -1: none can, and not all have ended. */
static int next_thread(int me)
{
    struct options o = {.n = 0};
    collect_options(&o, me);
    if (!o.n)
        return look_again(me);
    if (o.n > 1)
        maybe_cut(me);
    struct option next = o.at[choose(o.n)];
    order.preemptions += next.unluckily;
    if (next.without_reason)
        let_go_on(next.who, 1);
    threads[next.who].yielded = false;
    return next.who;
}

bool model_bad_luck(void)
{
    if (order.preemptions == order.verdict->bound || !choose(2))
        return false;
    order.preemptions++;
    trace_event(running, 2);
    return true;
}

/* To the next order, if there is one. */
static bool advance(void)
{
    while (order.n_choices > 0) {
        struct choice *last = &order.choices[order.n_choices - 1];
        if (++last->taken < last->of)
            return true;
        order.n_choices--;
    }
    return false;
}

/* ---- taking turns ---- */

static void wait_for_turn(int me)
{
    while (sem_wait(&threads[me].turn) != 0)
        continue;
}

static _Noreturn void stay_for_ever(void)
{
    for (;;)
        pause();
}

void model_found(const char *what, const void *addr)
{
    bool in_thread = running < MODEL_THREADS;
    if (!order.found) {
        order.found = order.verdict->found = true;
        say("%s", what);
        say_address(addr);
        if (in_thread)
            say(", by thread %c", 'A' + running);
        say("\n");
        say_steps();
    }
    if (in_thread) {
        sem_post(&threads_ended);
        stay_for_ever();
    }
}

static bool all_have_ended(void)
{
    for (int i = 0; i < MODEL_THREADS; i++)
        if (threads[i].state == READY || threads[i].state == BLOCKED)
            return false;
    return true;
}

/* Give the turn to the next one. */
static void hand_on(int me)
{
    int next = next_thread(me);
    if (next == me)
        return;
    if (next < 0) {
        if (!all_have_ended())
            model_found("nobody can go on", NULL);
        sem_post(&threads_ended);
        return;
    }
    bool will_wait = me < MODEL_THREADS && threads[me].state != ENDED; /* before others change it */
    running = next;
    sem_post(&threads[next].turn);
    if (will_wait)
        wait_for_turn(me);
}

static void note_step(const char *what, const void *addr)
{
    if (order.steps == MAX_STEPS)
        model_found("it does not end", NULL);
    order.plain = 0;
    order.trace[order.steps++] = (struct step){running, what, addr};
}

/* The running thread has changed something: those who have yielded may look again.  Not before, or
 * two that wait for a third could take turns for ever. */
static void has_changed_something(void)
{
    order.futile = 0;
    for (int i = 0; i < MODEL_THREADS; i++)
        if (i != running)
            threads[i].yielded = false;
}

void model_point(const char *step, const void *addr, bool change)
{
    if (running < MODEL_THREADS)
        hand_on(running);
    note_step(step, addr);
    trace_step(running, addr, change);
}

bool model_block(const void *addr, unsigned how)
{
    if (running == MODEL_THREADS)
        model_found("blocked where nobody could wake it", addr);
    int me = running;
    struct thread *t = &threads[me];
    t->waits_for = addr;
    t->how = how;
    t->state = BLOCKED;
    hand_on(me);
    bool woken = t->state == READY;
    if (!woken)
        let_go_on(me, 3);
    return woken;
}

static bool waits_for(int i, const void *addr)
{
    return threads[i].state == BLOCKED && threads[i].waits_for == addr;
}

void model_unblock(const void *addr)
{
    has_changed_something();
    for (int i = 0; i < MODEL_THREADS; i++)
        if (waits_for(i, addr))
            let_go_on(i, 4);
}

void model_unblock_one(const void *addr)
{
    int sleepers[MODEL_THREADS], n = 0;
    has_changed_something();
    for (int i = 0; i < MODEL_THREADS; i++)
        if (waits_for(i, addr))
            sleepers[n++] = i;
    if (n)
        let_go_on(sleepers[choose(n)], 4);
}

int model_launch(void)
{
    for (int i = 0; i < MODEL_THREADS; i++) {
        if (threads[i].state != LATER)
            continue;
        threads[i].state = READY;
        return i;
    }
    return -1;
}

int model_running(void)
{
    return running;
}

void model_yield(void)
{
    if (running == MODEL_THREADS)
        model_found("waits where nobody could help", NULL);
    note_step("yields", NULL);
    threads[running].yielded = true;
    hand_on(running);
}

bool model_is_on(void)
{
    return order.on;
}

/* ---- memory ---- */

/* Where all has been tried, nothing wrong can be found. */

void model_plain(const void *addr, size_t size, bool write)
{
    const char *wrong = order.cut ? NULL : clocks_plain(running, addr, size, write);
    if (!wrong && order.plain++ == PLAIN_MAX)
        wrong = "a step does not end";
    if (wrong)
        model_found(wrong, addr);
}

void model_atomic(const void *addr, size_t size, bool write, bool acquire, bool release,
                  bool replaces)
{
    const char *wrong = NULL;
    if (!order.cut)
        wrong = clocks_atomic(running, addr, size, write, acquire, release, replaces);
    if (wrong)
        model_found(wrong, addr);
    if (write)
        has_changed_something();
}

static void *allocate(size_t size, void *arg)
{
    (void)arg;
    return blocks_alloc(size);
}

static void let_go(void *ptr, void *arg)
{
    (void)arg;
    const char *wrong = blocks_free(running, ptr);
    if (wrong && !order.cut)
        model_found(wrong, ptr);
}

/* ---- running ---- */

static void *be_thread(void *arg)
{
    struct thread *t = arg;
    int me = (int)(t - threads);
    for (;;) {
        wait_for_turn(me);
        order.model->threads[me]();
        aw_errslot_fini(&aw_self.err);
        t->state = ENDED;
        hand_on(me);
    }
    return NULL;
}

static void start_threads(const struct model *m)
{
    static const aw_allocator allocator = {allocate, let_go, NULL};
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((unsigned)sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one); /* taking turns is fastest on one processor */
    aw_ignore(aw_set_allocator(&allocator));
    sem_init(&threads_ended, 0, 0);
    for (int i = 0; i < MODEL_THREADS; i++) {
        sem_init(&threads[i].turn, 0, 0);
        if (m->threads[i] && pthread_create(&threads[i].handle, NULL, be_thread, &threads[i]))
            abort();
    }
}

/* The setup has been seen by all, and the check sees all. */
static void join_clocks(bool at_end)
{
    for (int i = 0; i < MODEL_THREADS; i++)
        clock_join(&clocks[at_end ? MODEL_THREADS : i], &clocks[at_end ? i : MODEL_THREADS]);
    clocks[MODEL_THREADS].at[MODEL_THREADS]++;
}

static void finish(const struct model *m)
{
    running = MODEL_THREADS;
    join_clocks(true);
    if (m->check)
        m->check();
    aw_errslot_fini(&aw_self.err);
    if (!order.found && blocks_left())
        model_found("memory was not freed", NULL);
}

static void try_order(const struct model *m)
{
    int n_threads = 0;
    order.at = order.preemptions = order.steps = order.futile = n_names = 0;
    order.cut = false;
    running = MODEL_THREADS;
    clocks_reset();
    traces_reset();
    order.on = true;
    m->setup();
    join_clocks(false);
    while (n_threads < MODEL_THREADS && m->threads[n_threads])
        n_threads++;
    for (int i = 0; i < MODEL_THREADS; i++) {
        threads[i].state = i >= n_threads ? ABSENT : i < n_threads - m->later ? READY : LATER;
        threads[i].yielded = false;
    }
    hand_on(MODEL_THREADS);
    while (sem_wait(&threads_ended) != 0)
        continue;
    if (!order.found)
        finish(m);
    order.on = false;
}

int explore_bound(const struct model *m)
{
    return m->quick && !getenv("AWAIT_MODEL_FULL") ? m->quick : m->preemptions;
}

void explore(const struct model *m, int bound, struct verdict *v)
{
    *v = (struct verdict){.bound = bound};
    if (!order.model)
        start_threads(m);
    order.model = m;
    order.verdict = v;
    order.n_choices = 0;
    traces_forget();
    do {
        try_order(m);
        v->orders++;
        v->steps += (unsigned long)order.steps;
    } while (!v->found && advance());
    printf("%lu orders of %lu states, bad luck at most %d times, %lu steps: %s\n", v->orders,
           traces_known(), bound, v->steps, v->found ? v->text : "nothing found");
}
