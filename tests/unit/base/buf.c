/*
 * Text with a ceiling: what fits is there, what does not is counted, nothing is written beyond.
 */
#include "base/buf.h"

#include "harness/test.h"

TEST(buf_joins_its_pieces)
{
    char text[64];
    aw_buf b;
    aw_buf_init(&b, text, sizeof text);
    assert_string_equal(text, "");
    aw_buf_add(&b, "task ");
    aw_buf_addn(&b, "fetch_all", 5);
    aw_buf_printf(&b, " at %s:%d", "a.c", 7);
    assert_string_equal(text, "task fetch at a.c:7");
    assert_int_equal(b.len, strlen(text));
    assert_false(aw_buf_cut(&b));
}

TEST(buf_that_is_exactly_full_is_not_cut)
{
    char text[4];
    aw_buf b;
    aw_buf_init(&b, text, sizeof text);
    aw_buf_printf(&b, "%d", 123);
    assert_string_equal(text, "123");
    assert_false(aw_buf_cut(&b));
    aw_buf_add(&b, "");
    assert_false(aw_buf_cut(&b));
    aw_buf_add(&b, "4");
    assert_true(aw_buf_cut(&b));
    assert_string_equal(text, "123");
}

TEST(buf_adds_nothing_after_a_cut)
{
    char text[8];
    aw_buf b;
    aw_buf_init(&b, text, sizeof text);
    aw_buf_printf(&b, "%s", "a long line");
    assert_string_equal(text, "a long ");
    aw_buf_add(&b, "x");
    aw_buf_printf(&b, "%d", 1);
    assert_string_equal(text, "a long ");
    assert_int_equal(b.wanted, strlen("a long linex1"));
}

TEST(buf_of_any_size_stays_within_it)
{
    for (size_t size = 0; size < 32; size++) {
        char text[40];
        memset(text, '#', sizeof text);
        aw_buf b;
        aw_buf_init(&b, text, size);
        aw_buf_add(&b, "0123456789");
        aw_buf_printf(&b, "%s", "abcdefghij");
        assert_int_equal(b.wanted, 20);
        assert_int_equal(b.len, size == 0 ? 0 : size - 1 < 20 ? size - 1 : 20);
        assert_int_equal(text[size], '#');
        if (size > 0)
            assert_int_equal(strlen(text), b.len);
    }
}
