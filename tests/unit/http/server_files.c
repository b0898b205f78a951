/*
 * Files: what is served, in which parts, under which conditions; and what is not.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "serving.h"

static char root[64];

static void put_file(const char *name, const char *data, size_t n)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    fclose(f);
    const struct timespec times[2] = {{.tv_sec = 784111777}, {.tv_sec = 784111777}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void make_folder(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    assert_int_equal(mkdir(path, 0755), 0);
}

static void make_link(const char *to, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    assert_int_equal(symlink(to, path), 0);
}

static void make_root(void)
{
    snprintf(root, sizeof root, "/tmp/await-http-XXXXXX");
    assert_non_null(mkdtemp(root));
    make_folder("public");
    put_file("secret.txt", "secret", 6);
    put_file("public/hello.txt", "0123456789", 10);
    put_file("public/index.html", "<p>index", 8);
    put_file("public/.hidden", "hidden", 6);
    put_file("public/empty", "", 0);
    put_file("public/a b%.css", "css", 3);
    make_folder("public/folder");
    put_file("public/folder/index.html", "<p>folder", 9);
    make_folder("public/bare");
    make_link("../secret.txt", "public/link.txt");
    make_link("..", "public/up");
    make_link("hello.txt", "public/inside.txt");
    char fifo[128];
    snprintf(fifo, sizeof fifo, "%s/public/fifo", root);
    assert_int_equal(mkfifo(fifo, 0644), 0);
}

static void drop_root(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", root);
    assert_int_equal(system(command), 0);
}

static aw_http_files *files;

static const struct talk *ask(const char *method, const char *path, const char *more)
{
    char text[1024];
    snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: a\r\n%s\r\n", method, path, more);
    return TALK(text, .handler = aw_http_files_handler, .arg = files);
}

static int status(const char *path)
{
    const struct talk *t = ask("GET", path, "");
    assert_null(strstr(t->got, "secret"));
    return status_of(t, 0);
}

static const char *body_of(const struct talk *t)
{
    return strstr(t->got, "\r\n\r\n") + 4;
}

static void begin(void)
{
    char path[128];
    make_root();
    snprintf(path, sizeof path, "%s/public", root);
    files = aw_http_files_new(path);
    assert_non_null(files);
}

static void end(void)
{
    aw_http_files_free(files);
    drop_root();
}

TEST_IN_LOOP(http_files_are_served)
{
    begin();
    const struct talk *t = ask("GET", "/hello.txt", "");
    assert_int_equal(status_of(t, 0), 200);
    assert_string_equal(body_of(t), "0123456789");
    assert_true(has_line(t, "Content-Type: text/plain; charset=utf-8"));
    assert_true(has_line(t, "Content-Length: 10"));
    assert_true(has_line(t, "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT"));
    assert_true(has_line(t, "ETag: \"a-2ebc98a1.0\""));
    assert_true(has_line(t, "Accept-Ranges: bytes"));
    t = ask("HEAD", "/hello.txt", "");
    assert_true(has_line(t, "Content-Length: 10"));
    assert_string_equal(body_of(t), "");
    assert_string_equal(body_of(ask("GET", "/", "")), "<p>index");
    assert_string_equal(body_of(ask("GET", "/?x=y", "")), "<p>index");
    assert_string_equal(body_of(ask("GET", "/folder/", "")), "<p>folder");
    assert_string_equal(body_of(ask("GET", "/empty", "")), "");
    assert_int_equal(status("/empty"), 200);
    assert_string_equal(body_of(ask("GET", "/a%20b%25.css", "")), "css");
    t = ask("GET", "/folder?x=y", "");
    assert_int_equal(status_of(t, 0), 301);
    assert_true(has_line(t, "Location: /folder/?x=y"));
    t = ask("POST", "/hello.txt", "");
    assert_int_equal(status_of(t, 0), 405);
    assert_true(has_line(t, "Allow: GET, HEAD"));
    end();
}

// Path traversal: nothing outside the root can be reached.
TEST_IN_LOOP(http_path_traversal_is_impossible)
{
    static const char *const paths[] = {"/../secret.txt",
                                        "/%2e%2e/secret.txt",
                                        "/..%2fsecret.txt",
                                        "/%2e%2e%2fsecret.txt",
                                        "/folder/../../secret.txt",
                                        "/folder/..%2f..%2fsecret.txt",
                                        "/.%2e/secret.txt",
                                        "/./hello.txt",
                                        "//secret.txt",
                                        "/folder//index.html",
                                        "/..",
                                        "/.",
                                        "/folder/..",
                                        "/..\\secret.txt",
                                        "/link.txt",
                                        "/up/secret.txt",
                                        "/inside.txt",
                                        "/.hidden",
                                        "/%2ehidden",
                                        "/hello.txt/",
                                        "/hello.txt/x",
                                        "/bare/",
                                        "/none",
                                        "/fifo",
                                        "/%c0%ae%c0%ae/secret.txt",
                                        "/..;/secret.txt",
                                        "/folder%2findex.html"};
    begin();
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (status(paths[i]) != 404)
            fail_msg("%s: %d", paths[i], status(paths[i]));
    assert_int_equal(status("/hello.txt%00.html"), 400);
    char deep[100 * 7 + 1];
    for (size_t i = 0; i < 100; i++)
        memcpy(deep + i * 7, "/folder", 8);
    assert_int_equal(status(deep), 404);
    end();
}

TEST_IN_LOOP(http_files_follow_links_where_that_is_wanted)
{
    char path[128];
    begin();
    aw_http_files_free(files);
    snprintf(path, sizeof path, "%s/public", root);
    files = aw_http_files_new(path, .symbolic_links = true, .dot_files = true, .index = "",
                              .control = "no-cache");
    assert_int_equal(status("/inside.txt"), 200);
    assert_int_equal(status("/.hidden"), 200);
    assert_int_equal(status("/"), 404);
    assert_int_equal(status_of(ask("GET", "/link.txt", ""), 0), 200);
    assert_int_equal(status("/../secret.txt"), 404);
    assert_true(has_line(ask("GET", "/hello.txt", ""), "Cache-Control: no-cache"));
    end();
}

TEST_IN_LOOP(http_files_are_served_in_parts)
{
    static const struct {
        const char *range;
        int status;
        const char *body, *content_range;
    } parts[] = {
        {"bytes=0-0", 206, "0", "bytes 0-0/10"},
        {"bytes=2-4", 206, "234", "bytes 2-4/10"},
        {"bytes=7-", 206, "789", "bytes 7-9/10"},
        {"bytes=-3", 206, "789", "bytes 7-9/10"},
        {"bytes=-30", 206, "0123456789", "bytes 0-9/10"},
        {"bytes=5-99", 206, "56789", "bytes 5-9/10"},
        {"Bytes=9-9", 206, "9", "bytes 9-9/10"},
        {"bytes=10-", 416, NULL, "bytes */10"},
        {"bytes=-0", 416, NULL, "bytes */10"},
        {"bytes=5-9223372036854775807", 206, "56789", "bytes 5-9/10"}, /* "to the end" of some */
        {"bytes=5-99999999999999999999", 206, "56789", "bytes 5-9/10"},
        {"bytes=-99999999999999999999", 206, "0123456789", "bytes 0-9/10"},
        {"bytes=99999999999999999999-", 416, NULL, "bytes */10"},
        {"bytes=4-2", 200, "0123456789", NULL},
        {"bytes=0-1,3-4", 200, "0123456789", NULL},
        {"bytes=a-b", 200, "0123456789", NULL},
        {"bytes=-", 200, "0123456789", NULL},
        {"bytes=1", 200, "0123456789", NULL},
        {"lines=1-2", 200, "0123456789", NULL},
    };
    begin();
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char more[128], line[128];
        snprintf(more, sizeof more, "Range: %s\r\n", parts[i].range);
        const struct talk *t = ask("GET", "/hello.txt", more);
        if (status_of(t, 0) != parts[i].status)
            fail_msg("%s: %s", parts[i].range, t->got);
        if (parts[i].body)
            assert_string_equal(body_of(t), parts[i].body);
        snprintf(line, sizeof line, "Content-Range: %s",
                 parts[i].content_range ? parts[i].content_range : "");
        assert_int_equal(has_line(t, line), parts[i].content_range != NULL);
    }
    assert_int_equal(status_of(ask("GET", "/empty", "Range: bytes=0-\r\n"), 0), 416);
    assert_int_equal(status_of(ask("HEAD", "/hello.txt", "Range: bytes=0-1\r\n"), 0), 200);
    end();
}

