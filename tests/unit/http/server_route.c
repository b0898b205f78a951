/*
 * Routes: methods, patterns, parameters, and what nobody serves.
 */
#include "serving.h"

/* Says who serves, and the parameters a, b and rest. */
static int say_who(aw_http_request *r, void *arg)
{
    char text[256];
    const char *a = aw_http_request_parameter(r, "a"), *b = aw_http_request_parameter(r, "b");
    const char *rest = aw_http_request_parameter(r, "rest");
    snprintf(text, sizeof text, "%s[%s][%s][%s]", (const char *)arg, a ? a : "-", b ? b : "-",
             rest ? rest : "-");
    return aw_http_respond_text(r, 200, text);
}

static aw_http_router *router;

static void add(const char *method, const char *pattern, const char *who)
{
    assert_int_equal(aw_http_route(router, method, pattern, say_who, (void *)(uintptr_t)who), 0);
}

static const char *ask(const char *method, const char *path)
{
    char text[512];
    snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: a\r\n\r\n", method, path);
    const struct talk *t = TALK(text, .handler = aw_http_router_handler, .arg = router);
    if (status_of(t, 0) == 405)
        return strstr(t->got, "Allow: ");
    return status_of(t, 0) == 404 ? "404" : strstr(t->got, "\r\n\r\n") + 4;
}

static void add_all(void)
{
    router = aw_http_router_new();
    assert_non_null(router);
    add("GET", "/", "root");
    add("GET", "/users", "list");
    add("POST", "/users", "make");
    add("GET", "/users/:a", "one");
    add("DELETE", "/users/:b", "delete");
    add("GET", "/users/me", "me");
    add("GET", "/users/:a/posts/:b", "post");
    add("GET", "/files/*rest", "files");
    add("*", "/any", "any");
    add("GET", "/users/:a/", "slash");
    add("HEAD", "/own", "head");
    add("GET", "/own", "get");
}

TEST_IN_LOOP(http_routes_by_method_and_path)
{
    add_all();
    assert_string_equal(ask("GET", "/"), "root[-][-][-]");
    assert_string_equal(ask("GET", "/?a=b"), "root[-][-][-]");
    assert_string_equal(ask("GET", "/users"), "list[-][-][-]");
    assert_string_equal(ask("POST", "/users"), "make[-][-][-]");
    assert_string_equal(ask("GET", "/users/7"), "one[7][-][-]");
    assert_string_equal(ask("DELETE", "/users/7"), "delete[-][7][-]");
    assert_string_equal(ask("GET", "/users/me"), "me[-][-][-]");
    assert_string_equal(ask("DELETE", "/users/me"), "delete[-][me][-]"); /* it goes on searching */
    assert_string_equal(ask("GET", "/users/7/posts/8?c"), "post[7][8][-]");
    assert_string_equal(ask("GET", "/users/me/posts/8"), "post[me][8][-]");
    assert_string_equal(ask("GET", "/users/7/"), "slash[7][-][-]");
    assert_string_equal(ask("PATCH", "/any"), "any[-][-][-]");
    assert_string_equal(ask("HEAD", "/users"), "");
    assert_string_equal(ask("GET", "/%75sers/a%2Fb%20c"), "one[a/b c][-][-]");
    aw_http_router_free(router);
}

TEST_IN_LOOP(http_routes_the_rest_of_a_path)
{
    add_all();
    assert_string_equal(ask("GET", "/files/"), "files[-][-][]");
    assert_string_equal(ask("GET", "/files/a"), "files[-][-][a]");
    assert_string_equal(ask("GET", "/files/a%20b/c?d"), "files[-][-][a b/c]");
    assert_string_equal(ask("GET", "/files"), "404");
    aw_http_router_free(router);
}

TEST_IN_LOOP(http_says_what_is_not_served)
{
    add_all();
    assert_string_equal(ask("GET", "/nobody"), "404");
    assert_string_equal(ask("GET", "/users/"), "404"); /* a parameter is not empty */
    assert_string_equal(ask("GET", "//"), "404");
    assert_string_equal(ask("OPTIONS", "*"), "404");
    assert_memory_equal(ask("PUT", "/users"), "Allow: GET, POST, HEAD\r\n", 24);
    assert_memory_equal(ask("PUT", "/users/me"), "Allow: GET, HEAD\r\n", 18);
    char deep[100 * 2 + 1];
    for (size_t i = 0; i < 100; i++)
        memcpy(deep + i * 2, "/a", 3);
    assert_string_equal(ask("GET", deep), "404");
    aw_http_router_free(router);
}

TEST_IN_LOOP(http_routes_are_checked)
{
    add_all();
    assert_int_equal(aw_http_route(router, "GET", "/users", say_who, NULL), -EEXIST);
    assert_int_equal(aw_http_route(router, "GET", "/users/:other", say_who, NULL), -EEXIST);
    assert_int_equal(aw_http_route(router, "GET", "users", say_who, NULL), -EINVAL);
    assert_int_equal(aw_http_route(router, "GET", "", say_who, NULL), -EINVAL);
    assert_int_equal(aw_http_route(router, "GET", "/:", say_who, NULL), -EINVAL);
    assert_int_equal(aw_http_route(router, "GET", "/*", say_who, NULL), -EINVAL);
    assert_int_equal(aw_http_route(router, "GET", "/*a/b", say_who, NULL), -EINVAL);
    assert_int_equal(aw_http_route(router, "GET", "/a", NULL, NULL), -EINVAL);
    assert_int_equal(aw_http_route(router, NULL, "/a", say_who, NULL), -EINVAL);
    assert_int_equal(aw_http_route(router, "", "/a", say_who, NULL), -EINVAL);
    assert_int_equal(aw_http_route(NULL, "GET", "/a", say_who, NULL), -EINVAL);
    assert_int_equal(aw_http_router_handler(NULL, router), -EINVAL);
    aw_http_router_free(router);
    aw_http_router_free(NULL);
}
