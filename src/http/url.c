/*
 * url.c - URLs: made, taken apart, encoded; by libcurl's parser, so that what is looked at here is
 * what a request goes to.
 *
 * libcurl's parser lets some things through that no URL should have (a host's name without end); it
 * is asked through one function, which refuses them.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <curl/curl.h>

#include "await/memory.h"
#include "http/curl.h"
#include "text/words.h"

enum { NAME_MAX_BYTES = 253 }; /* of a host's name, by the DNS */

static int code_of_url(CURLUcode code)
{
    if (code == CURLUE_OUT_OF_MEMORY || aw_curl_lacked_memory())
        return -ENOMEM;
    return code == CURLUE_OK ? 0 : aw_raise(-EINVAL, curl_url_strerror(code));
}

/* ---- encoding ---- */

/* A text of the caller's that is cut where it is full. */
struct out {
    char *buf;
    size_t size, n; /* n: what there would be with room for everything */
};

static void put(struct out *o, const char *text, size_t n)
{
    size_t room = o->n + 1 < o->size ? o->size - 1 - o->n : 0;
    size_t fits = n < room ? n : room;
    if (fits)
        memcpy(o->buf + o->n, text, fits);
    o->n += n;
}

/* Terminates it: how long it would be. */
static int length_of(const struct out *o)
{
    if (o->size > 0)
        o->buf[o->n < o->size ? o->n : o->size - 1] = '\0';
    return o->n <= INT32_MAX ? (int)o->n : -EOVERFLOW;
}

static bool is_plain(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static void encode(struct out *o, const char *text, size_t n)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        char hex[3] = {'%', digits[c >> 4], digits[c & 15]};
        if (is_plain(c))
            put(o, &text[i], 1);
        else
            put(o, hex, 3);
    }
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

int aw_url_encode(const void *text, size_t n, char *buf, size_t size)
{
    if (!text || (!buf && size))
        return -EINVAL;
    struct out o = {buf, size, 0};
    encode(&o, text, n ? n : strlen(text));
    return length_of(&o);
}

int aw_url_decode(const char *text, char *buf, size_t size)
{
    if (!text || (!buf && size))
        return -EINVAL;
    struct out o = {buf, size, 0};
    for (; *text; text++) {
        int high = text[0] == '%' ? digit_of(text[1]) : -1;
        int low = high >= 0 ? digit_of(text[2]) : -1;
        char c = low >= 0 ? (char)(high << 4 | low) : *text;
        put(&o, &c, 1);
        text += low >= 0 ? 2 : 0;
    }
    return length_of(&o);
}

static void add_pairs(struct out *o, const char *const *pairs, bool any)
{
    for (; pairs && pairs[0]; pairs += 2) {
        if (any)
            put(o, "&", 1);
        encode(o, pairs[0], strlen(pairs[0]));
        put(o, "=", 1);
        if (pairs[1])
            encode(o, pairs[1], strlen(pairs[1]));
        else
            break;
        any = true;
    }
}

int aw_url_query(const char *const *pairs, char *buf, size_t size)
{
    if (!buf && size)
        return -EINVAL;
    struct out o = {buf, size, 0};
    add_pairs(&o, pairs, false);
    return length_of(&o);
}

/* ---- taking apart ---- */

static int check_host(CURLU *u)
{
    char *host = NULL;
    CURLUcode code = curl_url_get(u, CURLUPART_HOST, &host, 0);
    size_t n = host ? strlen(host) : 0;
    curl_free(host);
    if (code == CURLUE_NO_HOST)
        return 0;
    if (n > NAME_MAX_BYTES)
        return aw_raise(-EINVAL, "the host's name is longer than 253 bytes");
    return code_of_url(code);
}

/* `url`, relative to `base` if there is one.  NULL with aw_errno(). */
static CURLU *parse(const char *base, const char *url)
{
    aw_curl_watch_memory();
    CURLU *u = aw_curl_init() < 0 ? NULL : curl_url();
    if (!u)
        return aw_refuse(-ENOMEM, NULL);
    int err =
        base ? code_of_url(curl_url_set(u, CURLUPART_URL, base, CURLU_NON_SUPPORT_SCHEME)) : 0;
    if (err >= 0)
        err = code_of_url(curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME));
    if (err >= 0)
        err = check_host(u);
    if (err >= 0)
        return u;
    curl_url_cleanup(u);
    return aw_refuse(err, err == -EINVAL ? aw_errmsg() : NULL);
}

static const CURLUPart parts[] = {
    [AW_URL_SCHEME] = CURLUPART_SCHEME,     [AW_URL_USER] = CURLUPART_USER,
    [AW_URL_PASSWORD] = CURLUPART_PASSWORD, [AW_URL_HOST] = CURLUPART_HOST,
    [AW_URL_PORT] = CURLUPART_PORT,         [AW_URL_PATH] = CURLUPART_PATH,
    [AW_URL_QUERY] = CURLUPART_QUERY,       [AW_URL_FRAGMENT] = CURLUPART_FRAGMENT,
};

