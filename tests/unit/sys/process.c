/*
 * Clock, fork count, threads, standard error and the names of code addresses.
 */
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/test.h"
#include "sys/sys.h"

TEST_REAL_CLOCK(clock_real_never_goes_back)
{
    int64_t last = aw_clock_real();
    assert_true(last > 0);
    for (int i = 0; i < 10000; i++) {
        int64_t now = aw_clock_real();
        assert_true(now >= last);
        last = now;
    }
}

TEST(clock_virtual_stands_still_until_it_is_moved)
{
    struct aw_clock c = {.is_virtual = true, .virtual_now = 5};
    assert_int_equal(aw_clock_now(&c), 5);
    c.virtual_now += 10;
    assert_int_equal(aw_clock_now(&c), 15);
    c.is_virtual = false;
    assert_true(aw_clock_now(&c) > 15);
}

/* ---- fork ---- */

static unsigned children_seen;

static void child_seen(void)
{
    children_seen++;
}

static void print_generation(void *arg)
{
    (void)arg;
    printf("%u %u\n", aw_fork_generation(), children_seen);
}

static void fork_again(void *arg)
{
    print_generation(arg);
    struct child_result r;
    run_child(&r, print_generation, NULL);
    fputs(r.out, stdout);
}

TEST(fork_is_counted_in_the_child_only)
{
    struct child_result r;
    assert_int_equal(aw_fork_watch(child_seen), 0);
    assert_int_equal(aw_fork_watch(NULL), 0);
    unsigned before = aw_fork_generation();
    run_child(&r, fork_again, NULL);
    char expected[64];
    snprintf(expected, sizeof expected, "%u 1\n%u 2\n", before + 1, before + 2);
    assert_string_equal(r.out, expected);
    assert_int_equal(aw_fork_generation(), before);
    assert_int_equal(children_seen, 0);
}

/* ---- process and thread ---- */

TEST(process_page_size_is_a_power_of_two)
{
    size_t size = aw_page_size();
    assert_true(size >= 4096 && (size & (size - 1)) == 0);
    assert_int_equal(aw_page_size(), size);
}

static void *thread_id(void *arg)
{
    *(long *)arg = aw_thread_id();
    return NULL;
}

TEST(process_thread_ids_differ)
{
    pthread_t thread;
    long other = 0;
    assert_int_equal(aw_thread_id(), getpid());
    assert_int_equal(pthread_create(&thread, NULL, thread_id, &other), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(other > 0 && other != aw_thread_id());
}

enum { MUCH = 1 << 20 };

struct slow_reader {
    int fd;
    size_t seen;
};

static void *read_slowly(void *arg)
{
    struct slow_reader *r = arg;
    static char part[1 << 15];
    ssize_t n;
    usleep(20000); /* the pipe is full by now */
    while (r->seen < MUCH && (n = read(r->fd, part, sizeof part)) > 0)
        r->seen += (size_t)n;
    return NULL;
}

/* Standard error is a pipe that does not block and whose reader is slow. */
TEST(process_stderr_write_gets_all_of_it_out)
{
    int fds[2], real = dup(STDERR_FILENO);
    pthread_t thread;
    static char text[MUCH];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    dup2(fds[1], STDERR_FILENO);
    struct slow_reader reader = {.fd = fds[0]};
    assert_int_equal(pthread_create(&thread, NULL, read_slowly, &reader), 0);
    errno = EDOM;
    aw_stderr_write(text, sizeof text);
    bool errno_kept = errno == EDOM;
    dup2(real, STDERR_FILENO);
    close(fds[1]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(reader.seen, MUCH);
    assert_true(errno_kept);
    close(fds[0]);
    close(real);
}

static void write_to_nobody(void *arg)
{
    (void)arg;
    close(STDERR_FILENO);
    errno = EDOM;
    aw_stderr_write("lost\n", 5);
    exit(errno == EDOM ? 0 : 1);
}

TEST(process_stderr_that_is_closed_does_no_harm)
{
    struct child_result r;
    run_child(&r, write_to_nobody, NULL);
    assert_true(child_exited(&r, 0));
    assert_string_equal(r.err, "");
}

/* ---- code addresses ---- */

static int first_module(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    *(uintptr_t *)arg = info->dlpi_addr;
    return 1;
}

TEST(process_code_address_is_module_and_offset)
{
    uintptr_t here = (uintptr_t)&first_module, base = 0;
    dl_iterate_phdr(first_module, &base); /* the first module is the program */
    char name[128], expected[64];
    aw_code_address((void *)here, name, sizeof name);
    snprintf(expected, sizeof expected, "+0x%zx", (size_t)(here - base));
    assert_null(strchr(name, '/'));
    assert_string_equal(strchr(name, '+'), expected);
    aw_code_address((void *)(uintptr_t)&strtoul, name, sizeof name);
    assert_non_null(strstr(name, "+0x"));
}

TEST(process_code_address_of_nothing_is_a_number)
{
    char name[64], small[8];
    aw_code_address((void *)(uintptr_t)0x10, name, sizeof name);
    assert_string_equal(name, "0x10");
    aw_code_address((void *)(uintptr_t)&first_module, small, sizeof small);
    assert_int_equal(strlen(small), sizeof small - 1);
}
