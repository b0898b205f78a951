/*
 * above.c - what the layers above need of a loop and may not reach for: a place to keep things.
 *
 * A layer keeps few things with a loop, each under a key of its own, so a list will do.
 */
#include "core/core.h"
#include "core/op.h"

struct aw_attached *aw_attached_find(const void *key)
{
    aw_list_each(link, &aw_self.loop->attached)
    {
        struct aw_attached *a = aw_container_of(link, struct aw_attached, link);
        if (a->key == key)
            return a;
    }
    return NULL;
}

void aw_attach(struct aw_attached *a)
{
    aw_assert(!aw_attached_find(a->key));
    aw_list_push_back(&aw_self.loop->attached, &a->link);
}

void aw_attached_close(aw_loop *l)
{
    aw_list *link;
    while ((link = aw_list_pop_front(&l->attached)) != NULL) {
        struct aw_attached *a = aw_container_of(link, struct aw_attached, link);
        a->close(a);
    }
}

void aw_op_report(const char *message, const char *what, const char *name, int error)
{
    aw_report_named(aw_self.loop, AW_REPORT_SERVER, message, what, name, error);
}
