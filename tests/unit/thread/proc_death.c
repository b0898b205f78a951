/*
 * Workers that die, are killed, stop, babble or take too long: who is told, and who is not.
 */
#include "procs.h"

/* ---- dying ---- */

static void assert_broken(aw_cfuture *f, long pid, const char *how)
{
    char who[64];
    snprintf(who, sizeof who, "worker process %ld, in ", pid);
    assert_int_equal(aw_cfuture_result(f, INFINITY), AW_EBROKEN);
    if ((pid && strncmp(aw_errmsg(), who, strlen(who)) != 0) || !strstr(aw_errmsg(), how))
        fail_msg("the detail is \"%s\"", aw_errmsg());
    aw_cfuture_unref(f);
}

TEST(proc_the_detail_says_who_died_and_how)
{
    aw_process_pool *pool = make_pool(.max_workers = 1);
    long pid = worker_of(pool);
    assert_broken(submit_int(pool, die, SIGSEGV), pid,
                  ", in die, was killed by signal 11 (Segmentation fault)");
    pid = worker_of(pool);
    assert_broken(submit_int(pool, die, SIGTERM), pid,
                  ", in die, was killed by signal 15 (Terminated)");
    pid = worker_of(pool);
    assert_broken(submit(pool, leave, NULL, 0), pid, ", in leave, ended with status 7");
    assert_int_equal(aw_process_pool_free(pool), 0);
}

/* CONC-026: Killing a worker process fails the job that it had with AW_EBROKEN; with
 * .break_on_death every other job and every later submit fail so as well. */
TEST_REAL_CLOCK(CONC_026_a_killed_worker_breaks_the_pool_that_wants_it)
{
    aw_process_pool *pool = make_pool(.max_workers = 2, .break_on_death = true);
    aw_cfuture *held = submit(pool, run_for_ever, NULL, 0);
    long pid = only_worker(pool);
    aw_cfuture *beside = submit(pool, run_for_ever, NULL, 0);
    wait_until(aw_process_pool_pids(pool, NULL, 0) == 2);
    aw_cfuture *waiting = submit(pool, tell_pid, NULL, 0);
    kill((pid_t)pid, SIGKILL);
    assert_broken(held, pid, "was killed by signal 9 (Killed)");
    assert_broken(beside, pid, "was killed by signal 9 (Killed)");
    assert_broken(waiting, pid, "was killed by signal 9 (Killed)");
    assert_null(aw_process_submit(pool, tell_pid, NULL, 0));
    assert_int_equal(aw_errno(), AW_EBROKEN);
    assert_non_null(strstr(aw_errmsg(), "run_for_ever, was killed by signal 9"));
    assert_int_equal(aw_process_pool_free(pool), 0);
}

// As asked for by default: an error to its caller and to nobody else.
TEST_REAL_CLOCK(CONC_026_a_killed_worker_costs_only_its_job)
{
    enum { JOBS = 8 };
    aw_cfuture *fs[JOBS];
    aw_process_pool *pool = make_pool(.max_workers = 2);
    aw_cfuture *held = submit(pool, run_for_ever, NULL, 0);
    long pid = only_worker(pool);
    for (int i = 0; i < JOBS; i++)
        fs[i] = submit_int(pool, echo, i);
    kill((pid_t)pid, SIGKILL);
    assert_broken(held, pid, "was killed by signal 9 (Killed)");
    for (int i = 0; i < JOBS; i++)
        assert_int_equal(collect(fs[i]), sizeof(int));
    assert_int_equal(aw_process_pool_free(pool), 0);
}

TEST_REAL_CLOCK(proc_an_idle_worker_that_dies_is_replaced)
{
    aw_process_pool *pool = make_pool(.max_workers = 1);
    long pid = worker_of(pool);
    kill((pid_t)pid, SIGKILL);
    wait_until(aw_process_pool_pids(pool, NULL, 0) == 0);
    assert_int_not_equal(worker_of(pool), pid);
    assert_int_equal(aw_process_pool_free(pool), 0);
}

TEST_REAL_CLOCK(proc_an_idle_worker_that_dies_breaks_the_pool_that_wants_it)
{
    aw_process_pool *pool = make_pool(.max_workers = 1, .break_on_death = true);
    kill((pid_t)worker_of(pool), SIGKILL);
    wait_until(aw_process_pool_pids(pool, NULL, 0) == 0);
    assert_null(aw_process_submit(pool, tell_pid, NULL, 0));
    assert_int_equal(aw_errno(), AW_EBROKEN);
    assert_int_equal(aw_process_pool_free(pool), 0);
}

