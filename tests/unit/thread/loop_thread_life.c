/*
 * A loop in a thread: started, as it was asked for, and stopped, gracefully or not.
 */
#include <dirent.h>
#include <sched.h>
#include <signal.h>

#include "sys/sys.h"
#include "util.h"

/* ---- starting ---- */

struct seen {
    char name[32];
    bool current;
    pthread_t thread;
    int cpus, cpu;
    sigset_t blocked;
};

static int look_around(void *arg)
{
    struct seen *s = arg;
    cpu_set_t set;
    pthread_getname_np(pthread_self(), s->name, sizeof s->name);
    s->current = aw_running_loop() != NULL;
    s->thread = pthread_self();
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    s->cpus = CPU_COUNT(&set);
    for (s->cpu = 0; s->cpu < CPU_SETSIZE && !CPU_ISSET(s->cpu, &set); s->cpu++)
        continue;
    return pthread_sigmask(SIG_SETMASK, NULL, &s->blocked);
}

static void look_by(aw_loop_thread *lt, struct seen *s)
{
    assert_non_null(lt);
    aw_loop *l = aw_loop_thread_loop(lt);
    assert_true(aw_loop_is_running(l)); /* when the start returns: no sleep and hope */
    assert_int_equal(aw_cfuture_join(aw_submit(l, look_around, s), 5), 0);
    stop_loop(lt);
}

TEST_REAL_CLOCK(loop_thread_runs_when_its_start_returns)
{
    for (int i = 0; i < 50; i++) {
        struct seen s;
        look_by(aw_loop_thread_start(.name = "io"), &s);
        assert_string_equal(s.name, "io");
        assert_true(s.current);
        assert_false(pthread_equal(s.thread, pthread_self()));
    }
}

TEST_REAL_CLOCK(loop_thread_names)
{
    struct seen s;
    look_by(aw_loop_thread_start(), &s);
    assert_string_equal(s.name, "await-loop");
    look_by(aw_loop_thread_start(.name = "a name that is longer than the system's"), &s);
    assert_string_equal(s.name, "a name that is ");
}

TEST_REAL_CLOCK(loop_thread_on_one_processor)
{
    struct seen all, one;
    look_by(aw_loop_thread_start(), &all);
    look_by(aw_loop_thread_start(.cpu_plus_one = all.cpu + 1), &one);
    assert_int_equal(one.cpus, 1);
    assert_int_equal(one.cpu, all.cpu);
}

TEST_REAL_CLOCK(loop_thread_blocks_signals_but_those_of_faults)
{
    struct seen s;
    look_by(aw_loop_thread_start(), &s);
    assert_int_equal(sigismember(&s.blocked, SIGINT), 1);
    assert_int_equal(sigismember(&s.blocked, SIGTERM), 1);
    assert_int_equal(sigismember(&s.blocked, SIGUSR1), 1);
    assert_int_equal(sigismember(&s.blocked, SIGSEGV), 0);
    assert_int_equal(sigismember(&s.blocked, SIGABRT), 0);
    sigset_t mine;
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &mine), 0);
    assert_int_equal(sigismember(&mine, SIGINT), 0);
}

static int use_stack(void *arg)
{
    char big[256 << 10];
    memset(big, *(char *)arg, sizeof big);
    raise_flag((flag *)(void *)((char *)arg + sizeof(int)));
    return big[sizeof big - 1] - *(char *)arg;
}

/* Callbacks run on the thread's own stack. */
TEST_REAL_CLOCK(loop_thread_stack_size)
{
    struct {
        int letter;
        flag done;
    } a = {'x', {0}};
    aw_loop_thread *lt = aw_loop_thread_start(.stack_size = 1 << 20);
    assert_non_null(lt);
    assert_int_equal(aw_call_soon_threadsafe(aw_loop_thread_loop(lt), use_stack, &a), 0);
    wait_flag(&a.done);
    stop_loop(lt);
}

