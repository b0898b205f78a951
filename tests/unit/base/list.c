/*
 * The intrusive lists: order, removal from anywhere, and the promises about nodes on no list.
 */
#include "base/list.h"

#include "harness/test.h"

struct item {
    int number;
    aw_list link;
};

static struct item items[5];

static void fill(aw_list *head, int count)
{
    aw_list_init(head);
    for (int i = 0; i < count; i++) {
        items[i].number = i;
        aw_list_push_back(head, &items[i].link);
    }
}

/* The numbers on a list, as the digits of one: 0, 1, 2 is 12. */
static int digits(const aw_list *head)
{
    int all = 0;
    aw_list_each(it, (aw_list *)head) all =
        all * 10 + aw_container_of(it, struct item, link)->number;
    return all;
}

TEST(list_keeps_the_order_of_both_ends)
{
    aw_list head;
    fill(&head, 4);
    assert_int_equal(digits(&head), 123);
    aw_list_remove(&items[3].link);
    aw_list_push_front(&head, &items[3].link);
    assert_int_equal(digits(&head), 3012);
}

TEST(list_removes_from_anywhere_and_twice)
{
    aw_list head;
    fill(&head, 5);
    aw_list_remove(&items[2].link);
    assert_false(aw_list_linked(&items[2].link));
    aw_list_remove(&items[2].link);
    aw_list_remove(&items[4].link);
    aw_list_remove(&items[0].link);
    assert_int_equal(digits(&head), 13);
}

TEST(list_pops_in_order_and_then_nothing)
{
    aw_list head;
    fill(&head, 3);
    for (int i = 0; i < 3; i++)
        assert_ptr_equal(aw_list_pop_front(&head), &items[i].link);
    assert_null(aw_list_pop_front(&head));
    assert_true(aw_list_empty(&head));
}

TEST(list_splice_moves_all_and_leaves_none)
{
    aw_list to, from;
    aw_list_init(&from);
    fill(&to, 5);
    for (int i = 3; i < 5; i++) {
        aw_list_remove(&items[i].link);
        aw_list_push_front(&from, &items[i].link);
    }
    aw_list_splice(&to, &from);
    assert_int_equal(digits(&to), 1243);
    assert_true(aw_list_empty(&from));
    aw_list_splice(&to, &from);
    assert_int_equal(digits(&to), 1243);
}

TEST(list_may_lose_the_visited_node_while_walked)
{
    aw_list head;
    fill(&head, 5);
    aw_list_each_safe(it, &head) if (aw_container_of(it, struct item, link)->number % 2 == 0)
        aw_list_remove(it);
    assert_int_equal(digits(&head), 13);
}

TEST(fifo_gives_back_in_order_also_after_running_empty)
{
    aw_fifo q = {NULL, NULL};
    aw_fifo_node nodes[3];
    assert_null(aw_fifo_pop(&q));
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3; i++)
            aw_fifo_push(&q, &nodes[i]);
        for (int i = 0; i < 3; i++)
            assert_ptr_equal(aw_fifo_pop(&q), &nodes[i]);
        assert_null(aw_fifo_pop(&q));
    }
}