/* Killed again and again, under jobs that are given out at the same time: no job is lost, and none
 * hangs. */
TEST_REAL_CLOCK(proc_workers_killed_all_the_time)
{
    enum { JOBS = 60 };
    aw_cfuture *fs[JOBS];
    aw_process_pool *pool = make_pool(.max_workers = 2);
    int done = 0;
    for (int i = 0; i < JOBS; i++) {
        long pids[2];
        fs[i] = submit_int(pool, echo, i);
        if (i % 3 == 0 && aw_process_pool_pids(pool, pids, 2) > 0)
            kill((pid_t)pids[0], SIGKILL);
    }
    for (int i = 0; i < JOBS; i++) {
        int result = collect(fs[i]);
        assert_true(result == sizeof(int) || result == AW_EBROKEN);
        done += result == sizeof(int);
    }
    assert_true(done > 0);
    assert_int_equal(aw_process_pool_free(pool), 0);
}

static int block_usr1(const void *in, size_t n, aw_process_reply *out)
{
    sigset_t set;
    (void)in, (void)n, (void)out;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    return -pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static int wait_for_usr1(const void *in, size_t n, aw_process_reply *out)
{
    sigset_t set;
    int signo;
    (void)in, (void)n, (void)out;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    return -sigwait(&set, &signo);
}

static struct {
    flag entered, go;
} gate;

static int stand_at_gate(aw_cfuture *f, void *arg)
{
    (void)f, (void)arg;
    raise_flag(&gate.entered);
    wait_flag(&gate.go);
    return 0;
}

/* An idle worker dies while the pool's thread cannot notice it, and is then given a job: nothing
 * was lost, so the other worker does it. */
TEST_REAL_CLOCK(proc_a_job_for_a_dead_worker_goes_to_another)
{
    aw_process_pool *pool = make_pool(.max_workers = 2, .initializer = block_usr1);
    aw_cfuture *fs[2];
    long pids[2];
    for (int i = 0; i < 2; i++)
        fs[i] = submit(pool, wait_for_usr1, NULL, 0);
    wait_until(aw_cfuture_running(fs[0]) && aw_cfuture_running(fs[1]));
    wait_until(aw_process_pool_pids(pool, pids, 2) == 2);
    kill((pid_t)pids[0], SIGUSR1);
    wait_until(aw_cfuture_done(fs[0]) || aw_cfuture_done(fs[1]));
    int busy = aw_cfuture_done(fs[0]) ? 1 : 0;
    assert_int_equal(aw_cfuture_add_done_callback(fs[busy], stand_at_gate, NULL), 0);
    kill((pid_t)pids[1], SIGUSR1);
    wait_flag(&gate.entered);
    kill((pid_t)pids[0], SIGKILL);
    wait_until(kill((pid_t)pids[0], 0) <
               0); /* the server has cleared it away: its socket is shut */
    aw_cfuture *f = submit(pool, tell_pid, NULL, 0);
    raise_flag(&gate.go);
    assert_int_equal(collect(f), 0);
    assert_int_equal(collect(fs[0]), 0);
    assert_int_equal(collect(fs[1]), 0);
    assert_int_equal(aw_process_pool_free(pool), 0);
}

/* It has read a part of its job. */
TEST_REAL_CLOCK(proc_killed_in_the_middle_of_reading)
{
    const size_t n = 8 << 20;
    char *bytes = calloc(1, n);
    aw_process_pool *pool = make_pool(.max_workers = 1);
    long pid = worker_of(pool);
    kill((pid_t)pid, SIGSTOP);
    aw_cfuture *f = submit(pool, echo, bytes, n);
    wait_until(aw_cfuture_running(f));
    kill((pid_t)pid, SIGKILL);
    assert_broken(f, pid, ", in echo, was killed by signal 9 (Killed)");
    assert_int_equal(collect(submit(pool, echo, bytes, n)), n);
    free(bytes);
    assert_int_equal(aw_process_pool_free(pool), 0);
}

/* ---- shutting down ---- */

static void *shut_and_wait(void *pool)
{
    return INT(aw_process_pool_shutdown(pool, .wait = true));
}

/* CONC-028: A worker that crashes after a waiting shutdown began does not make the shutdown hang;
 * its job fails with AW_EBROKEN. */
TEST_REAL_CLOCK(CONC_028_a_crash_under_a_shutdown)
{
    aw_process_pool *pool = make_pool(.max_workers = 1);
    aw_cfuture *f = submit(pool, run_for_ever, NULL, 0);
    long pid = only_worker(pool);
    assert_int_equal(aw_process_pool_shutdown(pool, .wait = true, .timeout = 0.01), -ETIMEDOUT);
    pthread_t t = start_thread(shut_and_wait, pool);
    kill((pid_t)pid, SIGSEGV);
    assert_int_equal((intptr_t)end_thread(t), 0);
    assert_broken(f, pid, "was killed by signal 11");
    assert_int_equal(aw_process_pool_free(pool), 0);
}

static void end_running(int (*end)(aw_process_pool *pool), const char *how)
{
    aw_process_pool *pool = make_pool(.max_workers = 1);
    aw_cfuture *running = submit(pool, run_for_ever, NULL, 0);
    long pid = only_worker(pool);
    aw_cfuture *waiting = submit(pool, tell_pid, NULL, 0);
    wait_until(aw_cfuture_running(running));
    assert_int_equal(end(pool), 0);
    assert_broken(running, pid, how);
    assert_int_equal(collect(waiting), -ECANCELED);
    assert_null(aw_process_submit(pool, tell_pid, NULL, 0));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    assert_int_equal(end(pool), 0);
    assert_int_equal(aw_process_pool_free(pool), 0);
}

static void end_broken(int (*end)(aw_process_pool *pool))
{
    aw_process_pool *pool = make_pool(.max_workers = 1, .break_on_death = true);
    assert_int_equal(collect(submit(pool, leave, NULL, 0)), AW_EBROKEN);
    assert_int_equal(end(pool), 0);
    assert_int_equal(aw_process_pool_free(pool), 0);
}

/* CONC-030: Terminating or killing a process pool's workers ends the running job and makes later
 * submits fail; on a pool already broken it reports no error. */
TEST_REAL_CLOCK(CONC_030_terminate_and_kill)
{
    end_running(aw_process_pool_terminate, "was killed by signal 15 (Terminated)");
    end_running(aw_process_pool_kill, "was killed by signal 9 (Killed)");
    end_broken(aw_process_pool_terminate);
    end_broken(aw_process_pool_kill);
}

/* The very first thing that happens to a worker. */
TEST_REAL_CLOCK(proc_terminated_at_birth)
{
    for (int i = 0; i < 20; i++) {
        aw_process_pool *pool = make_pool(.max_workers = 1);
        aw_cfuture *f = submit(pool, run_for_ever, NULL, 0);
        wait_until(aw_cfuture_running(f));
        assert_int_equal(aw_process_pool_terminate(pool), 0);
        assert_int_equal(collect(f), AW_EBROKEN);
        assert_int_equal(aw_process_pool_free(pool), 0);
    }
}

/* ---- time limits ---- */

TEST_REAL_CLOCK(proc_a_job_over_its_limit_is_killed)
{
    aw_process_pool *pool = make_pool(.max_workers = 2, .timeout = 0.1, .break_on_death = true);
    aw_cfuture *slow = submit(pool, run_for_ever, NULL, 0);
    aw_cfuture *other = submit(pool, nap_inside, &(long){300}, sizeof(long), .timeout = INFINITY);
    long pid = 0;
    assert_int_equal(aw_cfuture_result(slow, INFINITY), -ETIMEDOUT);
    assert_int_equal(sscanf(aw_errmsg(), "worker process %ld, in run_for_ever, was killed", &pid),
                     1);
    assert_non_null(strstr(aw_errmsg(), "at the time limit"));
    aw_cfuture_unref(slow);
    wait_until(!is_alive(pid));
    assert_int_equal(collect(other), 300);
    slow = submit(pool, run_for_ever, NULL, 0, .timeout = 0.01);
    assert_int_equal(collect(slow), -ETIMEDOUT);
    other = submit(pool, tell_pid, NULL, 0, .timeout = INFINITY);
    assert_int_equal(collect(other), 0);
    assert_int_equal(aw_process_pool_free(pool), 0);
}

TEST_REAL_CLOCK(proc_a_stopped_worker_is_killed_at_the_limit)
{
    aw_process_pool *pool = make_pool(.max_workers = 1);
    long pid = worker_of(pool);
    kill((pid_t)pid, SIGSTOP);
    aw_cfuture *f = submit(pool, echo, NULL, 0, .timeout = 0.1);
    aw_cfuture *next = submit(pool, tell_pid, NULL, 0);
    assert_int_equal(collect(f), -ETIMEDOUT);
    assert_int_equal(collect(next), 0);
    assert_false(is_alive(pid));
    assert_int_equal(aw_process_pool_free(pool), 0);
}

/* What is sent to it does not even fit into the socket. */
TEST_REAL_CLOCK(proc_a_stopped_worker_with_much_to_read)
{
    const size_t n = 8 << 20;
    char *bytes = calloc(1, n);
    aw_process_pool *pool = make_pool(.max_workers = 1);
    kill((pid_t)worker_of(pool), SIGSTOP);
    assert_int_equal(collect(submit(pool, echo, bytes, n, .timeout = 0.1)), -ETIMEDOUT);
    assert_int_equal(collect(submit(pool, echo, bytes, n)), n);
    free(bytes);
    assert_int_equal(aw_process_pool_free(pool), 0);
}

TEST_REAL_CLOCK(proc_a_stopped_worker_does_not_hold_up_a_shutdown)
{
    aw_process_pool *pool = make_pool(.max_workers = 1);
    long pid = worker_of(pool);
    kill((pid_t)pid, SIGSTOP);
    assert_int_equal(aw_process_pool_free(pool), 0);
    assert_false(is_alive(pid));
}

/* ---- babbling ---- */

/* Writes its input to the socket, and waits for what comes of that. */
static int babble(const void *in, size_t n, aw_process_reply *out)
{
    if (write(DATA, in, n) != (ssize_t)n)
        return -EIO;
    return run_for_ever(NULL, 0, out);
}

/* The answer is the child's pid. */
static int answer_and_babble(const void *in, size_t n, aw_process_reply *out)
{
    sigset_t go;
    int signo;
    (void)in, (void)n;
    sigemptyset(&go);
    sigaddset(&go, SIGUSR1);
    sigprocmask(SIG_BLOCK, &go, NULL);
    pid_t child = fork();
    if (child == 0) { /* still there, and speaking, when the answer has been received */
        sigwait(&go, &signo);
        while (send(DATA, "babble", 6, MSG_NOSIGNAL) >= 0)
            pause_ms(1);
        _exit(0);
    }
    return aw_process_write(out, &child, sizeof child);
}

/* What begins like an answer: see struct aw_proc_answer. */
struct frame {
    uint32_t magic;
    int32_t result;
    uint64_t number, size, detail;
};
#define ANSWER 0xa3a17002u

#define assert_babble(pool, bytes, n)                                                              \
    assert_broken(submit(pool, babble, bytes, n), 0,                                               \
                  ", in babble, sent what is no answer, and was killed")

TEST_REAL_CLOCK(proc_garbage_is_no_answer)
{
    char garbage[4096];
    aw_process_pool *pool = make_pool(.max_workers = 1);
    memset(garbage, 'x', sizeof garbage);
    assert_babble(pool, garbage, sizeof garbage);
    assert_babble(pool, garbage, sizeof(struct frame));
    assert_int_equal(collect(submit(pool, tell_pid, NULL, 0)), 0);
    assert_int_equal(aw_process_pool_free(pool), 0);
}

TEST_REAL_CLOCK(proc_answers_that_are_not_believed)
{
    aw_process_pool *pool = make_pool(.max_workers = 1, .output_limit = 1000);
    struct frame frames[] = {
        {.magic = ANSWER, .number = 1, .size = 1001},
        {.magic = ANSWER, .number = 2, .size = UINT64_MAX},
        {.magic = ANSWER, .number = 3, .detail = 5},
        {.magic = ANSWER, .number = 4, .result = -1, .detail = 4097},
        {.magic = ANSWER, .number = 5, .result = -1, .size = 1},
        {.magic = ANSWER, .number = 7},
        {.magic = ANSWER + 1, .number = 7},
    };
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++)
        assert_babble(pool, &frames[i], sizeof frames[i]);
    assert_int_equal(collect(submit(pool, tell_pid, NULL, 0)), 0);
    assert_int_equal(aw_process_pool_free(pool), 0);
}

