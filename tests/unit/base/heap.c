/*
 * The pairing heap against a model that is too simple to be wrong: an array kept in order.
 *
 * Both get the same random insertions, removals and pops, from a fixed seed; after each step their
 * least nodes must be the same node.  Keys are few, so that most of them are equal and the order
 * of equal keys is what is tested.
 */
#include "base/heap.h"

#include <pthread.h>

#include "base/prng.h"
#include "harness/test.h"

enum { MODEL_MAX = 2000, KEYS = 50 };

struct model {
    aw_heap_node *sorted[MODEL_MAX];
    size_t count;
};

static bool goes_before(const aw_heap_node *a, const aw_heap_node *b)
{
    return a->key != b->key ? a->key < b->key : a->seq < b->seq;
}

static void model_insert(struct model *m, aw_heap_node *n)
{
    size_t at = m->count++;
    for (; at > 0 && goes_before(n, m->sorted[at - 1]); at--)
        m->sorted[at] = m->sorted[at - 1];
    m->sorted[at] = n;
}

static aw_heap_node *model_remove_at(struct model *m, size_t at)
{
    aw_heap_node *n = m->sorted[at];
    m->count--;
    memmove(&m->sorted[at], &m->sorted[at + 1], (m->count - at) * sizeof n);
    return n;
}

struct trial {
    aw_heap heap;
    struct model model;
    aw_prng prng;
    uint64_t next_seq;
    aw_heap_node nodes[MODEL_MAX];
    aw_heap_node *spare[MODEL_MAX];
    size_t spares;
};

static void insert_one(struct trial *t)
{
    aw_heap_node *n = t->spare[--t->spares];
    n->key = (int64_t)aw_prng_below(&t->prng, KEYS) - KEYS / 2;
    n->seq = t->next_seq++;
    aw_heap_insert(&t->heap, n);
    model_insert(&t->model, n);
}

static void remove_any(struct trial *t)
{
    aw_heap_node *n = model_remove_at(&t->model, aw_prng_below(&t->prng, t->model.count));
    aw_heap_remove(&t->heap, n);
    t->spare[t->spares++] = n;
}

static void pop_one(struct trial *t)
{
    aw_heap_node *n = model_remove_at(&t->model, 0);
    assert_ptr_equal(aw_heap_pop(&t->heap), n);
    t->spare[t->spares++] = n;
}

static void one_step(struct trial *t)
{
    uint64_t dice = aw_prng_below(&t->prng, 10);
    if (t->model.count == 0 || (dice < 5 && t->spares > 0))
        insert_one(t);
    else if (dice < 8)
        remove_any(t);
    else
        pop_one(t);
    aw_heap_node *least = t->model.count > 0 ? t->model.sorted[0] : NULL;
    assert_ptr_equal(aw_heap_min(&t->heap), least);
}

TEST(heap_agrees_with_a_sorted_array)
{
    static struct trial t;
    aw_prng_seed(&t.prng, 1);
    for (size_t i = 0; i < MODEL_MAX; i++)
        t.spare[t.spares++] = &t.nodes[i];
    unsigned steps = test_scale(100000, 20000);
    for (unsigned i = 0; i < steps; i++)
        one_step(&t);
    while (t.model.count > 0)
        pop_one(&t);
    assert_null(aw_heap_pop(&t.heap));
}

TEST(heap_gives_equal_keys_in_the_order_of_their_seq)
{
    aw_heap h = {NULL};
    aw_heap_node nodes[100];
    for (size_t i = 0; i < 100; i++) {
        size_t at = i * 37 % 100; /* inserted in another order than their seq */
        nodes[at] = (aw_heap_node){.key = 7, .seq = at};
        aw_heap_insert(&h, &nodes[at]);
    }
    for (size_t i = 0; i < 100; i++)
        assert_ptr_equal(aw_heap_pop(&h), &nodes[i]);
    assert_null(aw_heap_min(&h));
}

TEST(heap_takes_the_extreme_keys)
{
    aw_heap h = {NULL};
    aw_heap_node never = {.key = INT64_MAX}, ever = {.key = INT64_MIN}, now = {.key = 0};
    aw_heap_insert(&h, &never);
    aw_heap_insert(&h, &ever);
    aw_heap_insert(&h, &now);
    assert_ptr_equal(aw_heap_pop(&h), &ever);
    assert_ptr_equal(aw_heap_pop(&h), &now);
    assert_ptr_equal(aw_heap_pop(&h), &never);
}

TEST(heap_node_can_go_in_again_after_it_left)
{
    aw_heap h = {NULL};
    aw_heap_node a = {.key = 1}, b = {.key = 2};
    aw_heap_insert(&h, &a);
    aw_heap_insert(&h, &b);
    aw_heap_remove(&h, &a);
    a.key = 3;
    aw_heap_insert(&h, &a);
    assert_ptr_equal(aw_heap_pop(&h), &b);
    assert_ptr_equal(aw_heap_pop(&h), &a);
}

/* ---- deep and wide trees on a small stack ---- */

struct crowd {
    aw_heap_node *nodes;
    unsigned count;
    int64_t step; /* +1: one root with all the others as its children; -1: a chain */
};

static void *insert_all_and_pop_all(void *arg)
{
    struct crowd *c = arg;
    aw_heap h = {NULL};
    for (unsigned i = 0; i < c->count; i++) {
        c->nodes[i] = (aw_heap_node){.key = c->step * (int64_t)i, .seq = i};
        aw_heap_insert(&h, &c->nodes[i]);
    }
    int64_t last = INT64_MIN;
    unsigned popped = 0;
    for (aw_heap_node *n; (n = aw_heap_pop(&h)); popped++) {
        assert_true(n->key > last);
        last = n->key;
    }
    assert_int_equal(popped, c->count);
    return NULL;
}

static void run_on_small_stack(struct crowd *c)
{
    pthread_attr_t attr;
    pthread_t thread;
    assert_int_equal(pthread_attr_init(&attr), 0);
    assert_int_equal(pthread_attr_setstacksize(&attr, test_scale(64 << 10, 1 << 20)), 0);
    assert_int_equal(pthread_create(&thread, &attr, insert_all_and_pop_all, c), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&attr);
}

TEST(heap_of_a_million_needs_no_stack)
{
    struct crowd c = {.count = test_scale(1000000, 50000)};
    c.nodes = malloc(c.count * sizeof *c.nodes);
    assert_non_null(c.nodes);
    c.step = 1;
    run_on_small_stack(&c);
    c.step = -1;
    run_on_small_stack(&c);
    free(c.nodes);
}
