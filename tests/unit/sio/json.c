/*
 * json.c - placeholders in the values of JSON.
 */
#include <jansson.h>

#include "harness/test.h"
#include "sio/json.h"

static int parse(const char *text, json_t **ret)
{
    *ret = NULL;
    return aw_json_parse(ret, text, strlen(text), 64, NULL);
}

/* CVE-2022-2421: what a placeholder says is looked at before it is used. */
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
        aw_json_unref(v);
    }
}
