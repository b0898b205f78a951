/*
 * What the scenarios of seeds.h have in common: their clients, and their end.
 */
#include <signal.h>
#include <unistd.h>

#include "seeds.h"

enum { CALM_AFTER = 20, REST_WITHIN = 60 };

/* ---- servers and clients ---- */

aw_server *seed_serve(struct seed_run *run, aw_client_handler *handler, unsigned *port)
{
    aw_server *server;
    aw_address a;
    int err = aw_start_server(&server, handler, "127.0.0.1", "0", .arg = run, .backlog = 2,
                              .close_timeout = 600); /* a way that is stalled is no loss */
    assert_int_equal(err, 0);
    assert_int_equal(aw_server_address(server, 0, &a), 0);
    *port = (unsigned)aw_address_port(&a);
    return server;
}

int seed_connect(aw_stream **ret, unsigned port)
{
    char text[8];
    snprintf(text, sizeof text, "%u", port);
    return aw_open_connection(ret, "127.0.0.1", text);
}

void seed_hang_up(aw_stream *s)
{
    aw_ignore(aw_stream_close(s));
    int err = aw_stream_wait_closed(s);
    assert_true(err == 0 || seed_is_loss(err));
    aw_stream_unref(s);
}

void seed_stop_servers(struct seed_run *run)
{
    for (size_t i = 0; i < 2; i++) {
        if (!run->servers[i])
            continue;
        assert_int_equal(aw_server_close(run->servers[i]), 0);
        assert_int_equal(aw_server_wait_closed(run->servers[i]), 0);
        aw_server_unref(run->servers[i]);
        run->servers[i] = NULL;
    }
}

struct client {
    struct seed_run *run;
    unsigned id;
    int err;
    bool cancelled; /* by us */
};

static int client(void *arg)
{
    struct client *c = arg;
    aw_stream *s;
    c->err = seed_connect(&s, c->run->port);
    if (c->err == 0) {
        c->err = c->run->scenario->talk(c->run, s, c->id);
        seed_hang_up(s);
    }
    if (c->err == 0)
        c->run->complete++;
    else if (seed_is_loss(c->err))
        c->run->broken++;
    else if (c->err == -ECANCELED && c->cancelled)
        c->run->cancelled++;
    else
        fail_msg("client %u: %s: %s", c->id, aw_error_name(c->err), aw_errmsg());
    return 0;
}

/* ---- a run ---- */

static int be_calm(void *arg)
{
    struct seed_run *run = arg;
    run->calm_at = aw_time();
    return aw_sim_calm();
}

/* At whatever it does then; it may have ended before. */
static void cancel_one(struct seed_run *run, struct client *c, aw_task *task)
{
    assert_int_equal(aw_sleep((double)aw_prng_below(&run->prng, 3000) / 1000), 0);
    c->cancelled = aw_cancel(task);
}

/* All at once, some a little later. */
static void clients(struct seed_run *run)
{
    aw_task *tasks[SEED_CLIENTS];
    struct client all[SEED_CLIENTS];
    for (unsigned i = 0; i < SEED_CLIENTS; i++) {
        all[i] = (struct client){.run = run, .id = i + 1};
        tasks[i] = aw_create_task(client, &all[i]);
        if (aw_prng_below(&run->prng, 2))
            assert_int_equal(aw_sleep((double)aw_prng_below(&run->prng, 100) / 1000), 0);
    }
    if (run->seed % 3 == 0)
        cancel_one(run, &all[1], tasks[1]);
    for (unsigned i = 0; i < SEED_CLIENTS; i++)
        assert_int_equal(aw_join(tasks[i]), 0);
}

/* In calm times nothing is lost. */
static void one_more(struct seed_run *run)
{
    struct client last = {.run = run, .id = 99};
    unsigned before = run->complete;
    assert_int_equal(client(&last), 0);
    assert_int_equal(run->complete, before + 1);
}

static int seed_main(void *arg)
{
    struct seed_run *run = arg;
    aw_handle *calm;
    run->port = run->scenario->start(run);
    assert_int_equal(aw_call_later(CALM_AFTER, be_calm, run, .handle = &calm), 0);
    clients(run);
    aw_handle_cancel(calm);
    aw_handle_unref(calm);
    if (run->calm_at == 0)
        be_calm(run);
    one_more(run);
    run->scenario->stop(run);
    assert_true(aw_time() - run->calm_at <= REST_WITHIN);
    return 0;
}

static int count_report(const struct aw_report *r, void *arg)
{
    struct seed_run *run = arg;
    run->reports++;
    return aw_default_exception_handler(r, NULL);
}

