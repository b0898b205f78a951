/*
 * The trap: faults that are ours end the process with a word, the others go where they went.
 *
 * Every test is a child, because a fault is what it is about.  Who was
 * called is read from what they wrote: a fault is an error to valgrind, which changes exit codes.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness/test.h"
#include "sys/notes.h"
#include "sys/sys.h"

static char *ours, *foreign; /* two pages that fault */

static void say(const char *text)
{
    aw_stderr_write(text, strlen(text));
}

static bool knows_ours(uintptr_t addr, uintptr_t sp)
{
    (void)sp;
    if (addr != (uintptr_t)ours)
        return false;
    say("ours\n");
    return true;
}

static bool knows_all(uintptr_t addr, uintptr_t sp)
{
    (void)sp;
    (void)addr;
    say("overflow\n");
    return true;
}

static void info_handler(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)context;
    say(info->si_addr == foreign ? "info handler\n" : "wrong address\n");
    _exit(0);
}

static void plain_handler(int sig)
{
    (void)sig;
    say("plain handler\n");
    _exit(0);
}

static void handle_with_info(int flags)
{
    struct sigaction action = {.sa_sigaction = info_handler};
    action.sa_flags = SA_SIGINFO | flags;
    assert_int_equal(sigaction(SIGSEGV, &action, NULL), 0);
}

static struct sigaction current_action(void)
{
    struct sigaction now;
    assert_int_equal(sigaction(SIGSEGV, NULL, &now), 0);
    return now;
}

static bool has_alternate_stack(void)
{
    stack_t now;
    assert_int_equal(sigaltstack(NULL, &now), 0);
    return !(now.ss_flags & SS_DISABLE);
}

static void no_alternate_stack(void)
{
    stack_t none = {.ss_flags = SS_DISABLE};
    assert_int_equal(sigaltstack(&none, NULL), 0);
}

static void touch(char *page)
{
    *(volatile char *)page = 1;
}

/* Runs the child's part with the two pages in place. */
static void in_child(struct child_result *r, void (*part)(void *))
{
    size_t page = aw_page_size();
    char *pages = mmap(NULL, 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(pages != MAP_FAILED);
    ours = pages;
    foreign = pages + page;
    run_child(r, part, NULL);
    munmap(pages, 2 * page);
}

/* ---- ours ---- */

static void fault_of_ours(void *arg)
{
    (void)arg;
    assert_int_equal(aw_trap_install(knows_ours, false), 0);
    touch(ours);
}

TEST(trap_fault_of_ours_is_named_and_ends_by_the_signal)
{
    struct child_result r;
    in_child(&r, fault_of_ours);
    assert_true(child_killed(&r, SIGSEGV));
    assert_string_equal(r.err, "ours\n");
}

static int overflow_stack(int depth)
{
    volatile char frame[512];
    frame[0] = 1;
    int below = depth > 0 ? overflow_stack(depth - 1) : 0;
    return below + frame[0]; /* no tail call: the frame is looked at afterwards */
}

static void *overflow_with_trap(void *arg)
{
    assert_int_equal(aw_trap_install(knows_all, false), 0);
    assert_true(has_alternate_stack());
    printf("%d\n", overflow_stack(INT_MAX));
    return arg;
}

static void overflow_a_thread(void *arg)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, overflow_with_trap, arg), 0);
    pthread_join(thread, NULL);
}

TEST(trap_works_on_a_stack_that_overflowed)
{
    struct child_result r;
#ifdef AW_TSAN
    SKIP("ThreadSanitizer's own record of the calls overflows first");
#endif
    in_child(&r, overflow_a_thread);
    assert_true(child_killed(&r, SIGSEGV));
    assert_string_equal(r.err, "overflow\n");
}

/* ---- somebody else's ---- */

static void fault_of_nobody(void *arg)
{
    (void)arg;
    assert_int_equal(aw_trap_install(knows_ours, false), 0);
    touch(foreign);
}

TEST(trap_foreign_fault_ends_by_the_default_action)
{
    struct child_result r;
    in_child(&r, fault_of_nobody);
    assert_true(child_killed(&r, SIGSEGV));
    assert_string_equal(r.err, "");
}

static void signal_from_outside(void *arg)
{
    (void)arg;
    assert_int_equal(aw_trap_install(knows_all, false), 0);
    raise(SIGSEGV);
}

TEST(trap_signal_that_was_sent_is_no_fault)
{
    struct child_result r;
    in_child(&r, signal_from_outside);
    assert_true(child_killed(&r, SIGSEGV));
    assert_string_equal(r.err, "");
}

static void chain_to_info_handler(void *arg)
{
    (void)arg;
    handle_with_info(0);
    assert_int_equal(aw_trap_install(knows_ours, true), 0);
    touch(foreign);
}

