/*
 * items.c - the items of this process: those that wait to be served, and those that were.
 *
 * They are one list, in the order of arrival, and an item's state changes in that order too:
 *
 *     KEPT KEPT KEPT | IN_HAND IN_HAND | WAITING WAITING WAITING
 *                                        ^ first
 *
 * The oldest of the kept ones go when there are more than --keep.  Each change is a line of the
 * journal:
 *
 *     +17 {"text":"hello"}    17 waits
 *     *17                     17 was served, and is kept
 *     *a2-b3 {"text":"..."}   so is a2-b3, which came from another queue
 *     -17                     17 was removed, or was no item
 *     =18                     the next number to give
 *
 * so a service that was killed goes on where it was: what had not been served is served, perhaps
 * for the second time, and who connects again is shown what it has missed.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "feed/feed.h"
#include "feed/journal.h"

struct items {
    TAILQ_HEAD(item_list, item) list;
    struct item *first;          /* of those that wait; NULL */
    size_t kept, waiting, bytes; /* items; items; bytes of those that wait */
    size_t max_kept, max_waiting;
    uint64_t number, next_id;
    char prefix[16]; /* of the ids that are given here */
    bool stopped;
    aw_event arrived; /* set while an item waits, or nothing more will come */
    struct journal *journal;
};

enum {
    MAX_BYTES = 256 * 1024 * 1024, /* of all that wait */
    PIECE = 32 * 1024,             /* of kept items that are read at a time */
};

/* ---- the list ---- */

static struct item *append(struct items *all, const char *id, const char *body, size_t length)
{
    struct item *i = malloc(sizeof *i + length + 1);
    if (!i)
        return NULL;
    i->state = WAITING;
    i->number = ++all->number;
    i->length = length;
    snprintf(i->id, sizeof i->id, "%s", id);
    memcpy(i->body, body, length);
    i->body[length] = '\0';
    TAILQ_INSERT_TAIL(&all->list, i, link);
    all->waiting++;
    all->bytes += length;
    if (!all->first)
        all->first = i;
    aw_ignore(aw_event_set(&all->arrived));
    return i;
}

static void take(struct items *all, struct item *i)
{
    while (all->first && (all->first == i || all->first->state != WAITING))
        all->first = TAILQ_NEXT(all->first, link);
    all->waiting--;
    all->bytes -= i->length;
    i->state = IN_HAND;
    if (!all->first && !all->stopped)
        aw_ignore(aw_event_clear(&all->arrived));
}

static void drop(struct items *all, struct item *i)
{
    if (i->state == WAITING)
        take(all, i);
    all->kept -= i->state == KEPT;
    TAILQ_REMOVE(&all->list, i, link);
    free(i);
}

static void keep(struct items *all, struct item *i)
{
    if (i->state == WAITING)
        take(all, i);
    i->state = KEPT;
    all->kept++;
    for (struct item *old = TAILQ_FIRST(&all->list), *next; all->kept > all->max_kept; old = next) {
        next = TAILQ_NEXT(old, link);
        if (old->state == KEPT)
            drop(all, old);
    }
}

/* Most often it is the first that waits, or one of the latest. */
static struct item *find(struct items *all, const char *id)
{
    struct item *i = all->first;
    if (i && strcmp(i->id, id) == 0)
        return i;
    TAILQ_FOREACH_REVERSE(i, &all->list, item_list, link)
    if (strcmp(i->id, id) == 0)
        return i;
    return NULL;
}

/* ---- the journal ---- */

static void note_id(struct items *all, const char *id)
{
    const char *dash = strrchr(id, '-');
    uint64_t n = strtoull(dash ? dash + 1 : id, NULL, 10);
    if (n >= all->next_id)
        all->next_id = n + 1;
}

/* An item as it stands in the file: it waits, and is looked at when it is served; or it is one of
 * the kept ones, and would be shown as it is. */
static bool replay_item(struct items *all, char kind, const char *id, const char *text, size_t n)
{
    bool fine = kind == '+' || (kind == '*' && json_is_item(text, n));
    struct item *i = fine ? append(all, id, text, n) : NULL;
    if (i && kind == '*')
        keep(all, i);
    else if (i)
        note_id(all, id);
    return i != NULL;
}

/* What became of an item that stands further up, or is not among the kept ones any more. */
static bool replay_change(struct items *all, char kind, const char *id)
{
    struct item *i = find(all, id);
    bool fine = kind == '-' || (kind == '*' && (!i || json_is_item(i->body, i->length)));
    if (i && kind == '*' && fine)
        keep(all, i);
    else if (i && (kind == '-' || kind == '*'))
        drop(all, i);
    return fine;
}

static bool replay_next_id(struct items *all, const char *number)
{
    all->next_id = strtoull(number, NULL, 10);
    return number[strspn(number, "0123456789")] == '\0';
}

/* `line` is KIND ID [TEXT]. */
static bool replay(void *arg, char *line, size_t n)
{
    struct items *all = arg;
    char *id = line + 1, *text = n > 1 ? strchr(id, ' ') : NULL;
    if (text)
        *text++ = '\0';
    if (n < 2 || !*id || strlen(id) >= ID_SIZE)
        return false;
    if (line[0] == '=')
        return replay_next_id(all, id);
    return text ? replay_item(all, line[0], id, text, (size_t)(line + n - text))
                : replay_change(all, line[0], id);
}