TEST_REAL_CLOCK(loop_thread_that_cannot_start)
{
    count_memory();
    assert_null(aw_loop_thread_start(.cpu_plus_one = 1000000));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_loop_thread_start(.cpu_plus_one = CPU_SETSIZE));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_loop_thread_start(.cpu_plus_one = -1));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_loop_thread_start(.stack_size = 1));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_loop_thread_start(.exit_timeout = NAN));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_loop_thread_start(.backend = "steam"));
    assert_true(aw_errno() < 0);
    assert_non_null(strstr(aw_errmsg(), "backend"));
    assert_null(aw_loop_thread_start(.spin = -1));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_non_null(strstr(aw_errmsg(), "spin"));
    no_memory = true;
    assert_null(aw_loop_thread_start());
    assert_int_equal(aw_errno(), -ENOMEM);
    no_memory = false;
    assert_null(aw_loop_thread_loop(NULL));
    assert_int_equal(blocks_left(), 0);
}

TEST_REAL_CLOCK(loop_thread_without_descriptors)
{
    size_t before = limit_descriptors(3);
    aw_loop_thread *lt = aw_loop_thread_start();
    int err = aw_errno();
    limit_descriptors(before);
    assert_null(lt);
    assert_int_equal(err, -EMFILE);
    stop_loop(start_loop());
}

/* ---- stopping ---- */

struct worker {
    flag going;
    _Atomic int cleaned_up;
};

static int clean_up_when_cancelled(void *arg)
{
    struct worker *w = arg;
    raise_flag(&w->going);
    int err = aw_sleep(INFINITY);
    AW_TRY(aw_sleep(0.03));
    w->cleaned_up++;
    return err;
}

TEST_REAL_CLOCK(loop_thread_stop_waits_for_cleaning_up)
{
    aw_loop_thread *lt = start_reporting_loop();
    struct worker w[3] = {0};
    aw_cfuture *f[3];
    for (int i = 0; i < 3; i++) {
        f[i] = aw_submit(aw_loop_thread_loop(lt), clean_up_when_cancelled, &w[i]);
        wait_flag(&w[i].going);
    }
    assert_int_equal(aw_loop_thread_stop(lt, .timeout = 5), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(w[i].cleaned_up, 1);
        assert_int_equal(aw_cfuture_join(f[i], 0), -ECANCELED);
    }
    assert_reports(0); /* it was asked for */
}

TEST_REAL_CLOCK(loop_thread_stop_of_nothing_and_misuse)
{
    assert_int_equal(aw_loop_thread_stop(NULL), 0);
    aw_loop_thread *lt = start_loop();
    assert_int_equal(aw_loop_thread_stop(lt, .timeout = NAN), -EINVAL);
    assert_int_equal(aw_loop_thread_stop(lt, .timeout = INFINITY), 0);
    lt = start_loop();
    assert_int_equal(aw_loop_thread_stop(lt, .timeout = -1), 0);
}

static int stop_myself(void *arg)
{
    return aw_loop_thread_stop(arg);
}

TEST_REAL_CLOCK(loop_thread_cannot_stop_itself)
{
    aw_loop_thread *lt = start_loop();
    aw_cfuture *f = aw_submit(aw_loop_thread_loop(lt), stop_myself, lt);
    assert_int_equal(aw_cfuture_join(f, 5), -EDEADLK);
    stop_loop(lt);
}

static int never_heed(void *arg)
{
    raise_flag(arg);
    while (is_up(arg))
        aw_ignore(aw_sleep(0.001));
    return 0;
}

/* What ignores its cancellation is named with its stack, and given up. */
TEST_REAL_CLOCK(loop_thread_stop_names_what_will_not)
{
    aw_loop_thread *lt = start_reporting_loop();
    flag going = {0};
    aw_cfuture *f = aw_submit(aw_loop_thread_loop(lt), never_heed, &going, .name = "mule");
    wait_flag(&going);
    double began = now();
    assert_int_equal(aw_loop_thread_stop(lt, .timeout = 0.3), -ETIMEDOUT);
    assert_true(now() - began < 3);
    assert_int_equal(reports.kind, AW_REPORT_WOULD_NOT_STOP);
    assert_string_equal(reports.name, "mule");
    assert_non_null(strstr(reports.text, "stack:"));
    assert_reports(1);
    assert_int_equal(aw_cfuture_join(f, INFINITY), -ECANCELED);
}

