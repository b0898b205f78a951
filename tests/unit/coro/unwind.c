/*
 * Unwinding inside a fiber ends at its entry: by CFI, as exceptions, debuggers and profilers do
 * it, and by frame pointers, as profilers in a hurry do.
 *
 * The test gdb_backtrace runs `coro_backtrace_for_a_debugger` and looks at it from outside.
 */
#include "fibers.h"

#include <unwind.h>

#ifndef AW_SWITCH_UCONTEXT /* where unwinding is the C library's affair */

#define FRAMES 128

struct trace {
    uintptr_t ips[FRAMES];
    unsigned count;
};

static _Unwind_Reason_Code note_frame(struct _Unwind_Context *context, void *arg)
{
    struct trace *t = arg;
    uintptr_t ip = (uintptr_t)_Unwind_GetIP(context);
    assert_true(t->count < FRAMES);
    if (ip) /* libgcc reports the end itself as a frame at 0 */
        t->ips[t->count++] = ip;
    return _URC_NO_REASON;
}

static void trace_by_cfi(struct trace *t)
{
    t->count = 0;
    assert_int_equal(_Unwind_Backtrace(note_frame, t), _URC_END_OF_STACK);
}

/* Is this an address in the entry trampoline, which is a few instructions long? */
static bool in_entry(uintptr_t ip)
{
    uintptr_t start = (uintptr_t)aw_fiber_start;
    return ip > start && ip <= start + 32;
}

static AW_NOINLINE unsigned frames_by_pointers(struct trace *t)
{
    uintptr_t *frame = __builtin_frame_address(0);
    for (t->count = 0; frame && t->count < FRAMES; frame = (uintptr_t *)frame[0])
        t->ips[t->count++] = (uintptr_t)aw_return_address(frame[1]);
    return t->count;
}

struct job {
    unsigned depth;
    struct trace before, after, pointers;
};

/* Traces at the bottom of `depth` more frames, before and after a switch. */
static AW_NOINLINE unsigned trace_at_depth(struct test_fiber *self, unsigned depth)
{
    struct job *job = self->arg;
    if (depth > 0) {
        unsigned sum = trace_at_depth(self, depth - 1);
        __asm__ volatile("" : "+r"(sum)); /* or it would be made a loop */
        return sum + depth;
    }
    trace_by_cfi(&job->before);
    fiber_pause(self);
    trace_by_cfi(&job->after);
    frames_by_pointers(&job->pointers);
    return 0;
}

static void trace_in_fiber(struct test_fiber *self)
{
    struct job *job = self->arg;
    unsigned sum = trace_at_depth(self, job->depth);
    assert_int_equal(sum, job->depth * (job->depth + 1) / 2);
}

static void check_job(const struct job *job, unsigned frames)
{
    assert_int_equal(job->before.count, frames);
    assert_int_equal(job->after.count, frames);
    assert_true(in_entry(job->before.ips[frames - 1]));
    assert_true(in_entry(job->after.ips[frames - 1]));
    for (unsigned i = 0; i + 1 < frames; i++)
        assert_false(in_entry(job->after.ips[i]));
    assert_true(in_entry(job->pointers.ips[job->pointers.count - 1]));
}

TEST(coro_unwinding_ends_exactly_at_the_entry)
{
    fibers_begin();
    unsigned base = 0;
    for (unsigned depth = 1; depth <= 50; depth++) {
        static struct job job;
        job.depth = depth;
        struct test_fiber *f = fiber_new(trace_in_fiber, &job);
        fiber_resume(f);
        fiber_resume(f);
        if (depth == 1)
            base = job.after.count - 1;
        check_job(&job, base + depth);
    }
    fibers_end();
}

TEST(coro_the_threads_own_trace_is_not_changed_by_a_switch)
{
    fibers_begin();
    static struct trace before, after;
    static struct job job = {.depth = 3};
    struct test_fiber *f = fiber_new(trace_in_fiber, &job);
    trace_by_cfi(&before);
    fiber_resume(f);
    fiber_resume(f);
    trace_by_cfi(&after);
    assert_int_equal(before.count, after.count);
    for (unsigned i = 2; i < before.count; i++) /* after the two frames that differ in their line */
        assert_int_equal(before.ips[i], after.ips[i]);
    fibers_end();
}

#endif

/* ---- for gdb: names it looks for, kept apart from each other ---- */

void coro_debug_stop(unsigned turn);
AW_NOINLINE void coro_debug_stop(unsigned turn)
{
    __asm__ volatile("" : : "r"(turn) : "memory");
}

void coro_debug_thread(void);
AW_NOINLINE void coro_debug_thread(void)
{
    __asm__ volatile("" : : : "memory");
}

unsigned coro_debug_inner(struct test_fiber *self, unsigned turns);
AW_NOINLINE unsigned coro_debug_inner(struct test_fiber *self, unsigned turns)
{
    unsigned done = 0;
    for (unsigned i = 0; i < turns; i++) {
        fiber_pause(self);
        coro_debug_stop(i);
        done += i;
    }
    return done;
}

static AW_NOINLINE unsigned coro_debug_outer(struct test_fiber *self)
{
    return coro_debug_inner(self, 5) + 1;
}

static void coro_debug_body(struct test_fiber *self)
{
    assert_int_equal(coro_debug_outer(self), 11);
}

TEST(coro_backtrace_for_a_debugger)
{
    fibers_begin();
    struct test_fiber *fibers[2] = {fiber_new(coro_debug_body, NULL),
                                    fiber_new(coro_debug_body, NULL)};
    for (int i = 0; i < 12; i++)
        fiber_resume(fibers[i % 2]);
    coro_debug_thread();
    fibers_end();
}
