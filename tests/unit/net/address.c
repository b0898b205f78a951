/*
 * Addresses as values: from text, to text, compared; and socket options by name.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "await.h"
#include "await/net.h"
#include "harness/test.h"

/* Parsed and written again. */
static const char *again(const char *text)
{
    static char out[AW_ADDRESS_TEXT];
    aw_address a;
    if (aw_address_parse(&a, text) < 0)
        return "";
    int n = aw_address_format(&a, out, sizeof out);
    assert_int_equal(n, strlen(out));
    return out;
}

TEST(address_is_read_and_written)
{
    static const char *const same[] = {"127.0.0.1:80",  "0.0.0.0:0",         "[::1]:443",
                                       "[::]:65535",    "[fe80::1%7]:1",     "/run/a.sock",
                                       "./a.sock",      "unix:a.sock",       "@abstract",
                                       "@with/a/slash", "[::ffff:1.2.3.4]:5"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        assert_string_equal(again(same[i]), same[i]);
    assert_string_equal(again("127.0.0.1"), "127.0.0.1:0");
    assert_string_equal(again("::1"), "[::1]:0");
    assert_string_equal(again("[::1]"), "[::1]:0");
    assert_string_equal(again("[0:0:0:0:0:0:0:1]:9"), "[::1]:9");
    assert_string_equal(again("unix:/run/a.sock"), "/run/a.sock");
    assert_string_equal(again("[fe80::1%lo]:9"), "[fe80::1%1]:9");
}

TEST(address_that_is_none_is_refused_by_name)
{
    static const char *const bad[] = {"",           "localhost:80", "1.2.3:80",
                                      "1.2.3.4:",   "1.2.3.4:x",    "1.2.3.4:65536",
                                      "1.2.3.4:-1", "1.2.3.4:80 ",  "[::1",
                                      "[::1]80",    "[::1]:",       "[1.2.3.4]:80",
                                      "::1::2",     "[::1%]:80",    "1.2.3.4%1:2",
                                      ":80",        "[]:80",        "1.2.3.4:080000000000080"};
    aw_address a = {.size = 77};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        printf("%s\n", bad[i]);
        assert_int_equal(aw_address_parse(&a, bad[i]), -EINVAL);
        assert_non_null(strstr(aw_errmsg(), bad[i]));
    }
    assert_int_equal(a.size, 77); /* left alone */
    assert_int_equal(aw_address_parse(&a, "[::1%nosuchinterface]:80"), -ENODEV);
    assert_int_equal(aw_address_parse(&a, NULL), -EINVAL);
    assert_int_equal(aw_address_parse(NULL, "::1"), -EINVAL);
    assert_int_equal(aw_address_ip(&a, "1.2.3.4", 65536), -EINVAL);
    assert_int_equal(aw_address_unix(&a, ""), -EINVAL);
    assert_int_equal(aw_address_unix(&a, "@"), -EINVAL);
}

TEST(address_without_a_place_for_its_text)
{
    aw_address a;
    char text[AW_ADDRESS_TEXT];
    assert_int_equal(aw_address_ip(&a, "::1", 80), 0);
    assert_int_equal(aw_address_format(&a, NULL, sizeof text), 8);
    assert_int_equal(aw_address_host(&a, NULL, sizeof text), 3);
    assert_int_equal(aw_address_format(NULL, text, sizeof text), 6);
    assert_string_equal(text, "(none)");
}

TEST(address_of_an_interface_that_does_not_exist)
{
    aw_address a;
    assert_int_equal(aw_address_parse(&a, "[fe80::1%nosuch]:80"), -ENODEV);
    assert_non_null(strstr(aw_errmsg(), "interface"));
    assert_int_equal(aw_address_ip(&a, "fe80::1%nosuch", 80), -ENODEV);
    assert_non_null(strstr(aw_errmsg(), "interface"));
}

TEST(address_of_a_path_has_a_limit)
{
    char path[200];
    struct sockaddr_un local;
    aw_address a;
    memset(path, 'a', sizeof path);
    path[0] = '/';
    path[sizeof local.sun_path - 1] = '\0';
    assert_int_equal(aw_address_unix(&a, path), 0);
    assert_string_equal(again(path), path);
    path[sizeof local.sun_path - 1] = 'a';
    path[sizeof local.sun_path] = '\0';
    assert_int_equal(aw_address_unix(&a, path), -ENAMETOOLONG);
    assert_non_null(strstr(aw_errmsg(), "/aaaa"));
    path[0] = '@'; /* which needs no terminator */
    assert_int_equal(aw_address_unix(&a, path), 0);
    assert_int_equal(a.size, sizeof local);
    assert_string_equal(again(path), path);
}

