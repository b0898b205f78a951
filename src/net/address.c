/*
 * address.c - addresses as values: read from text, written as text, compared.
 *
 * An aw_address holds what the system's calls take, so that nothing is converted between here and
 * the kernel.  Texts are numeric: what needs a resolver is resolve.c's.
 *
 *     127.0.0.1:80   [::1]:80   [fe80::1%eth0]:80   /run/a.sock   unix:a.sock   @abstract
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "net/net.h"

#define PATH_AT offsetof(struct sockaddr_un, sun_path)
#define PATH_MAX_LEN (sizeof(struct sockaddr_un) - PATH_AT)

/* ---- from text ---- */

bool aw_is_number(const char *text)
{
    return *text && text[strspn(text, "0123456789")] == '\0';
}

int aw_port_number(const char *text)
{
    if (!aw_is_number(text) || strlen(text) > 9)
        return -EINVAL;
    long n = strtol(text, NULL, 10);
    return n <= 65535 ? (int)n : -EINVAL;
}

static void set_in4(aw_address *a, const struct in_addr *ip, unsigned port)
{
    *a = (aw_address){.size = sizeof(struct sockaddr_in)};
    aw_sockaddr_of(a)->in4 =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    aw_sockaddr_of(a)->in4.sin_addr = *ip;
}

static void set_in6(aw_address *a, const struct in6_addr *ip, unsigned zone, unsigned port)
{
    *a = (aw_address){.size = sizeof(struct sockaddr_in6)};
    aw_sockaddr_of(a)->in6 = (struct sockaddr_in6){
        .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_scope_id = zone};
    aw_sockaddr_of(a)->in6.sin6_addr = *ip;
}

/* What follows the '%' of an address: a number, or an interface's name. */
static int zone_of(const char *text)
{
    if (aw_is_number(text))
        return strlen(text) <= 9 ? (int)strtol(text, NULL, 10) : -EINVAL;
    return *text ? aw_sys.interface(text) : -EINVAL;
}

/* n bytes of text as an address of the internet: 0, or an error without words. */
static int set_ip(aw_address *ret, const char *ip, size_t n, unsigned port)
{
    char text[INET6_ADDRSTRLEN + 64];
    struct in_addr in4;
    struct in6_addr in6;
    if (n >= sizeof text)
        return -EINVAL;
    memcpy(text, ip, n);
    text[n] = '\0';
    if (inet_pton(AF_INET, text, &in4) == 1) {
        set_in4(ret, &in4, port);
        return 0;
    }
    char *percent = strchr(text, '%');
    int zone = 0;
    if (percent) {
        *percent = '\0';
        zone = zone_of(percent + 1);
    }
    if (zone < 0 || inet_pton(AF_INET6, text, &in6) != 1)
        return zone < 0 ? zone : -EINVAL;
    set_in6(ret, &in6, (unsigned)zone, port);
    return 0;
}

static int refuse(int err, const char *text, const char *what)
{
    if (err == -ENODEV)
        return aw_raise_words(err, "'%.80s' names an interface that does not exist", text);
    return aw_raise_words(err, "'%.80s' is not %s", text, what);
}

int aw_address_ip(aw_address *ret, const char *ip, unsigned port)
{
    if (!ret || !ip)
        return aw_raise_words(-EINVAL, "the address is NULL");
    if (port > 65535)
        return aw_raise_words(-EINVAL, "%u is not a port", port);
    aw_address a;
    int err = set_ip(&a, ip, strlen(ip), port);
    if (err < 0)
        return refuse(err, ip, "a numeric address");
    *ret = a;
    return 0;
}

int aw_address_unix(aw_address *ret, const char *path)
{
    if (!ret || !path)
        return aw_raise_words(-EINVAL, ret ? "the path is NULL" : "the address is NULL");
    size_t n = strlen(path);
    bool is_abstract = *path == '@';
    if (n == is_abstract)
        return aw_raise_words(-EINVAL, "the path is empty");
    if (n + !is_abstract > PATH_MAX_LEN)
        return aw_raise_words(-ENAMETOOLONG,
                              "the socket's path is longer than %zu bytes: '%.40s...'",
                              PATH_MAX_LEN - !is_abstract, path);
    aw_address a = {.size = (socklen_t)(PATH_AT + n + !is_abstract)};
    struct sockaddr_un *local = &aw_sockaddr_of(&a)->local;
    local->sun_family = AF_UNIX;
    memcpy(local->sun_path, path, n);
    if (is_abstract)
        local->sun_path[0] = '\0';
    *ret = a;
    return 0;
}

/* "1.2.3.4:80", "[::1]:80", and either without a port. */
static int parse_ip(aw_address *a, const char *text)
{
    const char *end, *ip = text, *first = strchr(text, ':');
    if (*text == '[') {
        end = strchr(text, ']');
        if (!end)
            return -EINVAL;
        ip++;
    } else {
        bool one_colon = first && !strchr(first + 1, ':');
        end = one_colon ? first : text + strlen(text);
    }
    const char *rest = end + (*text == '[');
    int port = *rest == ':' ? aw_port_number(rest + 1) : 0;
    if (port < 0 || (*rest && *rest != ':'))
        return -EINVAL;
    int err = set_ip(a, ip, (size_t)(end - ip), (unsigned)port);
    if (err == 0 && *text == '[' && aw_address_family(a) != AF_INET6)
        return -EINVAL;
    return err;
}

