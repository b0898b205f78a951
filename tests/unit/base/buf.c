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

/* The end of a path tells most. */
TEST(buf_shows_the_end_of_a_long_text)
{
    char text[64];
    aw_buf b;
    aw_buf_init(&b, text, sizeof text);
    aw_buf_add_end(&b, "abc", 3);
    aw_buf_add_end(&b, "abcd", 3);
    aw_buf_add_end(&b, "", 3);
    assert_string_equal(text, "abc...bcd");
}

static void shows(const char *text, const char *as)
{
    char shown[128], again[128];
    aw_buf b;
    aw_buf_init(&b, shown, sizeof shown);
    aw_buf_add_shown(&b, text);
    assert_string_equal(shown, as);
    aw_buf_init(&b, again, sizeof again);
    aw_buf_add_shown(&b, shown); /* which changes nothing */
    assert_string_equal(again, as);
}

TEST(buf_shows_control_characters_by_their_names)
{
    shows("", "");
    shows("plain ~ \\ text", "plain ~ \\ text");
    shows("a\nb\r\tc", "a\\nb\\r\\tc");
    shows("\x1b[31mred\x07\x7f", "\\x1b[31mred\\x07\\x7f");
    shows("\x01", "\\x01");
}

TEST(buf_shows_utf8_and_no_other_bytes)
{
    shows("\xc3\xa9t\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "\xc3\xa9t\xc3\xa9 \xe2\x82\xac "
                                                             "\xf0\x9f\x98\x80");
    shows("\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf", "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf");
    shows("\xff|\x80|\xfe", "\\xff|\\x80|\\xfe");
    shows("\xc3", "\\xc3"); /* cut short */
    shows("\xe2\x82", "\\xe2\\x82");
    shows("\xf0\x9f\x98", "\\xf0\\x9f\\x98");
    shows("\xc3(", "\\xc3(");
    shows("\xc0\xaf", "\\xc0\\xaf"); /* longer than need be */
    shows("\xe0\x80\xaf", "\\xe0\\x80\\xaf");
    shows("\xf0\x80\x80\xaf", "\\xf0\\x80\\x80\\xaf");
    shows("\xed\xa0\x80", "\\xed\\xa0\\x80");          /* half of a pair */
    shows("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* beyond the last */
    shows("\xc2\x9b", "\\xc2\\x9b");                   /* a control character of eight bits */
    shows("\xc2\xa0", "\xc2\xa0");
}

TEST(buf_counts_what_it_would_show)
{
    aw_buf b;
    aw_buf_init(&b, NULL, 0);
    aw_buf_add_shown(&b, "a\n\xff");
    assert_int_equal(b.wanted, strlen("a\\n\\xff"));
}
