/*
 * resolve.c - names and ports into addresses, off the loop.
 *
 * Numbers are answered at once.  Names are looked up by getaddrinfo() in threads of a pool that the
 * loop has for this alone, so that a name server that does not answer fills no other pool.  Such a
 * call cannot be broken off: a lookup that is given up is left to its thread.
 *
 *     task                             thread of the pool
 *     lookup: refs 2  ---------------> look_up(): found, or an error
 *     awaits the job, reads `found` <- done
 *     gives its reference up           gives its reference up (the job's .release)
 *
 * Whoever is last frees what was found.  The job's end is what orders `found` before its reading.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "await/executor.h"
#include "await/loop.h"
#include "await/scope.h"
#include "core/parts.h"
#include "net/net.h"

enum { THREADS = 8, HOST_MAX = 253, PORT_NAME_MAX = 32 };

#define PATIENCE 0.1 /* seconds, at the end of a loop */

/* ---- the pool ---- */

struct lookups {
    struct aw_closer closer;
    aw_executor *pool;
};

/* Its threads have mostly nothing to do and are gone in no time; one that waits for a name server
 * is left to itself. */
static void loop_closes(struct aw_closer *closer)
{
    struct lookups *l = aw_container_of(closer, struct lookups, closer);
    aw_ignore(aw_executor_shutdown(l->pool, .wait = true, .timeout = PATIENCE));
    aw_executor_unref(l->pool);
    aw_mem_free(l);
}

/* Those of the running loop, NULL with the error.  At the end of the process nobody waits for a
 * name. */
static struct lookups *lookups_here(void)
{
    aw_loop *loop = aw_self.loop;
    if (loop->names)
        return loop->names;
    struct lookups *l = aw_mem_zalloc(sizeof *l);
    if (!l)
        return aw_refuse(-ENOMEM, "no memory to look a name up");
    l->pool = aw_thread_pool(.max_workers = THREADS, .prefix = "await-names", .daemon = true);
    if (!l->pool) {
        aw_mem_free(l);
        return NULL;
    }
    l->closer.run = loop_closes;
    aw_closer_add(loop, &l->closer);
    loop->names = l;
    return l;
}

/* ---- a lookup in a thread ---- */

struct lookup {
    _Atomic unsigned refs;
    struct addrinfo hints, *found;
    const char *host, *port; /* into `text`, or NULL */
    char text[];
};

static void unref_lookup(void *arg)
{
    struct lookup *l = arg;
    if (atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) > 1)
        return;
    aw_sys.lookup_free(l->found);
    aw_mem_free(l);
}

static struct lookup *new_lookup(const struct aw_lookup *wanted)
{
    size_t host = wanted->host ? strlen(wanted->host) + 1 : 0;
    size_t port = wanted->port ? strlen(wanted->port) + 1 : 0;
    struct lookup *l = aw_mem_zalloc(sizeof *l + host + port);
    if (!l)
        return aw_refuse(-ENOMEM, "no memory to look a name up");
    atomic_init(&l->refs, 1);
    l->hints = (struct addrinfo){
        .ai_family = wanted->family, .ai_socktype = wanted->type, .ai_flags = wanted->flags};
    if (host)
        l->host = memcpy(l->text, wanted->host, host);
    if (port)
        l->port = memcpy(l->text + host, wanted->port, port);
    return l;
}

static int look_up(void *arg)
{
    struct lookup *l = arg;
    return aw_sys.lookup(l->host, l->port, &l->hints, &l->found);
}

/* `asked`: the result is the resolver's. */
static int in_thread(struct lookup *l, bool *asked)
{
    struct lookups *all = lookups_here();
    if (!all)
        return aw_errno();
    atomic_store_explicit(&l->refs, 2, memory_order_relaxed);
    aw_future *f = aw_run_in_executor(all->pool, look_up, l, .release = unref_lookup,
                                      .name = l->host, .abandon_on_cancel = true);
    if (!f) {
        unref_lookup(l);
        return aw_errno();
    }
    *asked = true;
    return aw_join(f);
}

/* ---- what was found ---- */

static int copy_found(const struct addrinfo *found, aw_address **ret)
{
    int n = 0;
    for (const struct addrinfo *i = found; i; i = i->ai_next)
        n += i->ai_addrlen <= sizeof(struct sockaddr_storage);
    aw_address *list = n ? aw_mem_zalloc((size_t)n * sizeof *list) : NULL;
    if (!list)
        return n ? -ENOMEM : -ENODATA;
    n = 0;
    for (const struct addrinfo *i = found; i; i = i->ai_next) {
        if (i->ai_addrlen > sizeof list->place)
            continue;
        memcpy(&list[n].place, i->ai_addr, i->ai_addrlen);
        list[n++].size = i->ai_addrlen;
    }
    *ret = list;
    return n;
}

static int name_it(int err, const struct aw_lookup *wanted)
{
    const char *why = err == -ENOENT    ? "the name is not known"
                      : err == -ENODATA ? "the name has no such address"
                      : err == -EAGAIN  ? "no name server has answered"
                      : err == -EINVAL  ? "there is no such port or family"
                                        : aw_strerror(err);
    return aw_raise_words(err, "host '%.120s', port '%.40s': %s", wanted->host ? wanted->host : "",
                          wanted->port ? wanted->port : "", why);
}

