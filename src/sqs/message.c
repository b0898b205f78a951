/*
 * message.c - messages: written into a request, compared by their MD5, and read from an answer.
 *
 * The MD5 of attributes is that of, for each by the order of names: the name, the type and the
 * value, each behind its length as four bytes, and before the value a byte that says whether it is
 * text or binary.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sqs/md5.h"
#include "sqs/sqs.h"
#include "text/base64.h"

static size_t size_of(const void *data, size_t size)
{
    return size ? size : data ? strlen(data) : 0;
}

static const char *type_of(const aw_sqs_attribute *a)
{
    return a->type ? a->type : "String";
}

static bool is_binary(const aw_sqs_attribute *a)
{
    return !strncmp(type_of(a), "Binary", 6);
}

/* ---- MD5 ---- */

static void add_sized(struct aw_sqs_md5 *m, const void *data, size_t n)
{
    const unsigned char size[4] = {(unsigned char)(n >> 24), (unsigned char)(n >> 16),
                                   (unsigned char)(n >> 8), (unsigned char)n};
    aw_sqs_md5_add(m, size, 4);
    aw_sqs_md5_add(m, data, n);
}

static void add_attribute(struct aw_sqs_md5 *m, const aw_sqs_attribute *a)
{
    add_sized(m, a->name, strlen(a->name));
    add_sized(m, type_of(a), strlen(type_of(a)));
    aw_sqs_md5_add(m, is_binary(a) ? "\2" : "\1", 1);
    add_sized(m, a->value, size_of(a->value, a->size));
}

/* There are ten at most, so the next one is looked for each time. */
void aw_sqs_attributes_md5(const aw_sqs_attribute *a, size_t n, char hex[33])
{
    struct aw_sqs_md5 m;
    const char *last = NULL;
    aw_sqs_md5_begin(&m);
    for (;;) {
        const aw_sqs_attribute *next = NULL;
        for (size_t i = 0; i < n; i++)
            if ((!last || strcmp(a[i].name, last) > 0) &&
                (!next || strcmp(a[i].name, next->name) < 0))
                next = &a[i];
        if (!next)
            break;
        add_attribute(&m, next);
        last = next->name;
    }
    aw_sqs_md5_end(&m, hex);
}

static void md5_of(const void *data, size_t n, char hex[33])
{
    struct aw_sqs_md5 m;
    aw_sqs_md5_begin(&m);
    aw_sqs_md5_add(&m, data, n);
    aw_sqs_md5_end(&m, hex);
}

/* What is not said cannot be compared. */
static int compare(const struct aw_sqs_json *said, const char *name, const char *hex)
{
    const char *theirs = aw_sqs_json_text(said, name);
    return !*theirs || !strcmp(theirs, hex) ? 0 : -EBADMSG;
}

static int compare_both(const struct aw_sqs_json *said, const char *name_of_body, const void *body,
                        size_t n, const aw_sqs_attribute *a, size_t n_attributes)
{
    char hex[33];
    md5_of(body, n, hex);
    AW_TRY(compare(said, name_of_body, hex));
    aw_sqs_attributes_md5(a, n_attributes, hex);
    return n_attributes ? compare(said, "MD5OfMessageAttributes", hex) : 0;
}

/* ---- to send ---- */

size_t aw_sqs_body_size(const aw_sqs_send_entry *e)
{
    return size_of(e->body, e->size);
}

static int check_attribute(const struct aw_sqs_call *q, const aw_sqs_attribute *a)
{
    char what[100];
    if (!a->name || !*a->name || !a->value)
        return aw_sqs_refuse(q, -EINVAL, "an attribute without a name or a value");
    snprintf(what, sizeof what, "the attribute %.80s", a->name);
    AW_TRY(aw_sqs_check_text(q, "an attribute's name", a->name, strlen(a->name)));
    AW_TRY(aw_sqs_check_text(q, what, type_of(a), strlen(type_of(a))));
    return is_binary(a) ? 0 : aw_sqs_check_text(q, what, a->value, size_of(a->value, a->size));
}

