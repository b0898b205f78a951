/*
 * format.c - commands as the bytes that are sent: "*2\r\n$3\r\nGET\r\n$1\r\na\r\n".
 *
 * The number of arguments stands before them and is known only behind them: so the arguments are
 * put together first, and the head is put before them at the end, into room that was left for it.
 */
#include <stdio.h>
#include <string.h>

#include "await/loop.h"
#include "await/redis.h"
#include "redis/format.h"

enum { HEAD_ROOM = 24 };

/* What is being made: the argument that is open begins at `begin` of `word`. */
struct draft {
    struct aw_growing *out;
    struct aw_growing word;
    bool open;
    size_t n;
};

static void end_word(struct draft *d)
{
    if (!d->open)
        return;
    aw_growing_printf(d->out, "$%zu\r\n", d->word.len);
    aw_growing_add(d->out, d->word.data, d->word.len);
    aw_growing_adds(d->out, "\r\n");
    d->word.len = 0;
    d->open = false;
    d->n++;
}

static long long signed_of(va_list *ap, int longs)
{
    return longs == 0   ? va_arg(*ap, int)
           : longs == 1 ? va_arg(*ap, long)
           : longs == 2 ? va_arg(*ap, long long)
                        : (long long)va_arg(*ap, ptrdiff_t);
}

static unsigned long long unsigned_of(va_list *ap, int longs)
{
    return longs == 0   ? va_arg(*ap, unsigned)
           : longs == 1 ? va_arg(*ap, unsigned long)
           : longs == 2 ? va_arg(*ap, unsigned long long)
                        : va_arg(*ap, size_t);
}

static bool put_number(struct aw_growing *w, char c, int longs, va_list *ap)
{
    if (c == 'd' || c == 'i')
        aw_growing_printf(w, "%lld", signed_of(ap, longs));
    else if (c == 'u')
        aw_growing_printf(w, "%llu", unsigned_of(ap, longs));
    else if (c == 'f' || c == 'g')
        aw_growing_printf(w, "%.17g", va_arg(*ap, double));
    else
        return false;
    return true;
}

static bool put_string(struct aw_growing *w, char c, va_list *ap)
{
    const char *data = va_arg(*ap, const char *);
    size_t n = c == 'b' ? va_arg(*ap, size_t) : data ? strlen(data) : 0;
    if (!data && (n > 0 || c == 's'))
        return false;
    aw_growing_add(w, data, n);
    return true;
}

/* What a percent sign stands for: behind it; NULL: nothing that is known. */
static const char *put(struct aw_growing *w, const char *at, va_list *ap)
{
    int longs = 0;
    bool fine = true;
    for (; (*at == 'l' && longs < 2) || (*at == 'z' && longs == 0); at++)
        longs += *at == 'z' ? 3 : 1;
    if (longs == 0 && (*at == 's' || *at == 'b'))
        fine = put_string(w, *at, ap);
    else if (longs == 0 && *at == '%')
        aw_growing_addc(w, '%');
    else
        fine = put_number(w, *at, longs, ap);
    return fine ? at + 1 : NULL;
}

/* The head, before the arguments. */
static int finish(struct aw_growing *out, size_t n)
{
    char head[HEAD_ROOM];
    int size = snprintf(head, sizeof head, "*%zu\r\n", n);
    if (out->failed)
        return out->failed;
    memmove(out->data + size, out->data + HEAD_ROOM, out->len - HEAD_ROOM);
    memcpy(out->data, head, (size_t)size);
    out->len -= HEAD_ROOM - (size_t)size;
    return 0;
}

static const char *scan(struct draft *d, const char *at, va_list *ap)
{
    while (at && *at) {
        if (*at == ' ') {
            end_word(d);
            at++;
            continue;
        }
        d->open = true;
        if (*at != '%')
            aw_growing_addc(&d->word, *at++);
        else
            at = put(&d->word, at + 1, ap);
    }
    end_word(d);
    return at;
}

int rd_format(struct aw_growing *out, const char *format, va_list ap)
{
    struct draft d = {.out = out};
    va_list copy;
    if (!format)
        return -EINVAL;
    aw_growing_room(out, HEAD_ROOM);
    va_copy(copy, ap);
    const char *end = scan(&d, format, &copy);
    va_end(copy);
    int err = d.word.failed ? d.word.failed : 0;
    aw_growing_clear(&d.word);
    if (!end)
        return aw_raise(-EINVAL, "the format makes no sense, or a string is NULL");
    if (err == 0 && d.n == 0)
        return aw_raise(-EINVAL, "the command is empty");
    return err ? err : finish(out, d.n);
}

int rd_format_argv(struct aw_growing *out, const char *const *argv, const size_t *lengths, size_t n)
{
    if (!argv || n == 0)
        return aw_raise(-EINVAL, "the command is empty");
    aw_growing_room(out, HEAD_ROOM);
    for (size_t i = 0; i < n; i++) {
        if (!argv[i] && !(lengths && lengths[i] == 0))
            return aw_raise(-EINVAL, "an argument is NULL");
        size_t len = lengths ? lengths[i] : strlen(argv[i]);
        aw_growing_printf(out, "$%zu\r\n", len);
        aw_growing_add(out, argv[i], len);
        aw_growing_adds(out, "\r\n");
    }
    return finish(out, n);
}

/* ---- what is not for a shared connection ---- */

/* Those that make it another kind of connection, or leave it without replies. */
static const char *const forbidden[] = {
    "SUBSCRIBE",    "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE",
    "SUNSUBSCRIBE", "MONITOR",    "HELLO",      "RESET",       "QUIT",
    "SYNC",         "PSYNC",      "REPLCONF",
};

/* The i-th argument of a command: its length; 0, there is none. */
static size_t argument(const struct aw_growing *c, unsigned i, const char **ret)
{
    const char *end = c->data + c->len, *at = memchr(c->data, '$', c->len);
    for (size_t n; at && at < end; at += n + 2) {
        for (n = 0, at++; *at != '\r'; at++)
            n = n * 10 + (size_t)(*at - '0');
        at += 2;
        *ret = at;
        if (i-- == 0)
            return n;
    }
    return 0;
}

static bool is(const char *text, size_t n, const char *word)
{
    size_t same = 0;
    while (same < n && word[same] && (text[same] & ~0x20) == word[same])
        same++;
    return same == n && !word[same];
}

int rd_format_check(const struct aw_growing *command)
{
    const char *word = "", *second = "";
    size_t n = argument(command, 0, &word);
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++)
        if (is(word, n, forbidden[i]))
            return aw_raise(AW_EMISUSE, "this command is not for a shared connection");
    if (n == 6 && is(word, n, "CLIENT")) {
        size_t m = argument(command, 1, &second);
        if (m == 5 && is(second, m, "REPLY"))
            return aw_raise(AW_EMISUSE, "this command is not for a shared connection");
    }
    return 0;
}
