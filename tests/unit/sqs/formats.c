/*
 * The formats below the client: MD5, JSON, dates, and the shared files.
 */
#include "sqs/date.h"
#include "sqs/md5.h"
#include "sqs/sqs.h"

#include "sqs.h"

static const char *md5(const char *text, size_t n, size_t piece)
{
    static char hex[33];
    struct aw_sqs_md5 m;
    aw_sqs_md5_begin(&m);
    for (size_t at = 0; at < n; at += piece)
        aw_sqs_md5_add(&m, text + at, piece < n - at ? piece : n - at);
    aw_sqs_md5_end(&m, hex);
    return hex;
}

TEST(sqs_md5_is_that_of_the_rfc)
{
    static const char *const known[][2] = {
        {"", "d41d8cd98f00b204e9800998ecf8427e"},
        {"a", "0cc175b9c0f1b6a831c399e269772661"},
        {"abc", "900150983cd24fb0d6963f7d28e17f72"},
        {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
        {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
         "57edf4a22be3c955ac49da2e2107b67a"},
        {"h\303\251", "33fcd01258e6ba07ef405dc9e721f3a7"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        for (size_t piece = 1; piece < 70; piece += 7)
            assert_string_equal(md5(known[i][0], strlen(known[i][0]), piece), known[i][1]);
}

TEST(sqs_md5_of_attributes_is_the_services)
{
    char hex[33];
    const aw_sqs_attribute a[] = {
        {"n", "Number", "1", 0}, {"k", NULL, "v", 0}, {"b", "Binary", "\1\2", 2}};
    aw_sqs_attributes_md5(a, 3, hex);
    assert_string_equal(hex, "9741a701f09322c0fd4c6754c124c25c");
}

TEST(sqs_json_says_what_is_wrong)
{
    struct aw_sqs_json *v;
    char why[AW_JSON_WHY];
    assert_int_equal(aw_sqs_json_parse("{\"a\":", 5, &v, why), -EBADMSG);
    assert_non_null(strstr(why, "at byte 5"));
    assert_int_equal(aw_sqs_json_parse("[]", 2, &v, why), -EBADMSG);
    assert_string_equal(why, "it is no object");
    assert_int_equal(aw_sqs_json_parse(" \r\n", 3, &v, why), 0);
    assert_int_equal(aw_sqs_json_count(v), 0);
    aw_sqs_json_free(v);
}

TEST(sqs_dates_are_read_and_written)
{
    char text[20];
    aw_sqs_date_write(1795253504, text);
    assert_string_equal(text, "20261121T093144Z");
    aw_sqs_date_write(951782400, text);
    assert_string_equal(text, "20000229T000000Z");
    assert_true(aw_sqs_date_iso("2026-11-21T09:31:44Z") == 1795253504);
    assert_true(aw_sqs_date_iso("1970-01-01T00:00:00.5Z") == 0);
    const char *const none[] = {"", "yesterday", "2026-11-21", "2026-13-21T09:31:44Z", NULL};
    for (int i = 0; none[i]; i++)
        assert_true(aw_sqs_date_iso(none[i]) == -1);
    assert_true(aw_sqs_date_iso(NULL) == -1);
}

static const char config[] = "# a comment\n"
                             "[default]\n"
                             "region = us-east-1\n"
                             "[profile  work ]\r\n"
                             "region=eu-west-1\r\n"
                             "s3 =\n"
                             "  endpoint_url = http://wrong\n"
                             "services = here\n"
                             "; another\n"
                             "[services here]\n"
                             "s3 =\n"
                             "  endpoint_url = http://s3\n"
                             "sqs =\n"
                             "\n"
                             "  endpoint_url = http://sqs:1/x=y\n"
                             "[work]\n"
                             "region = nowhere\n"
                             "last = without a line break";

static void assert_finds(const char *kind, const char *name, const char *key, const char *sub,
                         const char *value)
{
    char *found = NULL;
    assert_int_equal(aw_sqs_profile_find(config, kind, name, key, sub, &found), value != NULL);
    if (value)
        assert_string_equal(found, value);
    aw_mem_free(found);
}

TEST(sqs_shared_files_are_looked_into)
{
    assert_finds("profile", "default", "region", NULL, "us-east-1");
    assert_finds("profile", "work", "region", NULL, "eu-west-1");
    assert_finds("profile", "work", "endpoint_url", NULL, NULL);
    assert_finds("profile", "work", "s3", "endpoint_url", "http://wrong");
    assert_finds("profile", "other", "region", NULL, NULL);
    assert_finds("services", "here", "sqs", "endpoint_url", "http://sqs:1/x=y");
    assert_finds("", "work", "region", NULL, "nowhere");
    assert_finds("", "work", "last", NULL, "without a line break");
    assert_finds("", "default", "services", NULL, NULL);
}