/* Half an answer, and then nothing: the time limit is the way out. */
TEST_REAL_CLOCK(proc_half_an_answer)
{
    aw_process_pool *pool = make_pool(.max_workers = 1, .timeout = 0.05);
    struct frame whole = {.magic = ANSWER, .number = 2, .size = 10};
    assert_int_equal(collect(submit(pool, babble, &whole, 7)), -ETIMEDOUT);
    assert_int_equal(collect(submit(pool, babble, &whole, sizeof whole)), -ETIMEDOUT);
    assert_int_equal(aw_process_pool_free(pool), 0);
}

static int babble_and_die(const void *in, size_t n, aw_process_reply *out)
{
    (void)out;
    if (write(DATA, in, n) != (ssize_t)n)
        return -EIO;
    _exit(1);
}

/* The pool knows that its workers are gone.  A request to one that is just going is made again, and
 * has another number then, which these jobs cannot know. */
static void wait_for_the_end_of_workers(aw_process_pool *pool)
{
    wait_until(aw_process_pool_pids(pool, NULL, 0) == 0);
}

/* An answer that is all there counts, whatever becomes of the worker; one that is not does not. */
TEST_REAL_CLOCK(proc_an_answer_counts_when_it_is_whole)
{
    aw_process_pool *pool = make_pool(.max_workers = 1);
    struct {
        struct frame head;
        char body[4];
    } whole = {.head = {.magic = ANSWER, .number = 1, .result = 6, .size = 4}};
    assert_int_equal(collect(submit(pool, babble_and_die, &whole, sizeof whole.head + 4)), 6);
    whole.head.number = 2;
    wait_for_the_end_of_workers(pool);
    assert_broken(submit(pool, babble_and_die, &whole, sizeof whole.head + 3), 0,
                  "in babble_and_die, ended with status 1");
    assert_int_equal(aw_process_pool_free(pool), 0);
}

