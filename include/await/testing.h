/*
 * await/testing.h - for tests of programs that use this library.
 *
 * On a virtual clock (aw_run(..., .virtual_clock = true), or AWAIT_CLOCK=virtual) time stands still
 * while there is work and jumps when there is none, so that a test of an hour takes no time and
 * gives the same times in every run.  With .shuffle (AWAIT_SHUFFLE=1) runnable tasks run in an
 * order drawn from .seed (AWAIT_SEED=n): code that depends on more order than it may fails, and
 * fails again with the same seed.
 *
 * A network that is simulated in the process, slow and faulty as a seed draws it, is in
 * await/sim.h, and in the library libawait-testing.
 */
#ifndef AWAIT_TESTING_H
#define AWAIT_TESTING_H

#include "await/loop.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Virtual clock: let time pass as though the running code had taken so long.  0; AW_EMISUSE outside
 * a loop or on a real clock; -EINVAL for a negative number or NaN. */
AW_API int aw_testing_advance(double seconds);

/* Suspend until every other task is blocked: nothing is ready, and only time or the kernel could
 * go on.  0; -ECANCELED; AW_EMISUSE outside a task. */
AW_API int aw_wait_all_blocked(void) AW_MUST_USE;

/* How often the running task has been suspended; 0 outside a task. */
AW_API uint64_t aw_suspensions(void);

/* What this loop did so far as one number: which task was resumed, in which order, at which time.
 * Two runs that did the same have the same.  0 for NULL, and for a loop without a seed. */
AW_API uint64_t aw_loop_trace(aw_loop *loop);

/* Ends the process, naming the expression and its place, when evaluating it did (did not) suspend
 * the running task. */
#define AW_EXPECT_SUSPENDS(expr) AW_EXPECT_SUSPENSION_(expr, #expr, true)
#define AW_EXPECT_NO_SUSPEND(expr) AW_EXPECT_SUSPENSION_(expr, #expr, false)
#define AW_EXPECT_SUSPENSION_(expr, text, want)                                                    \
    do {                                                                                           \
        uint64_t aw_before_ = aw_suspensions();                                                    \
        long long aw_result_ = (expr);                                                             \
        (void)aw_result_;                                                                          \
        aw_testing_check_suspended(aw_before_, (want), text, __FILE__, __LINE__);                  \
    } while (0)
AW_API void aw_testing_check_suspended(uint64_t before, bool want, const char *expr,
                                       const char *file, int line);

/* The library's inside, for the simulator of await/sim.h, which is a library of its own. */
struct aw_testing_door;
AW_API const struct aw_testing_door *aw_testing_door(void);

#ifdef __cplusplus
}
#endif

#include "await/sim.h"

#endif
