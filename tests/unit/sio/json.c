/*
 * json.c - the adapter of jansson: depth both ways, numbers of JavaScript, placeholders.
 */
#include <jansson.h>

#include "harness/test.h"
#include "sio/json.h"

static int parse(const char *text, json_t **ret)
{
    *ret = NULL;
    return aw_sio_json_parse(ret, text, strlen(text), 64);
}

/* What is read is written as it was: compact, keys in their order. */
TEST(sio_json_keeps_order_and_is_compact)
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
        assert_int_equal(aw_sio_json_write(&t, v, 64), 0);
        assert_int_equal(t.len, strlen(texts[i]));
        assert_memory_equal(t.data, texts[i], t.len);
        aw_growing_clear(&t);
        aw_sio_json_unref(v);
    }
}

TEST(sio_json_takes_the_numbers_of_javascript)
{
    json_t *v;
    assert_int_equal(parse("[100000000000000000000]", &v), 0);
    assert_true(json_real_value(json_array_get(v, 0)) == 1e20);
    aw_sio_json_unref(v);
}

TEST(sio_json_refuses_what_is_none)
{
    static const char *const bad[] = {"",      "[",        "[1,]",       "{}x",  "abc",
                                      "[1] 2", "\"\xff\"", "nul",        "[01]", "{1:2}",
                                      "'a'",   "[1e999]",  "\"\\ud800\""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t *v;
        assert_int_equal(parse(bad[i], &v), -EBADMSG);
        assert_null(v);
    }
}

/* Found by fuzzing: what is behind a zero would be JSON for one and not for the other. */
TEST(sio_json_with_a_zero_in_it_is_none)
{
    json_t *v = NULL;
    assert_int_equal(aw_sio_json_parse(&v, "[0\0]", 4, 64), -EBADMSG);
    assert_int_equal(aw_sio_json_parse(&v, "[0]\0", 4, 64), -EBADMSG);
    assert_int_equal(aw_sio_json_parse(&v, "", 0, 64), -EBADMSG);
    assert_null(v);
}

/* reliability.md, "Deep JSON": a million brackets are refused before anything recurses. */
TEST(sio_json_depth_is_checked_before_parsing)
{
    enum { N = 1000000 };
    char *deep = malloc(N);
    memset(deep, '[', N);
    json_t *v = NULL;
    assert_int_equal(aw_sio_json_parse(&v, deep, N, 64), AW_ELIMIT);
    assert_null(v);
    memset(deep + 64, ']', 64);
    assert_int_equal(aw_sio_json_parse(&v, deep, 128, 64), 0);
    aw_sio_json_unref(v);
    assert_int_equal(aw_sio_json_parse(&v, deep, 128, 63), AW_ELIMIT);
    free(deep);
    /* Brackets in strings do not count, escaped quotes do not end them. */
    assert_int_equal(aw_sio_json_depth("\"[[[\\\"[[[\"", 11, 0), 0);
    assert_int_equal(aw_sio_json_depth("\"\\\\\"[", 5, 0), AW_ELIMIT);
}

TEST(sio_json_depth_is_checked_before_writing)
{
    json_t *value = json_array();
    for (int i = 1; i < 64; i++) {
        json_t *outer = json_object();
        json_object_set_new(outer, "a", value);
        value = outer;
    }
    struct aw_growing t = {0};
    assert_int_equal(aw_sio_json_write(&t, value, 64), 0);
    aw_growing_clear(&t);
    assert_int_equal(aw_sio_json_write(&t, value, 63), AW_ELIMIT);
    assert_int_equal(t.len, 0);
    json_decref(value);
}

TEST(sio_json_that_contains_itself_is_refused)
{
    json_t *a = json_array(), *b = json_array();
    json_array_append(a, b);
    json_array_append(b, a);
    struct aw_growing t = {0};
    assert_int_equal(aw_sio_json_write(&t, a, 64), AW_ELIMIT);
    json_array_clear(b);
    json_decref(b);
    json_decref(a);
}

/* reliability.md, CVE-2022-2421: what a placeholder says is looked at before it is used. */
TEST(sio_json_placeholders_are_looked_at)
{
    static const struct {
        const char *text;
        unsigned n;
        int err;
    } known[] = {
        {"[{\"_placeholder\":true,\"num\":0}]", 1, 0},
        {"[{\"a\":[{\"_placeholder\":true,\"num\":1}]},{\"_placeholder\":true,\"num\":0}]", 2, 0},
        {"[1]", 0, 0},
        {"[1]", 1, -EBADMSG},
        {"[{\"_placeholder\":true,\"num\":1}]", 1, -EBADMSG},
        {"[{\"_placeholder\":true,\"num\":-1}]", 1, -EBADMSG},
        {"[{\"_placeholder\":true,\"num\":0.5}]", 1, -EBADMSG},
        {"[{\"_placeholder\":true,\"num\":\"0\"}]", 1, -EBADMSG},
        {"[{\"_placeholder\":true,\"num\":\"splice\"}]", 1, -EBADMSG},
        {"[{\"_placeholder\":true}]", 1, -EBADMSG},
        {"[{\"_placeholder\":true,\"num\":{}}]", 1, -EBADMSG},
        {"[{\"_placeholder\":true,\"num\":99999999999}]", 1, -EBADMSG},
        {"[{\"_placeholder\":false,\"num\":7},{\"_placeholder\":true,\"num\":0}]", 1, 0},
        {"[{\"_placeholder\":true,\"num\":0}]", 0, -EBADMSG},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        json_t *v;
        assert_int_equal(parse(known[i].text, &v), 0);
        if (aw_sio_json_placeholders(v, known[i].n) != known[i].err)
            fail_msg("%s", known[i].text);
        aw_sio_json_unref(v);
    }
}

TEST(sio_json_quotes)
{
    struct aw_growing t = {0};
    aw_sio_json_quote(&t, "a\"b\\c\n\x01\xc3\xa9", 9);
    const char *want = "\"a\\\"b\\\\c\\u000a\\u0001\xc3\xa9\"";
    assert_int_equal(t.len, strlen(want));
    assert_memory_equal(t.data, want, t.len);
    aw_growing_clear(&t);
}