static void chain_to_plain_handler(void *arg)
{
    (void)arg;
    signal(SIGSEGV, plain_handler);
    assert_int_equal(aw_trap_install(knows_ours, true), 0);
    touch(foreign);
}

TEST(trap_foreign_fault_goes_to_the_former_handler)
{
    struct child_result r;
    in_child(&r, chain_to_info_handler);
    assert_string_equal(r.err, "info handler\n");
    in_child(&r, chain_to_plain_handler);
    assert_string_equal(r.err, "plain handler\n");
}

static void ours_before_the_former_handler(void *arg)
{
    (void)arg;
    handle_with_info(0);
    assert_int_equal(aw_trap_install(knows_ours, true), 0);
    touch(ours);
}

TEST(trap_forced_over_a_handler_comes_first)
{
    struct child_result r;
    in_child(&r, ours_before_the_former_handler);
    assert_true(child_killed(&r, SIGSEGV));
    assert_string_equal(r.err, "ours\n");
}

static void leave_handler_alone(void *arg)
{
    (void)arg;
    no_alternate_stack();
    handle_with_info(0);
    assert_int_equal(aw_trap_install(knows_all, false), 1);
    assert_false(has_alternate_stack());
    aw_trap_remove(); /* nothing to remove */
    assert_true(current_action().sa_sigaction == info_handler);
    touch(foreign);
}

TEST(trap_leaves_a_handler_alone_that_it_may_not_force)
{
    struct child_result r;
    in_child(&r, leave_handler_alone);
    assert_string_equal(r.err, "info handler\n");
}

static volatile sig_atomic_t once_called;

static void allow_the_page(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)context;
    once_called++;
    mprotect(info->si_addr, aw_page_size(), PROT_READ | PROT_WRITE);
}

/* A handler that mends the fault and asked to be called once is called once, and its mask is in
 * force while it runs, as if we were not there. */
static void chain_to_mending_handler(void *arg)
{
    (void)arg;
    struct sigaction action = {.sa_sigaction = allow_the_page};
    action.sa_flags = (int)(SA_SIGINFO | SA_RESETHAND);
    assert_int_equal(sigaction(SIGSEGV, &action, NULL), 0);
    assert_int_equal(aw_trap_install(knows_all, true), 0);
    aw_trap_remove();
    assert_int_equal(aw_trap_install(knows_ours, true), 0);
    touch(foreign);
    assert_int_equal(once_called, 1);
    assert_true(current_action().sa_handler == SIG_DFL);
    say("mended\n");
    touch(ours);
}

TEST(trap_former_handler_may_mend_the_fault_and_be_reset)
{
    struct child_result r;
    in_child(&r, chain_to_mending_handler);
    assert_string_equal(r.err, "mended\n");
    assert_true(child_killed(&r, SIGSEGV));
}

static void ignore_what_is_sent(void *arg)
{
    (void)arg;
    signal(SIGSEGV, SIG_IGN);
    assert_int_equal(aw_trap_install(knows_all, false), 1);
    assert_int_equal(aw_trap_install(knows_ours, true), 0);
    raise(SIGSEGV);
    say("ignored\n");
    touch(foreign);
}

TEST(trap_ignored_signals_stay_ignored_and_faults_do_not)
{
    struct child_result r;
    in_child(&r, ignore_what_is_sent);
    assert_string_equal(r.err, "ignored\n");
    assert_true(child_killed(&r, SIGSEGV));
}

/* ---- installing and removing ---- */

static void install_and_remove(void *arg)
{
    (void)arg;
    no_alternate_stack();
    assert_int_equal(aw_trap_install(knows_ours, false), 0);
    assert_int_equal(aw_trap_install(knows_ours, false), 0);
    assert_true(has_alternate_stack());
    aw_trap_remove();
    assert_true(current_action().sa_handler != SIG_DFL);
    assert_true(has_alternate_stack());
    aw_trap_remove();
    assert_true(current_action().sa_handler == SIG_DFL);
    assert_false(has_alternate_stack());
    aw_trap_remove();
}

TEST(trap_nested_installs_pair_up_and_leave_no_trace)
{
    struct child_result r;
    in_child(&r, install_and_remove);
    assert_string_equal(r.err, "");
    assert_true(child_exited(&r, 0));
}