int aw_url_part(const char *url, aw_url_part_name part, char *buf, size_t size)
{
    char *text = NULL;
    if (!url || (!buf && size) || (unsigned)part >= sizeof parts / sizeof *parts)
        return -EINVAL;
    CURLU *u = parse(NULL, url);
    if (!u)
        return aw_errno();
    CURLUcode code = curl_url_get(u, parts[part], &text, CURLU_DEFAULT_PORT);
    curl_url_cleanup(u);
    int n = code == CURLUE_OK ? snprintf(buf, size, "%s", text) : -ENOENT;
    curl_free(text);
    return aw_curl_lacked_memory() ? -ENOMEM : n;
}

/* ---- making ---- */

static int add_query(CURLU *u, const char *const *pairs)
{
    char *had = NULL;
    if (!pairs || !pairs[0])
        return 0;
    CURLUcode code = curl_url_get(u, CURLUPART_QUERY, &had, 0);
    if (aw_curl_lacked_memory())
        return -ENOMEM;
    struct out o = {0};
    add_pairs(&o, pairs, false);
    size_t n = (had ? strlen(had) : 0) + o.n + 2;
    char *all = aw_mem_alloc(n);
    if (all) {
        o = (struct out){all, n, 0};
        put(&o, had ? had : "", had ? strlen(had) : 0);
        add_pairs(&o, pairs, had && *had);
        (void)length_of(&o);
        code = curl_url_set(u, CURLUPART_QUERY, all, 0);
    }
    int err = all ? code_of_url(code) : -ENOMEM;
    aw_mem_free(all);
    curl_free(had);
    return err;
}

static int drop_parts(CURLU *u, bool bare, bool words)
{
    CURLUcode code = CURLUE_OK;
    if (bare)
        code = curl_url_set(u, CURLUPART_USER, NULL, 0);
    if (bare && code == CURLUE_OK)
        code = curl_url_set(u, CURLUPART_PASSWORD, NULL, 0);
    if (words && code == CURLUE_OK)
        code = curl_url_set(u, CURLUPART_QUERY, NULL, 0);
    if (words && code == CURLUE_OK)
        code = curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
    return code_of_url(code);
}

/* libcurl's parser puts things together that it then refuses: what comes out has to go in again. */
static int check_made(const char *text)
{
    CURLU *u = parse(NULL, text);
    curl_url_cleanup(u);
    return u ? 0 : aw_errno();
}

char *aw_url_text(const char *base, const char *url, const char *const *query, bool bare,
                  bool words)
{
    char *text = NULL, *copy = NULL;
    CURLU *u = parse(base, url);
    if (!u)
        return NULL;
    int err = add_query(u, query);
    if (err >= 0)
        err = drop_parts(u, bare, words);
    if (err >= 0)
        err = code_of_url(curl_url_get(u, CURLUPART_URL, &text, 0));
    if (err >= 0)
        err = check_made(text);
    if (err >= 0 && !(copy = aw_copy(text)))
        err = -ENOMEM;
    curl_free(text);
    curl_url_cleanup(u);
    return copy ? copy : aw_refuse(err, err == -EINVAL ? aw_errmsg() : NULL);
}

int aw_url_make(const char *base, const char *url, const char *const *query, char *buf, size_t size)
{
    if (!url || (!buf && size))
        return -EINVAL;
    char *text = aw_url_text(base, url, query, false, false);
    if (!text)
        return aw_errno();
    int n = snprintf(buf, size, "%s", text);
    aw_mem_free(text);
    return n;
}

/* The host and port of a URL that aw_url_text() has made, without a user: where and how long. */
static const char *authority_of(const char *url, size_t *ret_size)
{
    const char *begin = strstr(url, "://");
    begin = begin ? begin + 3 : url;
    size_t n = strcspn(begin, "/?#");
    for (size_t i = n; i > 0; i--)
        if (begin[i - 1] == '@') {
            *ret_size = n - i;
            return begin + i;
        }
    *ret_size = n;
    return begin;
}

/* A port that is written in one and left out in the other makes them differ, which is safe. */
bool aw_url_same_origin(const char *a, const char *b)
{
    size_t n, m, scheme = strcspn(a, ":");
    const char *x = authority_of(a, &n), *y = authority_of(b, &m);
    return scheme == strcspn(b, ":") && curl_strnequal(a, b, scheme) && n == m &&
           curl_strnequal(x, y, n);
}

bool aw_url_has_user(const char *url)
{
    size_t n;
    const char *host = authority_of(url, &n);
    return host > url && host[-1] == '@';
}