TEST(address_has_parts)
{
    aw_address a = {.size = 0}, b;
    char text[AW_ADDRESS_TEXT], small[4];
    assert_int_equal(aw_address_family(&a), AF_UNSPEC);
    assert_int_equal(aw_address_family(NULL), AF_UNSPEC);
    assert_int_equal(aw_address_port(&a), -EINVAL);
    aw_address_format(&a, text, sizeof text);
    assert_string_equal(text, "(none)");
    assert_int_equal(aw_address_ip(&a, "::1", 80), 0);
    assert_int_equal(aw_address_family(&a), AF_INET6);
    assert_int_equal(aw_address_port(&a), 80);
    assert_int_equal(aw_address_set_port(&a, 81), 0);
    assert_int_equal(aw_address_set_port(&a, 65536), -EINVAL);
    aw_address_host(&a, text, sizeof text);
    assert_string_equal(text, "::1");
    assert_int_equal(aw_address_format(&a, small, sizeof small), 8); /* as snprintf() */
    assert_string_equal(small, "[::");
    b = a;
    assert_true(aw_address_equal(&a, &b));
    aw_address_set_port(&b, 82);
    assert_false(aw_address_equal(&a, &b));
    aw_address_ip(&b, "127.0.0.1", 81);
    assert_false(aw_address_equal(&a, &b));
    aw_address_unix(&a, "@x");
    aw_address_unix(&b, "@y");
    assert_false(aw_address_equal(&a, &b));
    assert_int_equal(aw_address_port(&a), -EINVAL);
    aw_address_unix(&b, "@x");
    assert_true(aw_address_equal(&a, &b));
}

TEST(address_of_a_socket)
{
    aw_address a;
    char text[AW_ADDRESS_TEXT];
    int ends[2], fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof any), 0);
    assert_int_equal(aw_local_address(fd, &a), 0);
    assert_true(aw_address_port(&a) > 0);
    assert_int_equal(aw_peer_address(fd, &a), -ENOTCONN);
    assert_int_equal(aw_local_address(fd, NULL), -EINVAL);
    close(fd);
    assert_int_equal(aw_local_address(fd, &a), -EBADF);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(aw_peer_address(ends[0], &a), 0);
    aw_address_format(&a, text, sizeof text);
    assert_string_equal(text, "(unnamed)");
    close(ends[0]);
    close(ends[1]);
}

TEST(socket_options_by_name)
{
    int value, fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(aw_set_socket_option(fd, "TCP_NODELAY", 1), 0);
    assert_int_equal(aw_get_socket_option(fd, "TCP_NODELAY", &value), 0);
    assert_int_equal(value, 1);
    assert_int_equal(aw_get_socket_option(fd, "SO_LINGER", &value), 0);
    assert_int_equal(value, -1);
    assert_int_equal(aw_set_socket_option(fd, "SO_LINGER", 3), 0);
    assert_int_equal(aw_get_socket_option(fd, "SO_LINGER", &value), 0);
    assert_int_equal(value, 3);
    assert_int_equal(aw_get_socket_option(fd, "SO_TYPE", &value), 0);
    assert_int_equal(value, SOCK_STREAM);
    assert_int_equal(aw_set_socket_option(fd, "SO_NO_SUCH_THING", 1), -EINVAL);
    assert_non_null(strstr(aw_errmsg(), "SO_NO_SUCH_THING"));
    assert_int_equal(aw_set_socket_option(fd, NULL, 1), -EINVAL);
    assert_int_equal(aw_get_socket_option(fd, "tcp_nodelay", &value), -EINVAL);
    assert_int_equal(aw_get_socket_option(fd, "SO_TYPE", NULL), -EINVAL);
    assert_int_equal(aw_set_socket_option(fd, "SO_TYPE", 1), -ENOPROTOOPT);
    close(fd);
    assert_int_equal(aw_set_socket_option(fd, "SO_KEEPALIVE", 1), -EBADF);
    assert_non_null(strstr(aw_errmsg(), "SO_KEEPALIVE"));
}