static void rewrite(void *arg, FILE *to)
{
    struct items *all = arg;
    struct item *i;
    fprintf(to, "=%" PRIu64 "\n", all->next_id);
    TAILQ_FOREACH(i, &all->list, link)
    {
        fprintf(to, "%c%s ", i->state == KEPT ? '*' : '+', i->id);
        fwrite(i->body, 1, i->length, to); /* a file that was damaged may have zeros in it */
        fputc('\n', to);
    }
}

/* ---- from outside ---- */

/* Several copies that share their clients must not give the same ids. */
static void choose_prefix(struct items *all)
{
    uint32_t chance = 0;
    aw_ignore(aw_random_bytes(&chance, sizeof chance));
    snprintf(all->prefix, sizeof all->prefix, "%08x-", (unsigned)chance);
}

struct items *items_open(const struct options *o)
{
    struct items *all = calloc(1, sizeof *all);
    if (!all)
        return aw_refuse(-ENOMEM, NULL);
    TAILQ_INIT(&all->list);
    all->max_kept = *o->redis ? 0 : (size_t)o->keep;
    all->max_waiting = (size_t)o->waiting;
    all->next_id = 1;
    if (*o->redis)
        choose_prefix(all);
    struct journal_owner owner = {.replay = replay, .rewrite = rewrite, .arg = all};
    all->journal = journal_open(o->journal, o->sync, &owner);
    if (!all->journal) {
        items_close(all);
        return NULL;
    }
    return all;
}

void items_close(struct items *all)
{
    if (all->journal)
        journal_close(all->journal);
    while (!TAILQ_EMPTY(&all->list))
        drop(all, TAILQ_FIRST(&all->list));
    free(all);
}

/* All or none: what has been added when one fails is taken back. */
static int add(struct items *all, struct message *m)
{
    snprintf(m->id, sizeof m->id, "%s%" PRIu64, all->prefix, all->next_id);
    AW_TRY(journal_add(all->journal, '+', m->id, m->body));
    all->next_id++;
    if (append(all, m->id, m->body, m->length))
        return 0;
    aw_ignore(journal_add(all->journal, '-', m->id, NULL));
    return -ENOMEM;
}

int items_add(struct items *all, struct message *m, size_t n)
{
    size_t bytes = 0;
    for (size_t k = 0; k < n; k++)
        bytes += m[k].length;
    if (all->waiting + n > all->max_waiting || all->bytes + bytes > MAX_BYTES)
        return aw_raise(AW_EFULL, "too many items wait");
    for (size_t k = 0; k < n; k++) {
        int err = add(all, &m[k]);
        while (err < 0 && k-- > 0)
            items_remove(all, m[k].id);
        AW_TRY(err);
    }
    return journal_commit(all->journal);
}

int items_take(struct items *all, struct batch *b)
{
    b->n = 0;
    AW_TRY(aw_event_wait(&all->arrived));
    while (all->first && b->n < BATCH) {
        struct item *i = all->first;
        struct message *m = &b->messages[b->n++];
        *m = (struct message){.body = i->body, .length = i->length, .source = i};
        snprintf(m->id, sizeof m->id, "%s", i->id);
        take(all, i);
    }
    return b->n > 0 ? 0 : AW_ESHUTDOWN;
}

void items_stop(struct items *all)
{
    all->stopped = true;
    aw_ignore(aw_event_set(&all->arrived));
}

void items_served(struct items *all, struct item *i)
{
    aw_ignore(journal_add(all->journal, '*', i->id, NULL)); /* else it is served again one day */
    keep(all, i);
}

void items_reject(struct items *all, struct item *i)
{
    aw_ignore(journal_add(all->journal, '-', i->id, NULL));
    drop(all, i);
}

int items_keep(struct items *all, const struct message *m)
{
    if (find(all, m->id))
        return 0; /* its queue has given it twice */
    AW_TRY(journal_add(all->journal, '*', m->id, m->body));
    struct item *i = append(all, m->id, m->body, m->length);
    if (!i)
        return -ENOMEM;
    keep(all, i);
    return 0;
}

int items_commit(struct items *all)
{
    return journal_commit(all->journal);
}

bool items_remove(struct items *all, const char *id)
{
    struct item *i = find(all, id);
    if (!i || i->state == IN_HAND)
        return false;
    items_reject(all, i);
    return true;
}

bool items_read(struct items *all, FILE *to, char cursor[CURSOR])
{
    uint64_t number = strtoull(cursor, NULL, 10);
    size_t bytes = 0;
    struct item *i;
    TAILQ_FOREACH(i, &all->list, link)
    {
        if (i->state != KEPT || i->number <= number)
            continue;
        if (bytes > PIECE)
            break;
        fprintf(to, "%s{\"id\":\"%s\",\"item\":%s}", bytes ? "," : "", i->id, i->body);
        bytes += i->length + 1;
        snprintf(cursor, CURSOR, "%" PRIu64, i->number);
    }
    return i != NULL;
}

int items_error(const struct items *all)
{
    return journal_error(all->journal);
}

size_t items_kept(const struct items *all)
{
    return all->kept;
}

size_t items_waiting(const struct items *all)
{
    return all->waiting;
}