int aw_sqs_check_message(const struct aw_sqs_call *q, const aw_sqs_send_entry *e)
{
    const char *const texts[] = {e->group, e->dedup, e->trace};
    if (!e->body || (e->n_attributes && !e->attributes))
        return aw_sqs_refuse(q, -EINVAL, "no body, or no attributes");
    if (aw_sqs_seconds(e->delay) < 0)
        return aw_sqs_refuse(q, -EINVAL, "a delay below zero, or that is no number");
    AW_TRY(aw_sqs_check_text(q, "the body", e->body, aw_sqs_body_size(e)));
    for (int i = 0; i < 3; i++)
        if (texts[i])
            AW_TRY(aw_sqs_check_text(q, "an id", texts[i], strlen(texts[i])));
    for (size_t i = 0; i < e->n_attributes; i++)
        AW_TRY(check_attribute(q, &e->attributes[i]));
    return 0;
}

static void write_attribute(struct aw_growing *t, const aw_sqs_attribute *a)
{
    size_t n = size_of(a->value, a->size);
    aw_sqs_text_name(t, a->name);
    aw_growing_adds(t, "{");
    aw_sqs_text_member(t, "DataType", type_of(a));
    aw_sqs_text_name(t, is_binary(a) ? "BinaryValue" : "StringValue");
    if (is_binary(a))
        aw_sqs_text_base64(t, a->value, n);
    else
        aw_json_quote(t, a->value, n);
    aw_growing_adds(t, "}");
}

void aw_sqs_write_message(struct aw_sqs_call *q, const aw_sqs_send_entry *e)
{
    struct aw_growing *t = &q->body;
    aw_sqs_text_name(t, "MessageBody");
    aw_json_quote(t, e->body, aw_sqs_body_size(e));
    if (e->delay > 0)
        aw_sqs_text_number(t, "DelaySeconds", aw_sqs_seconds(e->delay));
    aw_sqs_text_member(t, "MessageGroupId", e->group);
    aw_sqs_text_member(t, "MessageDeduplicationId", e->dedup);
    if (e->n_attributes) {
        aw_sqs_text_name(t, "MessageAttributes");
        aw_growing_adds(t, "{");
        for (size_t i = 0; i < e->n_attributes; i++)
            write_attribute(t, &e->attributes[i]);
        aw_growing_adds(t, "}");
    }
    if (e->trace) {
        const aw_sqs_attribute header = {.name = "AWSTraceHeader", .value = e->trace};
        aw_sqs_text_name(t, "MessageSystemAttributes");
        aw_growing_adds(t, "{");
        write_attribute(t, &header);
        aw_growing_adds(t, "}");
    }
}

int aw_sqs_take_sent(const struct aw_sqs_json *said, aw_sqs_send_entry *e)
{
    snprintf(e->message_id, sizeof e->message_id, "%s", aw_sqs_json_text(said, "MessageId"));
    snprintf(e->sequence, sizeof e->sequence, "%s", aw_sqs_json_text(said, "SequenceNumber"));
    if (!*e->message_id)
        return -EBADMSG;
    return compare_both(said, "MD5OfMessageBody", e->body, aw_sqs_body_size(e), e->attributes,
                        e->n_attributes);
}

/* ---- received ---- */

/* The attributes of one message while they are read. */
struct reading {
    aw_sqs_attribute *at;
    size_t n;
    unsigned char *binary; /* room for what is decoded */
    int err;
};

static void measure(const char *name, const struct aw_sqs_json *v, void *arg)
{
    size_t n = 0, *bytes = arg;
    (void)name;
    if (aw_sqs_json_string(aw_sqs_json_get(v, "BinaryValue"), &n))
        *bytes += n + 1;
}