TEST_IN_LOOP(http_files_are_served_under_conditions)
{
#define TAG "\"a-2ebc98a1.0\""
#define DATE "Sun, 06 Nov 1994 08:49:37 GMT"
#define EARLIER "Sun, 06 Nov 1994 08:49:36 GMT"
    static const struct {
        const char *more;
        int status;
    } conditions[] = {
        {"If-None-Match: " TAG "\r\n", 304},
        {"If-None-Match: W/" TAG "\r\n", 304},
        {"If-None-Match: \"x\", " TAG "\r\n", 304},
        {"If-None-Match: *\r\n", 304},
        {"If-None-Match: \"x\"\r\n", 200},
        {"If-None-Match: \"x\"\r\nIf-Modified-Since: " DATE "\r\n", 200},
        {"If-Modified-Since: " DATE "\r\n", 304},
        {"If-Modified-Since: " EARLIER "\r\n", 200},
        {"If-Modified-Since: yesterday\r\n", 200},
        {"If-Modified-Since: Sun, 99 Nov 1994 08:49:37 GMT\r\n", 200},
        {"If-Match: " TAG "\r\n", 200},
        {"If-Match: W/" TAG "\r\n", 412},
        {"If-Match: *\r\n", 200},
        {"If-Match: \"x\"\r\n", 412},
        {"If-Unmodified-Since: " DATE "\r\n", 200},
        {"If-Unmodified-Since: " EARLIER "\r\n", 412},
        {"Range: bytes=0-1\r\nIf-Range: " TAG "\r\n", 206},
        {"Range: bytes=0-1\r\nIf-Range: \"x\"\r\n", 200},
        {"Range: bytes=0-1\r\nIf-Range: W/" TAG "\r\n", 200},
        {"Range: bytes=0-1\r\nIf-Range: " DATE "\r\n", 206},
        {"Range: bytes=0-1\r\nIf-Range: " EARLIER "\r\n", 200},
        {"Range: bytes=0-1\r\nIf-None-Match: " TAG "\r\n", 304},
    };
    begin();
    for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) {
        const struct talk *t = ask("GET", "/hello.txt", conditions[i].more);
        if (status_of(t, 0) != conditions[i].status)
            fail_msg("%s: %s", conditions[i].more, t->got);
        if (conditions[i].status == 304) {
            assert_true(has_line(t, "ETag: " TAG));
            assert_string_equal(body_of(t), "");
        }
    }
    end();
}

