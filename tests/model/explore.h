/*
 * explore.h - runs a few threads in every order, up to so many preemptions.
 *
 * A model is two or three threads that do a few steps with the library's real sources.  Those are
 * compiled with the instrumentation that a compiler inserts for ThreadSanitizer, and linked with a
 * runtime of our own (shim.c): so every atomic operation is a point at which another thread may go
 * on, and every plain access is looked at.  Futexes, the process's lock, yielding, a loop's poll
 * and its wake-up are replaced by ones that the explorer knows (world.c).
 *
 * Only one thread runs at a time.  explore() runs the model again and again, each time in an order
 * that has not been tried, depth first, until all orders are done in which a thread that could go
 * on is preempted at most `preemptions` times; blocking and yielding are free.  Found are:
 *
 *     an order that ends in nobody being able to go on (a lost wake-up), or never ends
 *     a plain access that no release and acquire orders with another's write to the same byte,
 *         whatever the order of steps was: a missing barrier
 *     an access to memory that has been freed, and memory that nobody freed
 *     what the model itself asserts
 *
 * Values are those of the order tried (sequentially consistent): a relaxed load that could read an
 * older value on some processor is not modelled.  That part of the argument stands in words beside
 * the code.
 *
 * Each model is built twice: with the sources as they are, of which it must find nothing; and with
 * one line of them changed for the worse (bugs/NAME), which it must find.
 */
#ifndef TESTS_MODEL_EXPLORE_H
#define TESTS_MODEL_EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MODEL_THREADS = 4 };

struct model {
    void (*setup)(void); /* alone, before the threads */
    void (*threads[MODEL_THREADS])(void);
    void (*check)(void); /* alone, after all threads have ended; may be NULL */
    int preemptions;
};

struct verdict {
    bool found;
    unsigned long orders, steps;
    char text[8192]; /* what was found, and the steps that led to it */
};

/* Tries all orders, or as many as `limit` says; prints a line.  Once something has been found the
 * threads of that order stay where they are, so a process can find only one thing. */
void explore(const struct model *m, unsigned long limit, struct verdict *v);

/* ---- for models ---- */

#define model_assert(condition)                                                                    \
    ((condition) ? (void)0 : model_found("assertion failed: " #condition, NULL))

/* Something is wrong; does not return while threads run. */
void model_found(const char *what, const void *addr);

/* What a word of memory is called in the list of steps. */
void model_name(const void *addr, const char *name);

/* Its parts are freed in the order of things that are not looked at: only a use after that is. */
void model_not_raced(const void *addr);

/* ---- for shim.c and world.c ---- */

/* Before a step that others can see: maybe others go first. */
void model_point(const char *step, const void *addr);

/* Wait until model_unblock(addr), or, if `timed`, maybe not: false if the time ran out.  Not a
 * point itself. */
bool model_block(const void *addr, bool timed);
void model_unblock(const void *addr);

/* Let the others go first; without them there is no going on. */
void model_yield(void);

/* Is this one of the model's threads, in its body, or the setup or check? */
bool model_is_on(void);

/* What the running thread is about to do with memory; the pointer is never followed. */
void model_plain(const void *addr, size_t size, bool write);
void model_atomic(const void *addr, size_t size, bool write, bool acquire, bool release,
                  bool replaces);

#endif