static void use_own_stack(void *arg)
{
    (void)arg;
    static char stack[1 << 16];
    stack_t before = {.ss_sp = stack, .ss_size = sizeof stack}, now;
    assert_int_equal(sigaltstack(&before, NULL), 0);
    assert_int_equal(aw_trap_install(knows_ours, false), 0);
    assert_int_equal(sigaltstack(NULL, &now), 0);
    assert_ptr_equal(now.ss_sp, stack);
    aw_trap_remove();
    assert_int_equal(sigaltstack(NULL, &now), 0);
    assert_ptr_equal(now.ss_sp, stack);
    no_alternate_stack();
}

TEST(trap_alternate_stack_that_is_there_is_left)
{
    struct child_result r;
    in_child(&r, use_own_stack);
    assert_string_equal(r.err, "");
    assert_true(child_exited(&r, 0));
}

static void *install_for_a_while(void *arg)
{
    (void)arg;
    for (int i = 0; i < 200; i++) {
        assert_int_equal(aw_trap_install(knows_ours, false), 0);
        assert_true(has_alternate_stack());
        aw_trap_remove();
    }
    return NULL;
}

static void install_in_threads(void *arg)
{
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, install_for_a_while, arg), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_true(current_action().sa_handler == SIG_DFL);
}

TEST(trap_last_thread_takes_the_handler_away)
{
    struct child_result r;
    in_child(&r, install_in_threads);
    assert_string_equal(r.err, "");
    assert_true(child_exited(&r, 0));
}

static void *install_another(void *arg)
{
    (void)arg;
    no_alternate_stack();
    assert_int_equal(aw_trap_install(knows_all, false), -EBUSY);
    assert_false(has_alternate_stack());
    return NULL;
}

static void install_badly(void *arg)
{
    assert_int_equal(aw_trap_install(NULL, false), -EINVAL);
    assert_int_equal(aw_trap_install(knows_ours, false), 0);
    assert_int_equal(aw_trap_install(knows_all, false), -EBUSY);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, install_another, arg), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    aw_trap_remove();
    assert_true(current_action().sa_handler == SIG_DFL);
}

TEST(trap_wants_one_function_for_all)
{
    struct child_result r;
    in_child(&r, install_badly);
    assert_string_equal(r.err, "");
    assert_true(child_exited(&r, 0));
}

/* ---- somebody over us ---- */

static struct sigaction below; /* what a later handler chains to */

static void later_handler(int sig, siginfo_t *info, void *context)
{
    say("later\n");
    if (below.sa_flags & SA_SIGINFO)
        below.sa_sigaction(sig, info, context);
}

static void put_later_handler(void)
{
    struct sigaction action = {.sa_sigaction = later_handler, .sa_flags = SA_SIGINFO};
    assert_int_equal(sigaction(SIGSEGV, &action, &below), 0);
}

/* Removed while buried, the trap passes everything on; installed again, it is no ring. */
static void buried_and_back(void *arg)
{
    (void)arg;
    assert_int_equal(aw_trap_install(knows_ours, false), 0);
    put_later_handler();
    aw_trap_remove();
    assert_true(current_action().sa_sigaction == later_handler);
    assert_int_equal(aw_trap_install(knows_ours, false), 1);
    assert_int_equal(aw_trap_install(knows_ours, true), 0);
    assert_true(current_action().sa_sigaction == later_handler);
    touch(foreign);
}

static void buried_and_gone(void *arg)
{
    (void)arg;
    assert_int_equal(aw_trap_install(knows_ours, false), 0);
    put_later_handler();
    aw_trap_remove();
    touch(ours);
}

TEST(trap_buried_under_a_later_handler_is_no_ring)
{
    struct child_result r;
    in_child(&r, buried_and_back);
    assert_string_equal(r.err, "later\n");
    assert_true(child_killed(&r, SIGSEGV));
    in_child(&r, buried_and_gone);
    assert_string_equal(r.err, "later\n");
    assert_true(child_killed(&r, SIGSEGV));
}

/* ---- no memory ---- */

static int no_map(void **ret, size_t size)
{
    (void)ret, (void)size;
    return -ENOMEM;
}

static int no_guard(void *addr, size_t size)
{
    (void)addr, (void)size;
    return -ENOMEM;
}

static void install_without_memory(void *arg)
{
    (void)arg;
    struct aw_sys_table real = aw_sys;
    no_alternate_stack();
    aw_sys.map = no_map;
    assert_int_equal(aw_trap_install(knows_ours, false), -ENOMEM);
    aw_sys.map = real.map;
    aw_sys.protect_none = no_guard;
    assert_int_equal(aw_trap_install(knows_ours, false), -ENOMEM);
    assert_true(current_action().sa_handler == SIG_DFL);
    assert_false(has_alternate_stack());
}

TEST(trap_without_memory_is_an_error)
{
    struct child_result r;
    in_child(&r, install_without_memory);
    assert_string_equal(r.err, "");
    assert_true(child_exited(&r, 0));
}
