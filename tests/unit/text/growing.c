/*
 * Bytes that are put together piece by piece: the ceiling, and what is added to nothing.
 */
#include "text/growing.h"
#include "harness/test.h"

TEST(growing_has_a_ceiling)
{
    struct aw_growing t = {.ceiling = 5};
    aw_growing_adds(&t, "abc");
    aw_growing_addu(&t, 12);
    assert_int_equal(t.failed, 0);
    aw_growing_addc(&t, 'x');
    assert_int_equal(t.failed, AW_ELIMIT);
    assert_int_equal(t.len, 5);
    aw_growing_add(&t, "", 0);
    assert_int_equal(t.failed, AW_ELIMIT);
    aw_growing_clear(&t);
    assert_int_equal(t.failed, 0);
    assert_null(aw_growing_room(&t, (size_t)-1));
}

TEST(growing_by_nothing)
{
    struct aw_growing t = {0};
    aw_growing_add(&t, NULL, 0);
    aw_growing_adds(&t, "");
    assert_int_equal(t.failed, 0);
    assert_int_equal(t.len, 0);
    aw_growing_clear(&t);
}

TEST(growing_past_its_first_memory)
{
    struct aw_growing t = {0};
    for (uint64_t i = 0; i < 1000; i++)
        aw_growing_addu(&t, i % 10);
    aw_growing_printf(&t, "%c", 0);
    assert_int_equal(t.failed, 0);
    assert_int_equal(t.len, 1001);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(t.data[i], '0' + i % 10);
    aw_growing_clear(&t);
}
