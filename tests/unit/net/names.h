/*
 * names.h - a resolver of the tests' own, in place of getaddrinfo(): names with the addresses that
 * a test gives them, a name server that fails, and one that does not answer until it is let.
 */
#ifndef TESTS_NET_NAMES_H
#define TESTS_NET_NAMES_H

#include <semaphore.h>
#include <stdatomic.h>

#include "../core/util.h"
#include "await/net.h"
#include "await/testing.h"
#include "sys/net.h"

#define NAMES_MAX 8

/* What the next lookups find: numeric addresses up to a NULL, or an error. */
static struct {
    const char *addresses[NAMES_MAX];
    int error;
    bool hangs; /* until names_let_go() */
    sem_t gate;
    _Atomic int asked, hanging, freed;
} names;

/* Addresses and list are one block. */
struct found_name {
    struct addrinfo info[NAMES_MAX];
    struct sockaddr_storage places[NAMES_MAX];
};

static inline void find_name(struct found_name *f, int i, const char *port,
                             const struct addrinfo *hints)
{
    aw_address a;
    assert_int_equal(
        aw_address_ip(&a, names.addresses[i], port ? (unsigned)strtol(port, NULL, 10) : 0), 0);
    f->places[i] = a.place;
    f->info[i] = (struct addrinfo){.ai_family = aw_address_family(&a),
                                   .ai_socktype = hints->ai_socktype,
                                   .ai_addr = (struct sockaddr *)&f->places[i],
                                   .ai_addrlen = a.size};
    if (i > 0)
        f->info[i - 1].ai_next = &f->info[i];
}

static inline int names_lookup(const char *host, const char *port, const struct addrinfo *hints,
                               struct addrinfo **ret)
{
    (void)host;
    names.asked++;
    if (names.hangs) {
        names.hanging++;
        sem_wait(&names.gate);
        names.hanging--;
    }
    if (names.error)
        return names.error;
    struct found_name *f = calloc(1, sizeof *f);
    for (int i = 0; i < NAMES_MAX && names.addresses[i]; i++)
        find_name(f, i, port, hints);
    *ret = f->info;
    return 0;
}

static inline void names_free(struct addrinfo *found)
{
    names.freed += found != NULL;
    free(found);
}

static inline void names_install(void)
{
    sem_init(&names.gate, 0, 0);
    aw_sys.lookup = names_lookup;
    aw_sys.lookup_free = names_free;
}

/* Let n lookups that hang go on. */
static inline void names_let_go(int n)
{
    while (n-- > 0)
        sem_post(&names.gate);
}

#define NAMES(...)                                                                                 \
    memcpy(names.addresses, ((const char *[NAMES_MAX]){__VA_ARGS__}), sizeof names.addresses)

/* Is there IPv6 here? */
static inline bool has_ipv6(void)
{
    aw_address a;
    aw_address_ip(&a, "::1", 0);
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool works = fd >= 0 && bind(fd, (struct sockaddr *)&a.place, a.size) == 0;
    if (fd >= 0)
        close(fd);
    return works;
}

#endif