/* With little room a connection takes long. */
static size_t bytes_for(uint64_t seed)
{
    static const size_t sizes[] = {0, 1, 150, SEED_BYTES, SEED_BYTES};
    return sizes[seed % (sizeof sizes / sizeof *sizes)];
}

static uint64_t run_once(const struct seed_scenario *scenario, uint64_t seed,
                         struct aw_sim_counts *counts)
{
    struct seed_run run = {.scenario = scenario, .seed = seed, .bytes = bytes_for(seed)};
    uint64_t done = 0;
    aw_prng_seed(&run.prng, seed);
    int err = aw_sim_run(seed_main, &run, .seed = seed, .swarm = true, .shuffle = seed % 2 != 0,
                         .ret_counts = counts, .ret_trace = &done,
                         .exception_handler = count_report, .exception_arg = &run);
    if (err < 0)
        fail_msg("%s: %s", aw_error_name(err), aw_errmsg());
    assert_int_equal(run.reports, 0);
    assert_int_equal(run.complete + run.broken + run.cancelled, SEED_CLIENTS + 1);
    assert_int_equal(counts->left_open, 0);
    if (counts->resets + counts->half_closes + counts->aborted == 0)
        assert_int_equal(run.broken, 0);
    return done;
}

/* ---- seeds ---- */

/* For a run that fails in whatever way. */
static char how_to_repeat[256];

static void tell(int signo)
{
    (void)!write(STDERR_FILENO, how_to_repeat, strlen(how_to_repeat));
    signal(signo, SIG_DFL);
    raise(signo);
}

static void expect_failure(const char *test, uint64_t seed)
{
    snprintf(how_to_repeat, sizeof how_to_repeat,
             "\n%s fails with seed %llu; to repeat it: AWAIT_SIM_SEED=%llu <build>/tests/test_sim "
             "--run %s\n",
             test, (unsigned long long)seed, (unsigned long long)seed, test);
    signal(SIGABRT, tell);
    signal(SIGALRM, tell);
    alarm(test_scale(20, 200)); /* it runs in a circle */
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *value = getenv(name);
    return value ? strtoull(value, NULL, 10) : otherwise;
}

static void sum_up(struct aw_sim_counts *sum, const struct aw_sim_counts *one)
{
    uint64_t *to = (uint64_t *)sum;
    const uint64_t *from = (const uint64_t *)one;
    for (size_t i = 0; i < sizeof *sum / sizeof *to; i++)
        to[i] += from[i];
}

static void say_sum(unsigned n, const struct aw_sim_counts *c)
{
    printf(
        "%u seeds: %llu connections, %llu bytes, %llu splits, %llu joined, %llu short writes, "
        "%llu short reads, %llu storms, %llu stalls, %llu resets, %llu half-closes, %llu aborted, "
        "%llu full backlogs, %llu late\n",
        n, (unsigned long long)c->connections, (unsigned long long)c->bytes,
        (unsigned long long)c->split, (unsigned long long)c->coalesced,
        (unsigned long long)c->short_writes, (unsigned long long)c->short_reads,
        (unsigned long long)c->storms, (unsigned long long)c->stalls, (unsigned long long)c->resets,
        (unsigned long long)c->half_closes, (unsigned long long)c->aborted,
        (unsigned long long)c->full_backlogs, (unsigned long long)c->late);
}

/* With that many, each sort of fault has been met. */
static void check_faults(unsigned n, const struct aw_sim_counts *c)
{
    if (n < 50)
        return;
    assert_true(c->split && c->coalesced && c->short_writes && c->short_reads && c->storms);
    assert_true(c->stalls && c->resets && c->half_closes && c->aborted && c->late);
}

void seeds(const struct seed_scenario *scenario)
{
    uint64_t only = number_from("AWAIT_SIM_SEED", 0);
    uint64_t first = only ? only : 1, n = number_from("AWAIT_SIM_SEEDS", test_scale(200, 50));
    struct aw_sim_counts sum = {0}, counts;
    if (only)
        n = 1;
    for (uint64_t seed = first; seed < first + n; seed++) {
        expect_failure(scenario->test, seed);
        uint64_t done = run_once(scenario, seed, &counts);
        sum_up(&sum, &counts);
        if (seed % 20 == 1) /* and the same again */
            assert_true(run_once(scenario, seed, &counts) == done);
    }
    alarm(0);
    say_sum((unsigned)n, &sum);
    check_faults((unsigned)n, &sum);
}