/* A callback that blocks the loop: the thread is named and left to itself; when the callback
 * returns at last, the thread ends and frees the rest. */
struct late_stop {
    flag going, go_on;
    aw_cfuture *f;
};

static int hold_up(void *arg)
{
    struct late_stop *s = arg;
    raise_flag(&s->going);
    return block_until(&s->go_on);
}

/* By name, for a number of threads would count one that was joined and has not quite gone. */
static bool has_thread(const char *name)
{
    bool found = false;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *d; (d = readdir(tasks)) != NULL && !found;) {
        char path[300], line[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", d->d_name);
        FILE *comm = fopen(path, "r");
        if (!comm)
            continue;
        found = fgets(line, sizeof line, comm) && strncmp(line, name, strlen(name)) == 0;
        fclose(comm);
    }
    closedir(tasks);
    return found;
}

static void stop_a_blocked_loop(void *arg)
{
    struct late_stop s = {0};
    count_memory();
    aw_loop_thread *lt = aw_loop_thread_start(.name = "stuck");
    aw_loop *l = aw_loop_thread_loop(lt);
    (void)arg;
    assert_int_equal(aw_call_soon_threadsafe(l, hold_up, &s), 0);
    wait_flag(&s.going);
    assert_true(has_thread("stuck"));
    s.f = aw_submit(l, do_nothing, NULL);
    assert_int_equal(aw_loop_thread_stop(lt, .timeout = 0.05), -ETIMEDOUT);
    assert_false(aw_cfuture_done(s.f));
    raise_flag(&s.go_on);
    assert_int_equal(aw_cfuture_result(s.f, 5), -ECANCELED);
    aw_cfuture_unref(s.f);
    wait_until(!has_thread("stuck"));
    assert_int_equal(blocks_left(), 0);
}

TEST_REAL_CLOCK(loop_thread_stop_of_a_blocked_loop)
{
    struct child_result r;
    run_child(&r, stop_a_blocked_loop, NULL);
    normalise(r.err);
    char *line = strstr(r.err, "loop_thread_life.c:");
    assert_non_null(line);
    *line = '\0';
    assert_string_equal(
        r.err, "await: a loop thread did not end within 0.05 s: a task or callback blocks it, "
               "or a job that a task waits for\n"
               "  thread:  stuck\n"
               "  started: ");
    assert_true(child_exited(&r, 0));
}

static int stop_my_loop(void *arg)
{
    (void)arg;
    return aw_loop_stop(aw_running_loop());
}

/* A coroutine stops the loop: the thread cleans up and ends by itself, and is stopped later. */
TEST_REAL_CLOCK(loop_thread_that_ends_by_itself)
{
    aw_loop_thread *lt = start_reporting_loop();
    aw_loop *l = aw_loop_thread_loop(lt);
    flag going = {0};
    aw_cfuture *f = aw_submit(l, signal_and_sleep, &going);
    wait_flag(&going);
    aw_cfuture *last = aw_submit(l, stop_my_loop, NULL);
    assert_int_equal(aw_cfuture_join(f, 5), -ECANCELED);
    assert_int_equal(aw_cfuture_join(last, 5), 0);
    wait_until(aw_loop_is_closed(l));
    assert_null(aw_submit(l, do_nothing, NULL));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    stop_loop(lt);
    assert_int_equal(reports.kind, AW_REPORT_CANCELLED_AT_END); /* nobody asked for that */
    assert_reports(1);
}

static int fail_to_wait(int ep, struct epoll_event *evs, int max, int64_t timeout_ns)
{
    (void)ep, (void)evs, (void)max, (void)timeout_ns;
    return -EBADF;
}

