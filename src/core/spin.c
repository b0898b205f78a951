/*
 * spin.c - staying awake for a moment before going to sleep.
 *
 * To wake a thread that sleeps takes the kernel some microseconds, tens of them where the processor
 * belongs to a virtual machine; to see a word change takes a fraction of one.  So where an answer
 * comes soon, it pays to look at the word for a while first.  Where it does not, this only burns a
 * processor: hence it is an option, and it adapts.  A spin in vain is followed by 1, 3, 7, ... at
 * most 63 sleeps without one, and the first that finds something makes every sleep try again.
 *
 * Both sides do it: the loop before it polls, and the threads that wait for its results.  Where the
 * process has one processor nobody does, as nobody could change the word meanwhile.
 *
 * The record is shared by all who wait on one side; its one word is a hint, so that no order is
 * needed, and an update that gets lost does no harm.
 */
#include "core/core.h"

#include "sys/thread.h"

enum {
    SLEEPS_BETWEEN_MAX = 63,
    LOOKS_PER_READING = 16, /* of the clock, which costs as much as a few looks */
};

void aw_spin_init(struct aw_spin *s, double seconds)
{
    s->ns = seconds > 0 && aw_usable_cpus() > 1 ? aw_ns_from_seconds(seconds) : 0;
    atomic_init(&s->pause, 0);
}

static void found_nothing(struct aw_spin *s, unsigned between)
{
    unsigned more = 2 * between + 1;
    unsigned next = more < SLEEPS_BETWEEN_MAX ? more : SLEEPS_BETWEEN_MAX;
    atomic_store_explicit(&s->pause, next << 8 | next, memory_order_relaxed);
}

/* Others read the word: it is written only if that changes it. */
static void found_something(struct aw_spin *s)
{
    if (atomic_load_explicit(&s->pause, memory_order_relaxed))
        atomic_store_explicit(&s->pause, 0, memory_order_relaxed);
}

/* `pause`: how many sleeps to leave out after a spin in vain, and in the low byte how many are left
 * of them. */
static bool is_time_to_spin(struct aw_spin *s, unsigned *between)
{
    unsigned pause = atomic_load_explicit(&s->pause, memory_order_relaxed);
    *between = pause >> 8;
    if ((pause & 0xff) == 0)
        return true;
    atomic_store_explicit(&s->pause, pause - 1, memory_order_relaxed);
    return false;
}

bool aw_spin_until(struct aw_spin *s, bool (*there)(void *arg), void *arg, int64_t deadline)
{
    unsigned between;
    if (s->ns == 0 || !is_time_to_spin(s, &between))
        return false;
    int64_t now = aw_clock_real(), end = now < INT64_MAX - s->ns ? now + s->ns : INT64_MAX;
    for (; now < end && now < deadline; now = aw_clock_real()) {
        for (unsigned i = 0; i < LOOKS_PER_READING; i++) {
            if (there(arg)) {
                found_something(s);
                return true;
            }
            aw_cpu_relax();
        }
    }
    found_nothing(s, between);
    return false;
}