/* Right answers with a few bytes changed, cut or lengthened, and the worker ends: each is an answer
 * or it is not, and the pool goes on.  An answer is right with the number of its request, which is
 * guessed; a pool that had to ask twice has counted on, so there are several. */
static void change_answers(unsigned n_answers, unsigned *seed, int counts[2])
{
    aw_process_pool *pool = make_pool(.max_workers = 1, .output_limit = 1000);
    for (unsigned i = 1; i <= n_answers; i++) {
        char bytes[256];
        struct frame head = {.magic = ANSWER, .number = i, .result = 1, .size = 60};
        memset(bytes, 'o', sizeof bytes);
        memcpy(bytes, &head, sizeof head);
        for (int changes = rand_r(seed) % 3; changes > 0; changes--)
            bytes[rand_r(seed) % sizeof head] = (char)rand_r(seed);
        size_t n = sizeof head + 60 + (size_t)(rand_r(seed) % 4 == 0 ? rand_r(seed) % 90 : 0);
        aw_cfuture *f = submit(pool, babble_and_die, bytes, n - (size_t)(rand_r(seed) % 2));
        int result = aw_cfuture_result(f, INFINITY);
        counts[result == AW_EBROKEN]++;
        if (result >= 0)
            aw_process_output(f, &n);
        assert_true(result < 0 || n <= 1000);
        aw_cfuture_unref(f);
        wait_for_the_end_of_workers(pool);
    }
    int last = collect(submit(pool, tell_pid, NULL, 0));
    if (last == AW_EBROKEN) /* the worker before was just going, and its pid not known yet */
        last = collect(submit(pool, tell_pid, NULL, 0));
    assert_int_equal(last, 0);
    assert_int_equal(aw_process_pool_free(pool), 0);
}

