/*
 * unix.c - the paths of local sockets: taken over from the dead, left to the living.
 *
 * A socket's path stays when its process has gone, and binding to it then fails.  Whether somebody
 * is still there is asked by connecting: the kernel refuses where nobody has the socket any more.
 * A path that was bound is known by the file that it led to, so that it is removed only as long as
 * nobody else's socket is there.  Between asking and removing another process may come; of two that
 * take over the same path at the same moment one may be left with a path that is the other's.
 */
#include <string.h>

#include "net/net.h"

/* Is it a socket that nobody has? */
static bool is_left_behind(const aw_address *a, int type)
{
    struct aw_file_id id;
    const char *path = aw_sockaddr_of(a)->local.sun_path;
    if (aw_sys.file_id(path, &id) < 0 || !id.is_socket)
        return false;
    int fd = aw_sys.socket(AF_UNIX, type, 0);
    if (fd < 0)
        return false;
    int err = aw_socket_connect_now(fd, a);
    aw_socket_close(fd);
    return err == -ECONNREFUSED;
}

int aw_net_path_bind(struct aw_net_path *p, int fd, const aw_address *a, int type)
{
    const char *path = aw_sockaddr_of(a)->local.sun_path;
    bool has_file = *path != '\0';
    if (has_file && is_left_behind(a, type))
        (void)aw_sys.unlink(path); /* binding will tell */
    AW_TRY(aw_socket_bind(fd, a));
    p->is_bound = has_file && aw_sys.file_id(path, &p->id) == 0;
    memcpy(p->text, path, sizeof p->text);
    return 0;
}

void aw_net_path_remove(struct aw_net_path *p)
{
    struct aw_file_id id;
    if (p->is_bound && aw_sys.file_id(p->text, &id) == 0 && id.device == p->id.device &&
        id.number == p->id.number)
        (void)aw_sys.unlink(p->text);
    p->is_bound = false;
}