static int by_resolver(const struct aw_lookup *wanted, aw_address **ret)
{
    struct lookup *l = new_lookup(wanted);
    if (!l)
        return aw_errno();
    bool asked = false;
    int n = in_thread(l, &asked);
    if (n >= 0)
        n = copy_found(l->found, ret);
    unref_lookup(l);
    return n < 0 && asked && n != -ECANCELED ? name_it(n, wanted) : n;
}

/* ---- numbers ---- */

/* All interfaces, or this machine, in both families. */
static int nobody(const struct aw_lookup *wanted, unsigned port, aw_address **ret)
{
    bool passive = wanted->flags & AI_PASSIVE;
    aw_address *list = aw_mem_zalloc(2 * sizeof *list);
    int n = 0;
    if (!list)
        return aw_raise_words(-ENOMEM, "no memory for addresses");
    if (wanted->family != AF_INET)
        aw_ignore(aw_address_ip(&list[n++], passive ? "::" : "::1", port));
    if (wanted->family != AF_INET6)
        aw_ignore(aw_address_ip(&list[n++], passive ? "0.0.0.0" : "127.0.0.1", port));
    *ret = list;
    return n;
}

/* 0 if the host is not a number: then it is for the resolver. */
static int at_once(const struct aw_lookup *wanted, unsigned port, aw_address **ret)
{
    aw_address a;
    if (!wanted->host)
        return nobody(wanted, port, ret);
    if (!strpbrk(wanted->host, ":.") || aw_address_ip(&a, wanted->host, port) < 0)
        return 0;
    if (wanted->family && aw_address_family(&a) != wanted->family)
        return name_it(-ENODATA, wanted);
    if (!(*ret = aw_mem_alloc(sizeof a)))
        return aw_raise_words(-ENOMEM, "no memory for addresses");
    **ret = a;
    return 1;
}

static int check(const struct aw_lookup *wanted)
{
    if (wanted->host && !*wanted->host)
        return aw_raise_words(-EINVAL, "the host is an empty string");
    size_t host = wanted->host ? strlen(wanted->host) : 0;
    if (host > (size_t)HOST_MAX + (host && wanted->host[host - 1] == '.'))
        return aw_raise_words(-ENAMETOOLONG, "the host's name is longer than %d bytes: '%.40s...'",
                              HOST_MAX, wanted->host);
    if (wanted->port && strlen(wanted->port) > PORT_NAME_MAX)
        return aw_raise_words(-EINVAL, "'%.40s...' is not a port", wanted->port);
    if (wanted->port && aw_is_number(wanted->port) && aw_port_number(wanted->port) < 0)
        return aw_raise_words(-EINVAL, "%.40s is not a port", wanted->port);
    if (wanted->family != AF_UNSPEC && wanted->family != AF_INET && wanted->family != AF_INET6)
        return aw_raise_words(-EINVAL, "names have no addresses of family %d", wanted->family);
    return 0;
}

int aw_lookup(const struct aw_lookup *wanted, aw_address **ret)
{
    AW_TRY(check(wanted));
    bool numeric_port = !wanted->port || aw_is_number(wanted->port);
    if (numeric_port) {
        int port = wanted->port ? aw_port_number(wanted->port) : 0;
        int n = at_once(wanted, (unsigned)port, ret);
        if (n != 0)
            return n;
    }
    if (wanted->flags & AI_NUMERICHOST)
        return aw_raise_words(-EINVAL, "'%.120s' is not a numeric address", wanted->host);
    return by_resolver(wanted, ret);
}

/* ---- the public call ---- */

int aw_net_limited(double timeout, aw_fn *fn, void *arg)
{
    return timeout != 0 ? aw_timeout_call(timeout, fn, arg) : fn(arg);
}

struct resolving {
    struct aw_lookup wanted;
    aw_address **ret;
};

static int resolve(void *arg)
{
    struct resolving *r = arg;
    return aw_lookup(&r->wanted, r->ret);
}

int aw_resolve_(const aw_resolve_opts *opts)
{
    if (!opts->ret)
        return aw_raise_words(-EINVAL, "there is no place for the addresses");
    *opts->ret = NULL;
    if (!aw_current_task())
        return aw_raise_words(AW_EMISUSE, "names are looked up by a task");
    int flags = (opts->passive ? AI_PASSIVE : 0) | (opts->numeric_only ? AI_NUMERICHOST : 0) |
                (opts->usable_only ? AI_ADDRCONFIG : 0);
    struct resolving r = {.wanted = {.host = opts->host,
                                     .port = opts->port,
                                     .family = opts->family,
                                     .type = opts->datagram ? SOCK_DGRAM : SOCK_STREAM,
                                     .flags = flags},
                          .ret = opts->ret};
    return aw_net_limited(opts->timeout, resolve, &r);
}

void aw_addresses_free(aw_address *list)
{
    aw_mem_free(list);
}
