/*
 * The main program of every test binary: lists its tests, or runs one of them.
 *
 * cmocka runs the one test as a group of one.  Around the body stand the things
 * that make it behave as in an ordinary program: the environment is set before
 * the first library call, and the crash signals that cmocka takes for itself
 * (to jump out of the test) get back the action they had before.
 */
#include "harness/test.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SKIPPED = 77 };

static struct test_case *first_test;
static struct test_case **last_link = &first_test;
static const struct test_case *running_test;

/* The signals cmocka 1.1 handles while a test runs. */
static const int crash_signals[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGSYS};
enum { CRASH_SIGNALS = sizeof crash_signals / sizeof crash_signals[0] };
static struct sigaction crash_actions[CRASH_SIGNALS];

void test_register(struct test_case *test)
{
    *last_link = test;
    last_link = &test->next;
}

_Noreturn void test_skip(const char *reason)
{
    printf("skip: %s\n", reason);
    fflush(NULL);
    _exit(SKIPPED); /* not exit: nothing of a skipped test is worth a leak report */
}

bool test_is_instrumented(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
    return true;
#endif
#endif
    return test_is_under_valgrind();
}

bool test_is_under_valgrind(void)
{
    return getenv("AWAIT_TEST_INSTRUMENTED") != NULL; /* set by run.py */
}

bool test_is_emulated(void)
{
    return getenv("AWAIT_TEST_EMULATED") != NULL; /* set by run.py */
}

unsigned test_scale(unsigned full, unsigned under_sanitizer)
{
    return test_is_instrumented() || test_is_emulated() ? under_sanitizer : full;
}

/* ---- children -------------------------------------------------------------------------- */

bool child_exited(const struct child_result *r, int code)
{
    return WIFEXITED(r->status) && WEXITSTATUS(r->status) == code;
}

bool child_killed(const struct child_result *r, int signal)
{
    return WIFSIGNALED(r->status) && WTERMSIG(r->status) == signal;
}

/* One stream of the child: what does not fit is read and dropped, so that it never blocks. */
struct capture {
    char *text;
    size_t size, used;
};

static bool capture_more(struct capture *c, int fd)
{
    char chunk[4096];
    ssize_t n = read(fd, chunk, sizeof chunk);
    if (n < 0)
        return errno == EINTR;
    size_t room = c->size - 1 - c->used;
    size_t take = (size_t)n < room ? (size_t)n : room;
    memcpy(c->text + c->used, chunk, take);
    c->used += take;
    c->text[c->used] = '\0';
    return n > 0;
}

static void capture_both(struct child_result *r, int out, int err)
{
    struct capture streams[2] = {{r->out, sizeof r->out, 0}, {r->err, sizeof r->err, 0}};
    struct pollfd fds[2] = {{.fd = out, .events = POLLIN}, {.fd = err, .events = POLLIN}};
    r->out[0] = r->err[0] = '\0';
    for (int open = 2; open > 0;) {
        if (poll(fds, 2, -1) < 0)
            continue;
        for (int i = 0; i < 2; i++) {
            if (fds[i].revents == 0 || capture_more(&streams[i], fds[i].fd))
                continue;
            close(fds[i].fd);
            fds[i].fd = -1; /* ignored by poll from now on */
            open--;
        }
    }
}

/* An emulator announces on the child's standard error that a signal ended it. */
static void drop_emulators_words(char *text)
{
    static const char words[] = "qemu: uncaught target signal";
    for (char *line = text; (line = strstr(line, words)) != NULL;) {
        char *end = strchr(line, '\n');
        end = end ? end + 1 : line + strlen(line);
        memmove(line, end, strlen(end) + 1);
    }
}

static _Noreturn void child_main(int out, int err, void (*fn)(void *), void *arg)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (size_t i = 0; i < CRASH_SIGNALS; i++)
        signal(crash_signals[i], SIG_DFL);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    close(out);
    close(err);
    fn(arg);
    exit(0);
}