static int fail_to_enter(struct io_uring *ring, int64_t timeout_ns)
{
    (void)ring, (void)timeout_ns;
    return -EBADF;
}

static int watch_for_data(void *arg)
{
    return aw_add_reader(*(int *)arg, do_nothing, NULL);
}

/* The kernel refuses to be waited for: the loop ends, and says why. */
TEST_REAL_CLOCK(loop_thread_whose_loop_fails)
{
    struct aw_sys_table real = aw_sys;
    aw_sys.epoll_wait = fail_to_wait;
    aw_sys.ring_enter = fail_to_enter;
    aw_loop_thread *lt = aw_loop_thread_start(.name = "io", .exception_handler = collect_report);
    assert_non_null(lt);
    aw_loop *l = aw_loop_thread_loop(lt);
    int quiet[2];
    assert_int_equal(pipe(quiet), 0);
    assert_int_equal(aw_call_soon_threadsafe(l, watch_for_data, &quiet[0]), 0);
    wait_until(aw_loop_is_closed(l));
    assert_null(aw_submit(l, do_nothing, NULL));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    stop_loop(lt);
    aw_sys = real;
    close(quiet[0]);
    close(quiet[1]);
    assert_int_equal(reports.kind, AW_REPORT_LOOP_FAILED);
    assert_int_equal(reports.error, -EBADF);
    assert_string_equal(reports.text,
                        "await: the loop of a thread ended by an error\n"
                        "  thread:  io\n"
                        "  error:   -EBADF (bad file descriptor): the loop could not poll the "
                        "kernel\n");
    assert_reports(1);
}

/* Cancelled while it is stopped; callbacks still come, so that others can help it to end. */
static int wait_for_help(void *arg)
{
    aw_future **place = arg;
    *place = aw_future_new();
    aw_future *mine = aw_ref(*place);
    int err = aw_await_shielded(mine);
    assert_int_equal(err, -ECANCELED);
    err = aw_await_shielded(mine);
    aw_unref(mine);
    return err;
}

static int help(void *arg)
{
    aw_future **place = arg;
    AW_TRY(aw_set_result(*place, 11, NULL));
    aw_unref(*place);
    return 0;
}

struct helper {
    aw_loop *loop;
    aw_future *place;
};

static void *help_later(void *arg)
{
    struct helper *h = arg;
    pause_ms(50);
    assert_int_equal(aw_call_soon_threadsafe(h->loop, help, &h->place), 0);
    return NULL;
}

TEST_REAL_CLOCK(loop_thread_takes_callbacks_while_it_is_stopped)
{
    aw_loop_thread *lt = start_loop();
    struct helper h = {.loop = aw_loop_thread_loop(lt)};
    aw_cfuture *f = aw_submit(h.loop, wait_for_help, &h.place);
    flush_loop(h.loop);
    flush_loop(h.loop);
    pthread_t t = start_thread(help_later, &h);
    assert_int_equal(aw_loop_thread_stop(lt, .timeout = 5), 0);
    end_thread(t);
    assert_int_equal(aw_cfuture_join(f, 0), 11);
}

/* ---- stack overflow ---- */

static int dig(void *arg)
{
    volatile char here[256];
    here[0] = *(volatile char *)arg;
    return here[0] == 'x' ? dig((char *)here) + here[0] : 0;
}

static void overflow_in_thread(void *arg)
{
    aw_loop_thread *lt = start_loop();
    (void)arg;
    aw_ignore(aw_cfuture_join(aw_submit(aw_loop_thread_loop(lt), dig, "x"), INFINITY));
}

TEST_REAL_CLOCK(loop_thread_explains_a_stack_overflow)
{
    struct child_result r;
    if (test_is_instrumented())
        SKIP("sanitizers explain it themselves");
    run_child(&r, overflow_in_thread, NULL);
    assert_true(child_killed(&r, SIGSEGV));
    assert_non_null(strstr(r.err, "overflow"));
}
