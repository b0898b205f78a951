/*
 * room.c - rooms: who is in which.
 *
 * A room exists as long as it has members.  The room of a socket's own id is not one of these: it
 * is found by the id.
 */
#include <string.h>

#include "sio/sio.h"

struct aw_sio_room *aw_sio_room_find(const aw_sio_namespace *ns, const char *name)
{
    struct aw_sio_node *node = aw_sio_table_find(&ns->rooms, name);
    return node ? aw_container_of(node, struct aw_sio_room, node) : NULL;
}

static struct aw_sio_room *new_room(aw_sio_namespace *ns, const char *name)
{
    size_t n = strlen(name) + 1;
    struct aw_sio_room *room = aw_mem_alloc(sizeof *room + n);
    if (!room)
        return NULL;
    *room = (struct aw_sio_room){.ns = ns, .node = {.name = room->name}};
    memcpy(room->name, name, n);
    aw_list_init(&room->members);
    if (aw_sio_table_add(&ns->rooms, &room->node) < 0) {
        aw_mem_free(room);
        return NULL;
    }
    if (ns->io->adapter && ns->io->adapter->room_begins)
        ns->io->adapter->room_begins(ns, room->name, ns->io->adapter_arg);
    return room;
}

static struct aw_sio_member *member_of(const aw_sio_socket *s, const char *room)
{
    aw_list_each(it, &s->members)
    {
        struct aw_sio_member *m = aw_container_of(it, struct aw_sio_member, in_socket);
        if (strcmp(m->room->name, room) == 0)
            return m;
    }
    return NULL;
}

static void remove_member(struct aw_sio_member *m)
{
    struct aw_sio_room *room = m->room;
    aw_sio_namespace *ns = room->ns;
    aw_list_remove(&m->in_room);
    aw_list_remove(&m->in_socket);
    aw_mem_free(m);
    if (--room->n > 0)
        return;
    aw_sio_table_remove(&ns->rooms, &room->node);
    if (ns->io->adapter && ns->io->adapter->room_ends)
        ns->io->adapter->room_ends(ns, room->name, ns->io->adapter_arg);
    aw_mem_free(room);
}

static int check(const aw_sio_socket *s, const char *room)
{
    if (!s || !room || !*room)
        return -EINVAL;
    AW_TRY(aw_sio_here(s->ns->io));
    return s->state == AW_SIO_CONNECTED ? 0 : -ENOTCONN;
}

int aw_sio_join(aw_sio_socket *s, const char *name)
{
    AW_TRY(check(s, name));
    if (aw_sio_in_room(s, name))
        return 0;
    struct aw_sio_member *m = aw_mem_alloc(sizeof *m);
    if (!m)
        return -ENOMEM;
    struct aw_sio_room *room = aw_sio_room_find(s->ns, name);
    if (!room)
        room = new_room(s->ns, name);
    if (!room) {
        aw_mem_free(m);
        return -ENOMEM;
    }
    m->room = room;
    m->socket = s;
    room->n++;
    aw_list_push_back(&room->members, &m->in_room);
    aw_list_push_back(&s->members, &m->in_socket);
    return 0;
}

int aw_sio_leave(aw_sio_socket *s, const char *name)
{
    AW_TRY(check(s, name));
    struct aw_sio_member *m = member_of(s, name);
    if (m)
        remove_member(m);
    return 0;
}

void aw_sio_leave_all(aw_sio_socket *s)
{
    while (!aw_list_empty(&s->members))
        remove_member(aw_container_of(s->members.next, struct aw_sio_member, in_socket));
}

bool aw_sio_in_room(const aw_sio_socket *s, const char *name)
{
    if (!s || !name || s->state != AW_SIO_CONNECTED)
        return false;
    return strcmp(s->id, name) == 0 || member_of(s, name);
}

size_t aw_sio_rooms(const aw_sio_socket *s, const char **ret, size_t max)
{
    size_t n = 0;
    if (!s)
        return 0;
    aw_list_each(it, &s->members)
    {
        if (n < max)
            ret[n] = aw_container_of(it, struct aw_sio_member, in_socket)->room->name;
        n++;
    }
    return n;
}

size_t aw_sio_namespace_sockets(const aw_sio_namespace *ns)
{
    return ns ? ns->by_id.n : 0;
}

size_t aw_sio_room_sockets(const aw_sio_namespace *ns, const char *name)
{
    if (!ns || !name)
        return 0;
    struct aw_sio_room *room = aw_sio_room_find(ns, name);
    return (room ? room->n : 0) + (aw_sio_find(ns, name) != NULL);
}

aw_sio_socket *aw_sio_find(const aw_sio_namespace *ns, const char *id)
{
    struct aw_sio_node *node = ns && id ? aw_sio_table_find(&ns->by_id, id) : NULL;
    return node ? aw_container_of(node, aw_sio_socket, node) : NULL;
}

size_t aw_sio_fetch(const aw_sio_namespace *ns, const char *name, aw_sio_socket **ret, size_t max)
{
    size_t n = 0;
    if (!ns)
        return 0;
    struct aw_sio_room *room = name ? aw_sio_room_find(ns, name) : NULL;
    const aw_list *list = !name ? &ns->sockets : room ? &room->members : NULL;
    for (aw_list *it = list ? list->next : NULL; it && it != list; it = it->next) {
        aw_sio_socket *s = name ? aw_container_of(it, struct aw_sio_member, in_room)->socket
                                : aw_container_of(it, aw_sio_socket, namespace_link);
        if (n < max)
            ret[n] = aw_sio_socket_ref(s);
        n++;
    }
    aw_sio_socket *own = name ? aw_sio_find(ns, name) : NULL;
    if (own && n++ < max)
        ret[n - 1] = aw_sio_socket_ref(own);
    return n;
}
