/*
 * The server of worker processes: starting it, asking it for workers, what it tells, how it fails;
 * and the calls of the table that are there for it.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/test.h"
#include "sys/child.h"

/* ---- workers ---- */

/* Reads a byte, and does what it says. */
static void obey(int data)
{
    char byte = 0;
    if (read(data, &byte, 1) == 1 && byte == 'e')
        aw_ignore((int)write(data, "echo", 4));
    if (byte == 'x')
        _exit(3);
}

static struct aw_child_news next_news(int status)
{
    struct aw_child_news news;
    struct pollfd fd = {.fd = status, .events = POLLIN};
    do
        assert_true(aw_sys.poll(&fd, 1, -1) == 1);
    while (aw_child_news(status, &news) == 0);
    return news;
}

/* A worker: its process id. */
static pid_t spawn(int *data, int *status)
{
    assert_int_equal(aw_child_spawn(data, status), 0);
    struct aw_child_news news = next_news(*status);
    assert_int_equal(news.kind, AW_CHILD_STARTED);
    assert_true(news.pid > 0);
    return news.pid;
}

static int end_of(int status, pid_t pid)
{
    struct aw_child_news news = next_news(status);
    assert_int_equal(news.kind, AW_CHILD_ENDED);
    assert_int_equal(news.pid, pid);
    assert_true(kill(pid, 0) < 0 && errno == ESRCH); /* it was waited for */
    assert_int_equal(next_news(status).kind, AW_CHILD_LOST);
    return news.status;
}

static void give_up(int data, int status)
{
    aw_sys.close(data);
    aw_sys.close(status);
}

TEST(child_a_worker_lives_and_ends)
{
    char text[64] = "";
    int data, status;
    assert_false(aw_child_server_is_there());
    assert_int_equal(aw_child_server_start(obey), 0);
    assert_true(aw_child_server_is_there());
    assert_int_equal(aw_child_server_start(obey), 0);
    pid_t pid = spawn(&data, &status);
    assert_int_equal(aw_sys.recv_now(data, text, sizeof text), -EAGAIN);
    assert_int_equal(aw_sys.send_now(data, "e", 1), 1);
    struct pollfd fd = {.fd = data, .events = POLLIN};
    assert_int_equal(aw_sys.poll(&fd, 1, -1), 1);
    assert_int_equal(aw_sys.recv_now(data, text, sizeof text), 4);
    assert_memory_equal(text, "echo", 4);
    int how = end_of(status, pid);
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    give_up(data, status);
}

TEST(child_signals_and_statuses_are_told)
{
    char text[64];
    int data, status;
    assert_int_equal(aw_child_server_start(obey), 0);
    pid_t pid = spawn(&data, &status);
    aw_child_signal(status, SIGTERM);
    aw_child_describe(end_of(status, pid), text, sizeof text);
    assert_string_equal(text, "was killed by signal 15 (Terminated)");
    aw_child_signal(status, SIGTERM); /* to nobody */
    give_up(data, status);
    pid = spawn(&data, &status);
    assert_int_equal(aw_sys.send_now(data, "x", 1), 1);
    aw_child_describe(end_of(status, pid), text, sizeof text);
    assert_string_equal(text, "ended with status 3");
    give_up(data, status);
}

/* Until it is gone, or only waits to be cleared away by whoever inherited it. */
static void wait_for_end(pid_t pid)
{
    char path[32], text[256];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    for (bool there = true; there; usleep(1000)) {
        int fd = open(path, O_RDONLY);
        ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
        text[n > 0 ? n : 0] = '\0';
        there = n > 0 && !strstr(text, ") Z ");
        if (fd >= 0)
            close(fd);
    }
}

TEST_REAL_CLOCK(child_giving_up_the_status_kills)
{
    int data, status;
    assert_int_equal(aw_child_server_start(obey), 0);
    pid_t pid = spawn(&data, &status);
    kill(pid, SIGSTOP);
    aw_sys.close(status);
    wait_for_end(pid);
    aw_sys.close(data);
}

TEST_REAL_CLOCK(child_many_at_once)
{
    enum { MANY = 40 };
    int data[MANY], status[MANY];
    pid_t pids[MANY];
    assert_int_equal(aw_child_server_start(obey), 0);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(aw_child_spawn(&data[i], &status[i]), 0);
    for (int i = 0; i < MANY; i++)
        pids[i] = next_news(status[i]).pid;
    for (int i = MANY - 1; i >= 0; i -= 2)
        aw_child_signal(status[i], SIGKILL);
    for (int i = 0; i < MANY; i++) {
        aw_sys.send_now(data[i], "x", 1);
        int how = end_of(status[i], pids[i]);
        assert_true(i % 2 ? WIFSIGNALED(how) : WIFEXITED(how));
        give_up(data[i], status[i]);
    }
}

/* ---- how it fails ---- */

static void *wait_for_lock(void *lock)
{
    pthread_mutex_lock(lock);
    pthread_mutex_unlock(lock);
    return NULL;
}

