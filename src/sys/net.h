/*
 * net.h - the system's headers for sockets and names, and what the table's entries for them need.
 *
 * Only src/net includes this, and who puts an address into words; everybody else gets by with
 * sys.h.
 */
#ifndef AW_SYS_NET_H
#define AW_SYS_NET_H

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/buf.h"
#include "sys/sys.h"

/* Which file a path leads to, so that it can be told from another one that took its place. */
struct aw_file_id {
    uint64_t device, number;
    bool is_socket;
};

/* An address as text: "127.0.0.1:80", "[::1]:80", "/run/a.sock", "unix:a.sock", "@abstract",
 * "(unnamed)", "(none)"; or its host alone, "::1".  No more than `size` bytes of it are looked at.
 */
void aw_sockaddr_add(aw_buf *b, const struct sockaddr *a, size_t size, bool with_port);

/* The table's entries. */
int aw_net_socket(int family, int type, int protocol);
int aw_net_bind(int fd, const struct sockaddr *addr, socklen_t len);
int aw_net_listen(int fd, int backlog);
int aw_net_name(int fd, bool of_peer, struct sockaddr *addr, socklen_t *len);
int aw_net_set_option(int fd, int level, int option, const void *value, socklen_t len);
int aw_net_lookup(const char *host, const char *port, const struct addrinfo *hints,
                  struct addrinfo **ret);
void aw_net_lookup_free(struct addrinfo *found);
int aw_net_interface(const char *name);
int aw_net_file_id(const char *path, struct aw_file_id *ret);
int aw_net_unlink(const char *path);

#endif
