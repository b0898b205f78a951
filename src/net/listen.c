/*
 * listen.c - the sockets of a server: made for its addresses, or taken from the caller.
 *
 * All are bound before the first one listens, so that a server is there with all of its addresses
 * or not at all.  Without a host there is a socket for each family that the machine has.
 */
#include <string.h>

#include "net/server.h"

void aw_listener_close(struct aw_listener *l)
{
    if (l->fd < 0)
        return;
    aw_net_path_remove(&l->path);
    aw_socket_close(l->fd);
    l->fd = -1;
}

void aw_listener_name(const struct aw_listener *l, char text[AW_ADDRESS_TEXT])
{
    aw_address a = {.size = 0};
    aw_ignore(aw_local_address(l->fd, &a));
    aw_address_format(&a, text, AW_ADDRESS_TEXT);
}

static struct aw_listener *add(aw_server *s, int fd)
{
    struct aw_listener *l = &s->listeners[s->n_listeners++];
    *l = (struct aw_listener){.server = s, .fd = fd};
    return l;
}

/* What accepted sockets inherit is set on the one that listens. */
static int set_options(int fd, int family, const aw_server_opts *o)
{
    int err = 0;
    if (!o->no_reuse_address)
        err = aw_socket_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (err == 0 && o->reuse_port)
        err = aw_socket_set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (err == 0 && family == AF_INET6)
        err = aw_socket_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    aw_socket_prepare(fd, o->nagle, o->keepalive);
    return err;
}

static int not_bound(int err, const aw_address *a)
{
    char text[AW_ADDRESS_TEXT];
    aw_address_format(a, text, sizeof text);
    return aw_fail_about(err, "a socket to listen on %s", text);
}

static int bind_one(aw_server *s, const aw_server_opts *o, const aw_address *a)
{
    int family = aw_address_family(a);
    int fd = aw_socket_new(family, SOCK_STREAM, 0);
    if (fd < 0)
        return not_bound(fd, a);
    struct aw_listener *l = add(s, fd);
    if (family == AF_UNIX)
        return aw_net_path_bind(&l->path, fd, a, SOCK_STREAM);
    int err = set_options(fd, family, o);
    return err < 0 ? not_bound(err, a) : aw_socket_bind(fd, a);
}

/* The last one could not be bound, and need not be. */
static void give_up_last(aw_server *s, size_t had)
{
    while (s->n_listeners > had)
        aw_listener_close(&s->listeners[--s->n_listeners]);
}

/* A family that this machine lacks does not matter if no address was asked for. */
static bool is_missing_family(int err)
{
    return err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL;
}

static int bind_list(aw_server *s, const aw_server_opts *o, const aw_address *list, int n,
                     bool anywhere)
{
    int err = 0;
    for (int i = 0; i < n; i++) {
        size_t had = s->n_listeners;
        err = bind_one(s, o, &list[i]);
        if (err == 0)
            continue;
        give_up_last(s, had);
        if (!anywhere || !is_missing_family(err))
            return err;
    }
    return s->n_listeners > 0 ? 0 : err;
}

static int room_for(aw_server *s, size_t n)
{
    s->listeners = aw_mem_zalloc(n * sizeof *s->listeners);
    return s->listeners ? 0 : aw_raise_words(-ENOMEM, "no memory for %zu sockets", n);
}

/* ---- by host ---- */

/* Addresses of several hosts, one after the other, each once. */
struct found {
    aw_address *list;
    int n;
};

static bool has(const struct found *f, const aw_address *a)
{
    for (int i = 0; i < f->n; i++)
        if (aw_address_equal(&f->list[i], a))
            return true;
    return false;
}

static int add_host(struct found *f, const aw_server_opts *o, const char *host)
{
    const struct aw_lookup wanted = {.host = host,
                                     .port = o->port,
                                     .family = o->family,
                                     .type = SOCK_STREAM,
                                     .flags = AI_PASSIVE};
    aw_address *more;
    int n = aw_lookup(&wanted, &more);
    AW_TRY(n);
    aw_address *all = aw_mem_alloc((size_t)(f->n + n) * sizeof *all);
    if (!all) {
        aw_addresses_free(more);
        return aw_raise_words(-ENOMEM, "no memory for addresses");
    }
    if (f->n)
        memcpy(all, f->list, (size_t)f->n * sizeof *all);
    aw_addresses_free(f->list);
    f->list = all;
    for (int i = 0; i < n; i++)
        if (!has(f, &more[i]))
            f->list[f->n++] = more[i];
    aw_addresses_free(more);
    return 0;
}

static int add_hosts(struct found *f, const aw_server_opts *o)
{
    bool anywhere = !o->host || !*o->host;
    if (!anywhere || !o->hosts)
        AW_TRY(add_host(f, o, anywhere ? NULL : o->host));
    for (const char *const *host = o->hosts; host && *host; host++)
        AW_TRY(add_host(f, o, *host));
    return 0;
}

static int bind_hosts(aw_server *s, const aw_server_opts *o)
{
    struct found f = {.n = 0};
    bool anywhere = (!o->host || !*o->host) && !o->hosts;
    int err = add_hosts(&f, o);
    if (err == 0)
        err = room_for(s, (size_t)f.n);
    if (err == 0)
        err = bind_list(s, o, f.list, f.n, anywhere);
    aw_addresses_free(f.list);
    return err;
}

/* ---- the others ---- */

static int bind_path(aw_server *s, const aw_server_opts *o)
{
    aw_address a;
    AW_TRY(aw_address_unix(&a, o->path));
    AW_TRY(room_for(s, 1));
    return bind_list(s, o, &a, 1, false);
}

static int take_given(aw_server *s, const aw_server_opts *o, int family)
{
    for (size_t i = 0; i < o->n_sockets; i++)
        AW_TRY(aw_socket_check_given(o->sockets[i], family, SOCK_STREAM));
    AW_TRY(room_for(s, o->n_sockets));
    for (size_t i = 0; i < o->n_sockets; i++) {
        add(s, o->sockets[i])->given = true;
        aw_socket_prepare(o->sockets[i], o->nagle, o->keepalive);
    }
    return 0;
}

int aw_server_bind(aw_server *s, const aw_server_opts *o)
{
    int err;
    if (o->sockets)
        err = take_given(s, o, s->is_local ? AF_UNIX : 0);
    else
        err = s->is_local ? bind_path(s, o) : bind_hosts(s, o);
    if (err < 0)
        give_up_last(s, 0);
    return err;
}