TEST(child_threads_are_counted)
{
    pthread_t thread;
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    if (test_is_emulated())
        SKIP("an emulator's own thread counts as one of the program's");
    assert_int_equal(aw_thread_count(), 1);
    pthread_mutex_lock(&lock);
    assert_int_equal(pthread_create(&thread, NULL, wait_for_lock, &lock), 0);
    assert_int_equal(aw_thread_count(), 2);
    assert_int_equal(aw_child_server_start(obey), -EBUSY);
    pthread_mutex_unlock(&lock);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(aw_thread_count(), 1);
    assert_int_equal(aw_child_server_start(obey), 0);
}

static struct aw_sys_table real;
static int forks_left;

static int no_sockets(int ret[2], int type)
{
    (void)ret, (void)type;
    return -EMFILE;
}

static int few_forks(void)
{
    return forks_left-- > 0 ? real.fork() : -EAGAIN;
}

TEST(child_a_server_that_cannot_start)
{
    real = aw_sys;
    aw_sys.socket_pair = no_sockets;
    assert_int_equal(aw_child_server_start(obey), -EMFILE);
    aw_sys = real;
    aw_sys.fork = few_forks;
    for (int forks = 0; forks < 2; forks++) { /* of the process between, and of the server */
        forks_left = forks;
        assert_int_equal(aw_child_server_start(obey), -EAGAIN);
        assert_false(aw_child_server_is_there());
    }
    aw_sys = real;
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(aw_child_server_start(obey), 0);
}

static int one_pair_left;

static int one_pair(int ret[2], int type)
{
    return one_pair_left-- > 0 ? real.socket_pair(ret, type) : -EMFILE;
}

static int send_none(int fd, const int *fds, size_t n)
{
    (void)fd, (void)fds, (void)n;
    return -EPIPE;
}

static int lowest_free(void)
{
    int fd = dup(1);
    close(fd);
    return fd;
}

TEST(child_a_worker_that_cannot_be_asked_for)
{
    int data = -7, status = -7;
    assert_int_equal(aw_child_server_start(obey), 0);
    int free_before = lowest_free();
    real = aw_sys;
    aw_sys.socket_pair = one_pair;
    for (one_pair_left = 0; one_pair_left < 2;) {
        int pairs = one_pair_left;
        assert_int_equal(aw_child_spawn(&data, &status), -EMFILE);
        one_pair_left = pairs + 1;
    }
    aw_sys = real;
    aw_sys.send_fds = send_none;
    assert_int_equal(aw_child_spawn(&data, &status), -EPIPE);
    aw_sys = real;
    assert_int_equal(data, -7);
    assert_int_equal(status, -7);
    assert_int_equal(lowest_free(), free_before);
}

/* A program whose handler ignores its children's end. */
TEST(child_with_sigchld_ignored)
{
    int data, status;
    signal(SIGCHLD, SIG_IGN);
    assert_int_equal(aw_child_server_start(obey), 0);
    pid_t pid = spawn(&data, &status);
    assert_int_equal(aw_sys.send_now(data, "x", 1), 1);
    assert_int_equal(WEXITSTATUS(end_of(status, pid)), 3);
    give_up(data, status);
}

/* ---- fork ---- */

static void use_in_child(void *arg)
{
    (void)arg;
    int data, status;
    assert_false(aw_child_server_is_there());
    assert_int_equal(aw_child_server_start(obey), 0);
    pid_t pid = spawn(&data, &status);
    printf("%d\n", (int)pid);
}

TEST_REAL_CLOCK(child_a_fork_has_no_server_but_may_start_one)
{
    int data, status, pid;
    struct child_result r;
    assert_int_equal(aw_child_server_start(obey), 0);
    run_child(&r, use_in_child, NULL);
    assert_true(child_exited(&r, 0));
    assert_int_equal(sscanf(r.out, "%d", &pid), 1);
    wait_for_end(pid); /* with the child, and not before */
    spawn(&data, &status);
    give_up(data, status);
}

/* ---- the table ---- */

TEST(child_calls_of_the_table)
{
    int pair[2], fds[2] = {0, 1};
    char byte;
    struct pollfd fd = {.events = POLLIN};
    errno = EDOM;
    assert_int_equal(aw_sys.socket_pair(pair, 77), -EINVAL);
    assert_int_equal(aw_sys.send_fds(-1, fds, 2), -EBADF);
    assert_int_equal(aw_sys.send_now(-1, "x", 1), -EBADF);
    assert_int_equal(aw_sys.recv_now(-1, &byte, 1), -EBADF);
    assert_int_equal(errno, EDOM);
    assert_int_equal(aw_sys.socket_pair(pair, SOCK_STREAM), 0);
    assert_true(fcntl(pair[0], F_GETFD) & fcntl(pair[1], F_GETFD) & FD_CLOEXEC);
    fd.fd = pair[0];
    assert_int_equal(aw_sys.poll(&fd, 1, 0), 0);
    assert_int_equal(aw_sys.send_fds(pair[1], fds, 2), 1);
    assert_int_equal(aw_sys.poll(&fd, 1, -1), 1);
    assert_int_equal(aw_sys.close(pair[0]), 0);
    assert_int_equal(aw_sys.send_now(pair[1], "x", 1), -EPIPE); /* and no signal */
    assert_int_equal(aw_sys.close(pair[1]), 0);
}