int aw_address_parse(aw_address *ret, const char *text)
{
    if (!ret || !text)
        return aw_raise_words(-EINVAL, "the address is NULL");
    if (strncmp(text, "unix:", 5) == 0)
        return aw_address_unix(ret, text + 5);
    if (*text == '/' || *text == '.' || *text == '@')
        return aw_address_unix(ret, text);
    aw_address a;
    int err = parse_ip(&a, text);
    if (err < 0)
        return refuse(err, text, "a numeric address with a port");
    *ret = a;
    return 0;
}

/* ---- to text ---- */

static int write_text(const aw_address *a, bool with_port, char *buf, size_t size)
{
    static const aw_address none;
    aw_buf b;
    a = a ? a : &none;
    aw_buf_init(&b, buf, buf ? size : 0);
    aw_sockaddr_add(&b, &aw_sockaddr_of(a)->any, a->size, with_port);
    return (int)b.wanted;
}

int aw_address_host(const aw_address *a, char *buf, size_t size)
{
    return write_text(a, false, buf, size);
}

int aw_address_format(const aw_address *a, char *buf, size_t size)
{
    return write_text(a, true, buf, size);
}

/* ---- its parts ---- */

int aw_address_family(const aw_address *a)
{
    return a && a->size >= sizeof(sa_family_t) ? aw_sockaddr_of(a)->any.sa_family : AF_UNSPEC;
}

int aw_address_port(const aw_address *a)
{
    switch (aw_address_family(a)) {
    case AF_INET:
        return ntohs(aw_sockaddr_of(a)->in4.sin_port);
    case AF_INET6:
        return ntohs(aw_sockaddr_of(a)->in6.sin6_port);
    default:
        return -EINVAL;
    }
}

int aw_address_set_port(aw_address *a, unsigned port)
{
    if (aw_address_port(a) < 0 || port > 65535)
        return aw_raise_words(-EINVAL, "an address without ports, or %u is none", port);
    if (aw_address_family(a) == AF_INET)
        aw_sockaddr_of(a)->in4.sin_port = htons((uint16_t)port);
    else
        aw_sockaddr_of(a)->in6.sin6_port = htons((uint16_t)port);
    return 0;
}

static bool same_ip6(const struct sockaddr_in6 *a, const struct sockaddr_in6 *b)
{
    return memcmp(&a->sin6_addr, &b->sin6_addr, sizeof a->sin6_addr) == 0 &&
           a->sin6_scope_id == b->sin6_scope_id;
}

static bool same_path(const aw_address *a, const aw_address *b)
{
    const char *p = aw_sockaddr_of(a)->local.sun_path, *q = aw_sockaddr_of(b)->local.sun_path;
    size_t n = a->size - PATH_AT, m = b->size - PATH_AT;
    if (n > 0 && m > 0 && *p && *q) /* the terminator may be there or not */
        return strnlen(p, n) == strnlen(q, m) && memcmp(p, q, strnlen(p, n)) == 0;
    return n == m && memcmp(p, q, n) == 0;
}

bool aw_address_equal(const aw_address *a, const aw_address *b)
{
    int family = aw_address_family(a);
    if (family != aw_address_family(b) || aw_address_port(a) != aw_address_port(b))
        return false;
    const union aw_sockaddr *p = aw_sockaddr_of(a), *q = aw_sockaddr_of(b);
    switch (family) {
    case AF_INET:
        return p->in4.sin_addr.s_addr == q->in4.sin_addr.s_addr;
    case AF_INET6:
        return same_ip6(&p->in6, &q->in6);
    case AF_UNIX:
        return same_path(a, b);
    default:
        return family == AF_UNSPEC;
    }
}

/* ---- of a socket ---- */

void aw_address_settle(aw_address *a, socklen_t size)
{
    a->size = size <= sizeof a->place ? size : (socklen_t)sizeof a->place;
}

static int name_of(int fd, bool of_peer, aw_address *ret)
{
    if (!ret)
        return aw_raise_words(-EINVAL, "the address is NULL");
    aw_address a = {.size = sizeof a.place};
    socklen_t size = sizeof a.place;
    int err = aw_sys.socket_name(fd, of_peer, &aw_sockaddr_of(&a)->any, &size);
    if (err < 0)
        return aw_fail_about(err, "the %s of descriptor %d", of_peer ? "peer" : "address", fd);
    aw_address_settle(&a, size);
    *ret = a;
    return 0;
}

int aw_local_address(int fd, aw_address *ret)
{
    return name_of(fd, false, ret);
}

int aw_peer_address(int fd, aw_address *ret)
{
    return name_of(fd, true, ret);
}
