/*
 * JSON: depth both ways, numbers of JavaScript, what is no JSON, strings.
 */
#include <jansson.h>

#include "harness/test.h"
#include "text/json.h"

static char why[AW_JSON_WHY];

static int parse(const char *text, json_t **ret)
{
    *ret = NULL;
    return aw_json_parse(ret, text, strlen(text), 64, why);
}

/* What is read is written as it was: compact, keys in their order. */
TEST(json_keeps_order_and_is_compact)
{
    static const char *const texts[] = {
        "[\"message\",1,\"2\",{\"3\":[false]}]",
        "{\"z\":1,\"a\":null,\"m\":{\"y\":true,\"b\":[]}}",
        "[{\"_placeholder\":true,\"num\":0},\"\xc3\xa9\",\"\\u0000\\n\\\"\"]",
        "[9007199254740993,-1,2.5]",
        "\"text\"",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_t *v;
        struct aw_growing t = {0};
        assert_int_equal(parse(texts[i], &v), 0);
        assert_int_equal(aw_json_write(&t, v, 64), 0);
        assert_int_equal(t.len, strlen(texts[i]));
        assert_memory_equal(t.data, texts[i], t.len);
        aw_growing_clear(&t);
        aw_json_unref(v);
    }
}

TEST(json_takes_the_numbers_of_javascript)
{
    json_t *v;
    assert_int_equal(parse("[100000000000000000000]", &v), 0);
    assert_true(json_real_value(json_array_get(v, 0)) == 1e20);
    aw_json_unref(v);
}

TEST(json_refuses_what_is_none)
{
    static const char *const bad[] = {"",      "[",        "[1,]",       "{}x",  "abc",
                                      "[1] 2", "\"\xff\"", "nul",        "[01]", "{1:2}",
                                      "'a'",   "[1e999]",  "\"\\ud800\""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t *v;
        why[0] = '\0';
        assert_int_equal(parse(bad[i], &v), -EBADMSG);
        assert_null(v);
        assert_non_null(strstr(why, " at byte "));
    }
}

/* Found by fuzzing: what is behind a zero would be JSON for one and not for the other. */
TEST(json_with_a_zero_in_it_is_none)
{
    json_t *v = NULL;
    assert_int_equal(aw_json_parse(&v, "[0\0]", 4, 64, NULL), -EBADMSG);
    assert_int_equal(aw_json_parse(&v, "[0]\0", 4, 64, NULL), -EBADMSG);
    assert_int_equal(aw_json_parse(&v, "", 0, 64, NULL), -EBADMSG);
    assert_null(v);
}

/* Deep JSON: a million brackets are refused before anything recurses. */
TEST(json_depth_is_checked_before_parsing)
{
    enum { N = 1000000 };
    char *deep = malloc(N);
    memset(deep, '[', N);
    json_t *v = NULL;
    assert_int_equal(aw_json_parse(&v, deep, N, 64, NULL), AW_ELIMIT);
    assert_null(v);
    memset(deep + 64, ']', 64);
    assert_int_equal(aw_json_parse(&v, deep, 128, 64, NULL), 0);
    aw_json_unref(v);
    assert_int_equal(aw_json_parse(&v, deep, 128, 63, NULL), AW_ELIMIT);
    free(deep);
    /* Brackets in strings do not count, escaped quotes do not end them. */
    assert_int_equal(aw_json_parse(&v, "\"[[[\\\"[[[\"", 10, 0, NULL), 0);
    aw_json_unref(v);
    assert_int_equal(aw_json_parse(&v, "\"\\\\\"[", 5, 0, NULL), AW_ELIMIT);
}

TEST(json_depth_is_checked_before_writing)
{
    json_t *value = json_array();
    for (int i = 1; i < 64; i++) {
        json_t *outer = json_object();
        json_object_set_new(outer, "a", value);
        value = outer;
    }
    struct aw_growing t = {0};
    assert_int_equal(aw_json_write(&t, value, 64), 0);
    aw_growing_clear(&t);
    assert_int_equal(aw_json_write(&t, value, 63), AW_ELIMIT);
    assert_int_equal(t.len, 0);
    json_decref(value);
}

TEST(json_that_contains_itself_is_refused)
{
    json_t *a = json_array(), *b = json_array();
    json_array_append(a, b);
    json_array_append(b, a);
    struct aw_growing t = {0};
    assert_int_equal(aw_json_write(&t, a, 64), AW_ELIMIT);
    json_array_clear(b);
    json_decref(b);
    json_decref(a);
}

/* Names for those that have one, numbers for the others, and what is no UTF-8 is none. */
TEST(json_quotes)
{
    static const char text[] = "a\"b\\c\n\r\t\b\f\1\0h\303\251/";
    static const char want[] = "\"a\\\"b\\\\c\\n\\r\\t\\b\\f\\u0001\\u0000h\303\251/\"";
    struct aw_growing t = {0};
    json_t *v;
    aw_json_quote(&t, text, sizeof text - 1);
    assert_int_equal(t.len, sizeof want - 1);
    assert_memory_equal(t.data, want, t.len);
    assert_int_equal(aw_json_parse(&v, t.data, t.len, 0, NULL), 0);
    assert_int_equal(json_string_length(v), sizeof text - 1);
    assert_memory_equal(json_string_value(v), text, sizeof text - 1);
    aw_json_unref(v);
    aw_json_quote(&t, "a\xff", 2);
    assert_int_equal(t.failed, -EILSEQ);
    aw_growing_clear(&t);
}