TEST_SLOW_REAL_CLOCK(proc_answers_changed_at_random)
{
    int counts[2] = {0, 0};
    unsigned seed = 1;
    for (unsigned pools = test_scale(20, 3); pools > 0; pools--)
        change_answers(20, &seed, counts);
    assert_true(counts[0] > 5 && counts[1] > 5);
}

TEST_REAL_CLOCK(proc_speaking_without_being_asked)
{
    aw_process_pool *pool = make_pool(.max_workers = 1);
    aw_cfuture *f = submit(pool, answer_and_babble, NULL, 0);
    assert_int_equal(aw_cfuture_result(f, INFINITY), 0);
    size_t size;
    const pid_t *speaker = aw_process_output(f, &size);
    assert_int_equal(size, sizeof *speaker);
    assert_int_equal(kill(*speaker, SIGUSR1), 0);
    aw_cfuture_unref(f);
    wait_until(aw_process_pool_pids(pool, NULL, 0) == 0);
    assert_int_equal(collect(submit(pool, tell_pid, NULL, 0)), 0);
    assert_int_equal(aw_process_pool_free(pool), 0);
}

static int hang_up(const void *in, size_t n, aw_process_reply *out)
{
    (void)in, (void)n;
    close(DATA);
    return run_for_ever(NULL, 0, out);
}

