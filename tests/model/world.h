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

/* A thread that the library starts is one of the model's `later` ones, with this body; when there
 * is none left, the system gives no thread. */
void world_started_thread(void);

#ifdef MODEL_BROKEN /* the name of the bug */
enum { model_is_broken = true };
#define MODEL_NAME_(name, bug) name##_breaks_by_##bug
#define MODEL_NAME(name, bug) MODEL_NAME_(name, bug)
#else
enum { model_is_broken = false };
#define MODEL_BROKEN
#define MODEL_NAME(name, bug) name
#endif

/* A test that tries every order of a model: it finds nothing in the sources as they are, and
 * something in those of which one line was changed.  The threads are left where they are then, so
 * no exit handler may look at what they hold. */
#define TEST_MODEL(name, model)                                                                    \
    TEST_SLOW(MODEL_NAME(name, MODEL_BROKEN))                                                      \
    {                                                                                              \
        static struct verdict v;                                                                   \
        if (getenv("AWAIT_TEST_INSTRUMENTED"))                                                     \
            SKIP("valgrind takes too long to try every order");                                    \
        explore(&(model), ULONG_MAX, &v);                                                          \
        if (v.found && model_is_broken)                                                            \
            _Exit(0);                                                                              \
        assert_int_equal(v.found, false);                                                          \
        assert_int_equal(model_is_broken, false);                                                  \
    }

#endif