static int one_file(aw_http_request *r, void *arg)
{
    return aw_http_respond_file(r, AT_FDCWD, arg, .type = "x/y");
}

TEST_IN_LOOP(http_one_file_is_an_answer)
{
    char path[128];
    begin();
    snprintf(path, sizeof path, "%s/secret.txt", root);
    const struct talk *t = TALK(GET("/", ""), .handler = one_file, .arg = path);
    assert_true(has_line(t, "Content-Type: x/y"));
    assert_string_equal(body_of(t), "secret");
    snprintf(path, sizeof path, "%s/none.txt", root);
    assert_int_equal(status_of(TALK(GET("/", ""), .handler = one_file, .arg = path), 0), 404);
    snprintf(path, sizeof path, "%s/public", root);
    assert_int_equal(status_of(TALK(GET("/", ""), .handler = one_file, .arg = path), 0), 404);
    end();
}

TEST_IN_LOOP(http_files_below_a_route)
{
    begin();
    aw_http_router *router = aw_http_router_new();
    assert_int_equal(aw_http_route(router, "GET", "/static/*path", aw_http_files_handler, files),
                     0);
    const struct talk *t = TALK(GET("/static/folder/index.html?x", "") GET("/static/", "")
                                    GET("/static/folder", "") GET("/static/../secret.txt", ""),
                                .handler = aw_http_router_handler, .arg = router);
    assert_int_equal(status_of(t, 0), 200);
    assert_int_equal(status_of(t, 1), 200);
    assert_int_equal(status_of(t, 2), 301);
    assert_non_null(strstr(t->got, "Location: /static/folder/\r\n"));
    assert_int_equal(status_of(t, 3), 404);
    aw_http_router_free(router);
    end();
}

TEST_IN_LOOP(http_files_are_checked)
{
    assert_null(aw_http_files_new(NULL));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_http_files_new("/nobody/has/this"));
    assert_int_equal(aw_errno(), -ENOENT);
    assert_null(aw_http_files_new("/tmp", .index = "a/b"));
    assert_null(aw_http_files_new("/tmp", .control = "a\r\nb: c"));
    assert_int_equal(aw_errno(), -EINVAL);
    aw_http_files_free(NULL);
}
