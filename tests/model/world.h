/*
 * world.h - a loop for models, and the test that a model makes.
 */
#ifndef TESTS_MODEL_WORLD_H
#define TESTS_MODEL_WORLD_H

#include "core/core.h"
#include "harness/test.h"
#include "model/explore.h"

/* A new order: called first by a setup that makes no loop. */
void world_begin(void);

/* A loop whose poll the explorer knows.  (A loop that is opened by a run has that too; only one at
 * a time.) */
aw_loop *world_loop(void);

/* One thread waits until another has come so far, and sees what that has written. */
struct gate {
    bool open;
    unsigned char clock; /* only its address is used */
};
void gate_open(struct gate *g);
void gate_pass(struct gate *g);

/* The thread that the library starts is this one of the model's; at most one in each order. */
void world_started_thread(void);

#ifdef MODEL_BROKEN
enum { model_is_broken = true };
#else
enum { model_is_broken = false };
#endif

/* A test that tries every order of a model: it finds nothing in the sources as they are, and
 * something in those of which one line was changed. */
#define TEST_MODEL(name, model)                                                                    \
    TEST_SLOW(name)                                                                                \
    {                                                                                              \
        static struct verdict v;                                                                   \
        if (getenv("AWAIT_TEST_INSTRUMENTED"))                                                     \
            SKIP("valgrind takes too long to try every order");                                    \
        explore(&(model), ULONG_MAX, &v);                                                          \
        assert_int_equal(v.found, model_is_broken);                                                \
    }

#endif