TEST_REAL_CLOCK(proc_hanging_up_is_the_end)
{
    aw_process_pool *pool = make_pool(.max_workers = 1);
    assert_broken(submit(pool, hang_up, NULL, 0), 0, "in hang_up, was killed by signal 9");
    assert_int_equal(aw_process_pool_free(pool), 0);
}

/* ---- the server ---- */

static int tell_server(const void *in, size_t n, aw_process_reply *out)
{
    (void)in, (void)n;
    long pid = (long)getppid();
    return aw_process_write(out, &pid, sizeof pid);
}

static long server_of(aw_process_pool *pool)
{
    long pid;
    aw_cfuture *f = submit(pool, tell_server, NULL, 0);
    assert_int_equal(aw_cfuture_result(f, INFINITY), 0);
    memcpy(&pid, aw_process_output(f, NULL), sizeof pid);
    aw_cfuture_unref(f);
    return pid;
}

/* It may take one more job before it has heard of it. */
static bool refuses_jobs(aw_process_pool *pool)
{
    aw_cfuture *f = aw_process_submit(pool, tell_pid, NULL, 0);
    if (f)
        assert_int_equal(collect(f), AW_EBROKEN);
    return !f;
}

TEST_REAL_CLOCK(proc_a_killed_server_breaks_the_pool)
{
    aw_process_pool *pool = make_pool(.max_workers = 2);
    long server = server_of(pool), worker = worker_of(pool);
    aw_cfuture *f = submit(pool, run_for_ever, NULL, 0);
    wait_until(aw_cfuture_running(f));
    kill((pid_t)server, SIGKILL);
    assert_int_equal(aw_cfuture_result(f, INFINITY), AW_EBROKEN);
    assert_non_null(strstr(aw_errmsg(), "the process server"));
    aw_cfuture_unref(f);
    wait_until(!is_alive(worker));
    wait_until(refuses_jobs(pool));
    assert_int_equal(aw_errno(), AW_EBROKEN);
    assert_int_equal(aw_process_pool_free(pool), 0);
}

/* It forks nobody while it is stopped, and tells nothing; the time limits hold. */
TEST_REAL_CLOCK(proc_a_stopped_server)
{
    aw_process_pool *pool = make_pool(.max_workers = 2);
    long server = server_of(pool), worker = worker_of(pool);
    aw_cfuture *held = submit(pool, run_for_ever, NULL, 0), *none;
    wait_until(aw_cfuture_running(held));
    kill((pid_t)server, SIGSTOP);
    none = submit(pool, tell_pid, NULL, 0, .timeout = 0.1);
    assert_int_equal(collect(none), -ETIMEDOUT);
    kill((pid_t)worker, SIGKILL);
    assert_broken(held, worker, "was killed, and nothing more was heard of it");
    kill((pid_t)server, SIGCONT);
    assert_int_equal(collect(submit(pool, tell_pid, NULL, 0)), 0);
    assert_int_equal(aw_process_pool_free(pool), 0);
}

TEST_REAL_CLOCK(proc_signals_to_the_whole_program_spare_the_server)
{
    aw_process_pool *pool = make_pool(.max_workers = 1);
    long server = server_of(pool), worker = worker_of(pool);
    kill((pid_t)server, SIGTERM);
    kill((pid_t)server, SIGINT);
    kill((pid_t)worker, SIGINT);
    assert_int_equal(worker_of(pool), worker);
    assert_int_equal(server_of(pool), server);
    assert_int_equal(aw_process_pool_free(pool), 0);
}
