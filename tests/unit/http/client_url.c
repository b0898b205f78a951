/*
 * URLs: made, taken apart, encoded.
 */
#include "client.h"

static void assert_made(const char *base, const char *url, const char *const *query,
                        const char *expected)
{
    char buf[200];
    int n = aw_url_make(base, url, query, buf, sizeof buf);
    if (n < 0)
        fail_msg("%s: %d, %s", url, n, aw_errmsg());
    assert_string_equal(buf, expected);
    assert_int_equal(n, strlen(expected));
    char cut[8];
    assert_int_equal(aw_url_make(base, url, query, cut, sizeof cut), n);
    assert_memory_equal(cut, expected, 7);
    assert_int_equal(aw_url_make(base, url, query, NULL, 0), n);
}

TEST(client_url_made_absolute)
{
    assert_made(NULL, "http://h", NULL, "http://h/");
    assert_made("http://h/a/b?c#d", "e", NULL, "http://h/a/e");
    assert_made("http://h/a/b", "/e?f", NULL, "http://h/e?f");
    assert_made("http://h/a/b/", "../x/./y", NULL, "http://h/a/x/y");
    assert_made("http://h/a", "//other/x", NULL, "http://other/x");
    assert_made("http://h/a", "https://o:99/", NULL, "https://o:99/");
    assert_made("http://h/a", "?q=1", NULL, "http://h/a?q=1");
    assert_made(NULL, "http://h/", AW_PAIRS("a", "1 &", "b", ""), "http://h/?a=1%20%26&b=");
    assert_made(NULL, "http://h/?x=y", AW_PAIRS("a", "1"), "http://h/?x=y&a=1");
}

TEST(client_url_refused)
{
    static const char *const bad[] = {"",
                                      "relative",
                                      "http://",
                                      "http://h:99999/",
                                      "http://[::1",
                                      "http://h/\n",
                                      "http://a b/",
                                      "http://h:x/",
                                      "//h/",
                                      "http://h/a\x01b"};
    char buf[100];
    assert_int_equal(aw_url_make(NULL, "file:t//ttp://[::1/etc/passwd", NULL, buf, 100), -EINVAL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (aw_url_make(NULL, bad[i], NULL, buf, sizeof buf) != -EINVAL)
            fail_msg("accepted: %s as %s", bad[i], buf);
    assert_int_equal(aw_url_make(NULL, NULL, NULL, buf, 1), -EINVAL);
    assert_int_equal(aw_url_make(NULL, "http://h", NULL, NULL, 1), -EINVAL);
}

static void assert_part(const char *url, aw_url_part_name part, const char *expected)
{
    char buf[100] = "";
    int n = aw_url_part(url, part, buf, sizeof buf);
    if (!expected) {
        assert_int_equal(n, -ENOENT);
        return;
    }
    assert_string_equal(buf, expected);
    assert_int_equal(n, strlen(expected));
}

TEST(client_url_parts)
{
    const char *url = "https://me:pw@Example.org:81/a/b?c=d#e";
    assert_part(url, AW_URL_SCHEME, "https");
    assert_part(url, AW_URL_USER, "me");
    assert_part(url, AW_URL_PASSWORD, "pw");
    assert_part(url, AW_URL_HOST, "Example.org");
    assert_part(url, AW_URL_PORT, "81");
    assert_part(url, AW_URL_PATH, "/a/b");
    assert_part(url, AW_URL_QUERY, "c=d");
    assert_part(url, AW_URL_FRAGMENT, "e");
    assert_part("http://[::1]/", AW_URL_HOST, "[::1]");
    assert_part("http://h", AW_URL_PORT, "80");
    assert_part("https://h", AW_URL_PORT, "443");
    assert_part("http://h", AW_URL_PATH, "/");
    assert_part("http://h", AW_URL_QUERY, NULL);
    assert_part("http://h", AW_URL_USER, NULL);
    assert_int_equal(aw_url_part("h", AW_URL_HOST, NULL, 0), -EINVAL);
    assert_int_equal(aw_url_part(NULL, AW_URL_HOST, NULL, 0), -EINVAL);
    assert_int_equal(aw_url_part("http://h", (aw_url_part_name)99, NULL, 0), -EINVAL);
}

TEST(client_url_encoded_and_back)
{
    char buf[100], all[300], there[800], back[300];
    assert_int_equal(aw_url_encode("a b/\xff", 0, buf, sizeof buf), 11);
    assert_string_equal(buf, "a%20b%2F%FF");
    assert_int_equal(aw_url_encode("ab", 1, buf, sizeof buf), 1);
    assert_string_equal(buf, "a");
    assert_int_equal(aw_url_decode("a%20b%2f%zz%4", buf, sizeof buf), 9);
    assert_string_equal(buf, "a b/%zz%4");
    for (int i = 0; i < 255; i++)
        all[i] = (char)(i + 1);
    all[255] = '\0';
    assert_true(aw_url_encode(all, 0, there, sizeof there) < (int)sizeof there);
    assert_int_equal(aw_url_decode(there, back, sizeof back), 255);
    assert_string_equal(back, all);
    assert_int_equal(aw_url_encode("a b", 0, NULL, 0), 5);
    assert_int_equal(aw_url_encode("a b", 0, buf, 3), 5); /* cut, and terminated */
    assert_string_equal(buf, "a%");
    assert_int_equal(aw_url_encode(NULL, 0, buf, 3), -EINVAL);
    assert_int_equal(aw_url_decode(NULL, buf, 3), -EINVAL);
}

TEST(client_url_query)
{
    char buf[100];
    assert_int_equal(aw_url_query(AW_PAIRS("a", "1", "b c", "&"), buf, sizeof buf), 13);
    assert_string_equal(buf, "a=1&b%20c=%26");
    assert_int_equal(aw_url_query(NULL, buf, sizeof buf), 0);
    assert_string_equal(buf, "");
    assert_int_equal(aw_url_query(AW_PAIRS("odd"), buf, sizeof buf), 4);
    assert_string_equal(buf, "odd=");
}
