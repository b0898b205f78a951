/*
 * error.c - the detail that goes with an error code.
 *
 * A code is a number and says little; the words beside it ("why was I cancelled?") are a text that
 * the future owns and whoever awaits it shares.  Sharing is a reference, so that failing never
 * allocates: a text is made where it is given (aw_cancel, aw_set_error), and where there is no
 * memory for it the code travels alone.
 *
 * Texts end in logs and on terminals, and names, paths and what peers say are strangers' words: so
 * a text is made into one line that can be shown, here and once.  To do it twice changes nothing.
 */
#include "core/core.h"

_Thread_local struct aw_thread aw_self;

struct aw_text *aw_text_new(const char *s)
{
    if (!s || !*s)
        return NULL;
    aw_buf b;
    aw_buf_init(&b, NULL, 0);
    aw_buf_add_shown(&b, s);
    size_t n = b.wanted + 1;
    struct aw_text *t = aw_mem_alloc(sizeof *t + n);
    if (!t)
        return NULL;
    atomic_init(&t->refs, 1);
    t->failures = NULL;
    aw_buf_init(&b, t->s, n);
    aw_buf_add_shown(&b, s);
    return t;
}

struct aw_text *aw_text_ref(struct aw_text *t)
{
    if (t)
        atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void aw_text_unref(struct aw_text *t)
{
    if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) > 1)
        return;
    if (t->failures)
        aw_group_failures_free(t->failures);
    aw_mem_free(t);
}

struct aw_errslot *aw_errslot_current(void)
{
    aw_loop *l = aw_self.loop;
    return l && l->current ? &l->current->err : &aw_self.err;
}

void aw_errslot_fini(struct aw_errslot *slot)
{
    aw_text_unref(slot->owner);
    *slot = (struct aw_errslot){0};
}

static void thread_ended(void)
{
    aw_errslot_fini(&aw_self.err);
    aw_context_unref(aw_self.context);
    aw_self.context = NULL;
    aw_record_thread_ends();
    aw_self.watched = false;
}

void aw_thread_owns(void)
{
    if (!aw_self.watched)
        aw_self.watched = aw_thread_watch(thread_ended) == 0;
}

/* Replace the detail; takes over the reference to `owner`. */
static void set_detail(struct aw_errslot *slot, int code, const char *msg, struct aw_text *owner)
{
    if (owner && slot == &aw_self.err)
        aw_thread_owns();
    aw_text_unref(slot->owner);
    slot->msg_code = code;
    slot->msg = msg;
    slot->owner = owner;
}

/* The detail that belongs to `code`, for a future to keep; NULL when the last one was another's. */
struct aw_text *aw_errslot_share(const struct aw_errslot *slot, int code)
{
    if (slot->msg_code != code)
        return NULL;
    return slot->owner ? aw_text_ref(slot->owner) : aw_text_new(slot->msg);
}

int aw_fail(int code, const char *msg)
{
    set_detail(aw_errslot_current(), code, msg, NULL);
    return code;
}

void *aw_fail_null(int code, const char *msg)
{
    struct aw_errslot *slot = aw_errslot_current();
    set_detail(slot, code, msg, NULL);
    slot->code = code;
    return NULL;
}

void *aw_null(int code)
{
    aw_errslot_current()->code = code;
    return NULL;
}

int aw_fail_text(int code, struct aw_text *text)
{
    struct aw_errslot *slot = aw_errslot_current();
    if (AW_LIKELY(!text && !slot->owner))
        slot->msg = NULL;
    else
        set_detail(slot, code, text ? text->s : NULL, aw_text_ref(text));
    return code;
}

/* The words of another failure since do not belong to it. */
int aw_null_handle(void)
{
    struct aw_errslot *slot = aw_errslot_current();
    if (slot->code >= 0)
        return aw_fail(-EINVAL, "the handle is NULL");
    if (slot->msg_code != slot->code)
        set_detail(slot, slot->code, NULL, NULL);
    return slot->code;
}

int aw_errno(void)
{
    return aw_errslot_current()->code;
}

const char *aw_errmsg(void)
{
    const char *msg = aw_errslot_current()->msg;
    return msg ? msg : "";
}

int aw_raise(int code, const char *msg)
{
    struct aw_text *text = aw_text_new(msg);
    aw_fail_text(code, text);
    aw_text_unref(text);
    return code;
}

void *aw_refuse(int code, const char *msg)
{
    struct aw_errslot *slot = aw_errslot_current();
    struct aw_text *text = aw_text_new(msg);
    slot->code = code < 0 ? code : -EINVAL;
    set_detail(slot, slot->code, text ? text->s : NULL, text);
    return NULL;
}
