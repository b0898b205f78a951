/*
 * Small texts: copies, words, lists.
 */
#include "text/words.h"
#include "await/memory.h"
#include "harness/test.h"

TEST(words_copied)
{
    char *all = aw_copy("text"), *some = aw_copy_n("te\0xt", 4), *none = aw_copy_n("", 0);
    assert_string_equal(all, "text");
    assert_memory_equal(some, "te\0x", 5);
    assert_string_equal(none, "");
    assert_null(aw_copy(NULL));
    assert_null(aw_copy_n(NULL, 4));
    aw_mem_free(all);
    aw_mem_free(some);
    aw_mem_free(none);
}

TEST(words_are_the_same_in_any_case)
{
    assert_true(aw_same_word("Content-Length: 5", 14, "content-length"));
    assert_true(aw_same_word("", 0, ""));
    assert_false(aw_same_word("content-lengt", 13, "content-length"));
    assert_false(aw_same_word("content-length", 14, "content-lengt"));
    assert_false(aw_same_word("[", 1, "{")); /* only letters have a case */
    assert_false(aw_same_word("a\0b", 3, "a"));
}

TEST(words_that_are_tokens)
{
    assert_true(aw_is_token("X-a.1", 5));
    assert_true(aw_is_token("!#$%&'*+-.^_`|~", 15));
    assert_false(aw_is_token("", 0));
    static const char others[] = "\"(),/:;<=>?@[\\]{} \t\n\177\200\377";
    for (size_t i = 0; i < sizeof others; i++)
        assert_false(aw_is_token(others + i, 1));
}

TEST(words_with_control_characters)
{
    assert_false(aw_has_control("a\tb \303\251", 6));
    assert_false(aw_has_control("", 0));
    assert_true(aw_has_control("a\n", 2));
    assert_true(aw_has_control("\177", 1));
    assert_true(aw_has_control("a\0b", 3));
}

static void expect_items(const char *list, const char *joined)
{
    char text[64] = "";
    const char *at = list, *end = list + strlen(list), *item;
    size_t n, len = 0;
    while (aw_next_item(&at, end, &item, &n))
        len += (size_t)snprintf(text + len, sizeof text - len, "%.*s|", (int)n, item);
    assert_string_equal(text, joined);
}

TEST(words_of_a_list)
{
    expect_items("", "");
    expect_items(" , ,\t", "");
    expect_items("a", "a|");
    expect_items("a, b c ,,\td\t", "a|b c|d|");
}

static void expect_decoded(const char *text, bool is_query, const char *wanted)
{
    char buf[32];
    snprintf(buf, sizeof buf, "%s", text);
    ptrdiff_t n = aw_percent_decode(buf, strlen(buf), is_query);
    if (n >= 0)
        buf[n] = '\0';
    if (wanted ? n < 0 || strcmp(buf, wanted) != 0 : n >= 0)
        fail_msg("%s: %td %s", text, n, buf);
}

TEST(words_with_percent_codes)
{
    expect_decoded("", false, "");
    expect_decoded("a%20b%2Fc%c3%A9", false, "a b/c\303\251");
    expect_decoded("a+b", false, "a+b");
    expect_decoded("a+b%2b", true, "a b+");
    expect_decoded("%", false, NULL);
    expect_decoded("a%2", false, NULL);
    expect_decoded("%2g", false, NULL);
    expect_decoded("%g2", false, NULL);
    expect_decoded("%00", false, NULL);
}
