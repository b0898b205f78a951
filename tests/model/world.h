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

/* Writes to the stack where frames were that have been left: a race with whoever still uses them.
 */
void world_reuse_stack(void);

/* Tries every order: it finds nothing in the sources as they are; and in those of which one place
 * was changed, it finds something, with as little bad luck as will do.  A crash, or a failing
 * assertion of the library's own, is as good.  The threads are left where they are then, so the
 * process ends without its exit handlers. */
void world_try(const struct model *m, bool is_broken);

#ifdef MODEL_BROKEN /* the name of the bug, and of the model that finds it, if there are several   \
                     */
enum { model_is_broken = true };
#define MODEL_NAME_(test, bug) test "_finds_" #bug
#define MODEL_NAME(test, bug) MODEL_NAME_(#test, bug)
#else
enum { model_is_broken = false };
#define MODEL_BROKEN
#define MODEL_FINDER ""
#define MODEL_NAME(test, bug) #test
#endif

#define TEST_MODEL(model_test, model)                                                              \
    static void model_test(void)                                                                   \
    {                                                                                              \
        if (getenv("AWAIT_TEST_INSTRUMENTED"))                                                     \
            SKIP("valgrind takes too long to try every order");                                    \
        world_try(&(model), model_is_broken);                                                      \
    }                                                                                              \
    __attribute__((constructor)) static void add_##model_test(void)                                \
    {                                                                                              \
        static struct test_case test = {.name = MODEL_NAME(model_test, MODEL_BROKEN),              \
                                        .file = __FILE__,                                          \
                                        .line = __LINE__,                                          \
                                        .flags = TEST_FLAG_SLOW,                                   \
                                        .body = (model_test)};                                     \
        if (!*MODEL_FINDER || strcmp(#model_test, MODEL_FINDER) == 0)                              \
            test_register(&test);                                                                  \
    }

#endif
