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
 * that has not been tried, depth first, until all orders are done in which bad luck strikes at most
 * so many times.  Bad luck is a thread that is preempted where it could go on, a sleeper that a
 * futex lets go without reason, a weak compare and swap that fails without reason, or a yield that
 * changes nothing; while which of several goes on when one blocks, yields or ends, which of the
 * sleepers is woken, and whether a time limit passes meanwhile, is free.  Found are:
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
 * Each model is built with the sources as they are, of which it must find nothing; and with one
 * place of them changed for the worse (bugs/MODEL/BUG), which it must find.
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
    int later;           /* so many, the last ones, begin when model_launch() says so, or never */
    void (*check)(void); /* alone, after all threads have ended; may be NULL */
    int preemptions;     /* bad luck: how often, with AWAIT_MODEL_FULL in the environment */
    int quick;           /* and how often without; 0: as often */
    bool yields_end;     /* who yields may go on, if that is bad luck: it does not yield for ever */
};

struct verdict {
    bool found;
    int bound;
    unsigned long orders, steps;
    char text[8192]; /* what was found, and the steps that led to it */
};

/* Tries all orders with bad luck at most so often; prints a line.  Once something has been found
 * the threads of that order stay where they are, so a process can find only one thing. */
void explore(const struct model *m, int bound, struct verdict *v);

/* How much bad luck is tried: what the model says for this environment. */
int explore_bound(const struct model *m);

/* ---- for models ---- */

#define model_assert(condition)                                                                    \
    ((condition) ? (void)0 : model_found("assertion failed: " #condition, NULL))

/* Something is wrong; does not return while threads run. */
void model_found(const char *what, const void *addr);

/* What a word of memory is called in the list of steps. */
void model_name(const void *addr, const char *name);

/* ---- for shim.c and world.c ---- */

/* Before a step that others can see, a change to this word or only a look: maybe others go first.
 */
enum { LOOK, CHANGE };
void model_point(const char *step, const void *addr, bool change);

/* Wait until model_unblock(addr): false if it is TIMED and the time ran out.  Not a point itself.
 */
enum { TIMED = 1, FICKLE = 2 /* may end without reason */ };
bool model_block(const void *addr, unsigned how);
void model_unblock(const void *addr);
void model_unblock_one(const void *addr);

/* Does this fail, although it need not? */
bool model_bad_luck(void);

/* The next of those that begin later begins: which it is, or -1.  And which one runs now. */
int model_launch(void);
int model_running(void);

/* Let the others go first; without them there is no going on. */
void model_yield(void);

/* Is this one of the model's threads, in its body, or the setup or check? */
bool model_is_on(void);

/* What the running thread is about to do with memory; the pointer is never followed. */
void model_plain(const void *addr, size_t size, bool write);
void model_atomic(const void *addr, size_t size, bool write, bool acquire, bool release,
                  bool replaces);

#endif