void run_child(struct child_result *r, void (*fn)(void *), void *arg)
{
    int out[2], err[2];
    if (pipe(out) < 0 || pipe(err) < 0)
        fail_msg("run_child: pipe: %s", strerror(errno));
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        fail_msg("run_child: fork: %s", strerror(errno));
    if (pid == 0) {
        close(out[0]);
        close(err[0]);
        child_main(out[1], err[1], fn, arg);
    }
    close(out[1]);
    close(err[1]);
    capture_both(r, out[0], err[0]);
    while (waitpid(pid, &r->status, 0) < 0)
        assert_int_equal(errno, EINTR);
    drop_emulators_words(r->err);
    if (test_is_emulated() && strstr(r->err, "qemu_plugin_vcpu_init_hook"))
        SKIP("the emulator cannot make threads in the child of a fork");
}

/* ---- comparable reports ---------------------------------------------------------------- */

static bool is_path_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("_./-", c) != NULL);
}

static size_t hex_length(const char *s)
{
    return strspn(s, "0123456789abcdefABCDEF");
}

/* Whether the path [s, s+n) names a C file, or a module that an offset follows. */
static bool loses_directory(const char *s, size_t n)
{
    if (strncmp(s + n, "+0x", 3) == 0)
        return true;
    return n > 2 && s[n - 2] == '.' && s[n - 1] == 'c';
}

void normalise(char *text)
{
    char *to = text;
    const char *from = text;
    while (*from != '\0') {
        if (strncmp(from, "+0x", 3) == 0 && hex_length(from + 3) > 0) {
            from += 3 + hex_length(from + 3);
            memcpy(to, "+0x*", 4);
            to += 4;
            continue;
        }
        size_t n = 0, base = 0;
        for (; is_path_char(from[n]); n++)
            if (from[n] == '/')
                base = n + 1;
        if (n == 0) {
            *to++ = *from++;
            continue;
        }
        if (!loses_directory(from, n))
            base = 0;
        memmove(to, from + base, n - base);
        to += n - base;
        from += n;
    }
    *to = '\0';
}

/* ---- the program ----------------------------------------------------------------------- */

static void run_body(void **state)
{
    (void)state;
    for (size_t i = 0; i < CRASH_SIGNALS; i++)
        sigaction(crash_signals[i], &crash_actions[i], NULL);
    running_test->body();
}

static int run_one(const struct test_case *test)
{
    if (test->flags & TEST_FLAG_REAL_CLOCK)
        unsetenv("AWAIT_CLOCK");
    else
        setenv("AWAIT_CLOCK", "virtual", 1);
    setenv("CMOCKA_TEST_ABORT", "1", 1);
    for (size_t i = 0; i < CRASH_SIGNALS; i++)
        sigaction(crash_signals[i], NULL, &crash_actions[i]);
    running_test = test;
    const struct CMUnitTest group[] = {{.name = test->name, .test_func = run_body}};
    return cmocka_run_group_tests_name(test->name, group, NULL, NULL) == 0 ? 0 : 1;
}

static void list_tests(void)
{
    static const char *const words[] = {"real-clock", "slow", "order-free"}; /* bit by bit */
    for (const struct test_case *t = first_test; t != NULL; t = t->next) {
        char flags[64] = "";
        for (unsigned i = 0; i < 3; i++)
            if (t->flags & (1u << i))
                snprintf(flags + strlen(flags), sizeof flags - strlen(flags), "%s%s",
                         *flags ? "," : "", words[i]);
        printf("%s %s %s:%d\n", t->name, *flags ? flags : "-", t->file, t->line);
    }
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* what was printed before an abort is seen */
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        list_tests();
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "--run") == 0) {
        for (const struct test_case *t = first_test; t != NULL; t = t->next)
            if (strcmp(t->name, argv[2]) == 0)
                return run_one(t);
        fprintf(stderr, "%s: no test named %s\n", argv[0], argv[2]);
        return 2;
    }
    fprintf(stderr, "usage: %s --list | --run NAME\n", argv[0]);
    return 2;
}