static void read_attribute(const char *name, const struct aw_sqs_json *v, void *arg)
{
    struct reading *r = arg;
    aw_sqs_attribute *a = &r->at[r->n++];
    size_t n = 0;
    const char *text = aw_sqs_json_string(aw_sqs_json_get(v, "StringValue"), &n);
    const char *coded = aw_sqs_json_string(aw_sqs_json_get(v, "BinaryValue"), text ? NULL : &n);
    *a = (aw_sqs_attribute){name, aw_sqs_json_text(v, "DataType"), text ? text : "", n};
    if (text || !coded)
        return;
    long made = aw_base64_decode(r->binary, coded, n);
    if (made < 0) {
        r->err = -EBADMSG;
        made = 0;
    }
    a->value = r->binary;
    a->size = (size_t)made;
    r->binary[made] = 0;
    r->binary += made + 1;
}

static int read_attributes(const struct aw_sqs_json *object, aw_sqs_message *m)
{
    size_t n = aw_sqs_json_count(object), bytes = 0;
    if (n == 0)
        return 0;
    aw_sqs_json_each(object, measure, &bytes);
    struct reading r = {.at = aw_mem_alloc(n * sizeof *r.at + bytes)};
    if (!r.at)
        return -ENOMEM;
    r.binary = (unsigned char *)(r.at + n);
    m->attributes = r.at;
    aw_sqs_json_each(object, read_attribute, &r);
    m->n_attributes = r.n;
    return r.err;
}

static int read_message(const struct aw_sqs_json *v, aw_sqs_message *m)
{
    const struct aw_sqs_json *system = aw_sqs_json_get(v, "Attributes");
    m->body = aw_sqs_json_string(aw_sqs_json_get(v, "Body"), &m->size);
    m->id = aw_sqs_json_text(v, "MessageId");
    m->receipt = aw_sqs_json_text(v, "ReceiptHandle");
    if (!m->body || !*m->receipt)
        return -EBADMSG;
    m->receives = (unsigned)strtoul(aw_sqs_json_text(system, "ApproximateReceiveCount"), NULL, 10);
    m->sent = strtod(aw_sqs_json_text(system, "SentTimestamp"), NULL) / 1000;
    m->group = aw_sqs_json_text(system, "MessageGroupId");
    m->dedup = aw_sqs_json_text(system, "MessageDeduplicationId");
    m->sequence = aw_sqs_json_text(system, "SequenceNumber");
    m->trace = aw_sqs_json_text(system, "AWSTraceHeader");
    m->sender = aw_sqs_json_text(system, "SenderId");
    AW_TRY(read_attributes(aw_sqs_json_get(v, "MessageAttributes"), m));
    return compare_both(v, "MD5OfBody", m->body, m->size, m->attributes, m->n_attributes);
}

int aw_sqs_messages_make(const struct aw_sqs_json *reply, aw_sqs_messages **ret)
{
    const struct aw_sqs_json *array = aw_sqs_json_get(reply, "Messages");
    if (!aw_sqs_json_is_list(array))
        return -EBADMSG;
    size_t n = aw_sqs_json_count(array);
    aw_sqs_messages *m = aw_mem_zalloc(sizeof *m + n * sizeof *m->all);
    if (!m)
        return -ENOMEM;
    m->refs = 1;
    m->n = n;
    m->all = (aw_sqs_message *)(m + 1);
    int err = 0;
    for (size_t i = 0; i < n && err >= 0; i++)
        err = read_message(aw_sqs_json_at(array, i), &m->all[i]);
    if (err < 0)
        aw_sqs_messages_unref(m);
    else
        *ret = m;
    return err;
}

aw_sqs_messages *aw_sqs_messages_ref(aw_sqs_messages *m)
{
    if (m)
        m->refs++;
    return m;
}

void aw_sqs_messages_unref(aw_sqs_messages *m)
{
    if (!m || --m->refs > 0)
        return;
    for (size_t i = 0; i < m->n; i++)
        aw_mem_free((void *)(uintptr_t)m->all[i].attributes);
    aw_sqs_json_free(m->reply);
    aw_mem_free(m);
}

size_t aw_sqs_messages_count(const aw_sqs_messages *m)
{
    return m ? m->n : 0;
}

const aw_sqs_message *aw_sqs_messages_at(const aw_sqs_messages *m, size_t i)
{
    return m && i < m->n ? &m->all[i] : NULL;
}
