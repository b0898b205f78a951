/*
 * curl_easy.c - the other half of the adapter: the options of a transfer, and what libcurl calls.
 *
 * What all transfers of a session have in common is set when an easy handle is made; it is kept
 * with that.  aw_curl_set() sets everything else, whatever the transfer before has left.
 *
 * The list of headers is one block of memory, made for each transfer: libcurl only reads it.
 */
#include <limits.h>
#include <string.h>

#include "await/memory.h"
#include "await/net.h"
#include "http/curl_easy.h"

enum { LONGEST = 1000000000 }; /* seconds, as good as for ever */

/* ---- libcurl's side of a transfer ---- */

static int refuse(struct aw_transfer *t, int err)
{
    if (err < 0)
        t->refused = err;
    return err;
}

static int resolving(void *resolver, void *unused, void *arg)
{
    struct aw_transfer *t = arg;
    (void)resolver;
    (void)unused;
    return refuse(t, t->calls->connecting(t)) < 0;
}

static int socket_made(void *arg, curl_socket_t fd, curlsocktype purpose)
{
    struct aw_transfer *t = arg;
    (void)fd;
    (void)purpose;
    return refuse(t, t->calls->connecting(t)) < 0 ? CURL_SOCKOPT_ERROR : CURL_SOCKOPT_OK;
}

/* How libcurl tells an address before it connects; it wants a socket in return. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct aw_transfer *t = arg;
    aw_address a = {.size = to->addrlen};
    char ip[AW_ADDRESS_TEXT] = "";
    (void)purpose;
    if (to->addrlen <= sizeof a.place && to->family != AF_UNIX) {
        memcpy(&a.place, &to->addr, to->addrlen);
        aw_ignore(aw_address_host(&a, ip, sizeof ip));
    }
    if (refuse(t, t->calls->address(t, ip)) < 0)
        return CURL_SOCKET_BAD;
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static int about_to_send(void *arg, char *ip, char *local, int port, int local_port)
{
    struct aw_transfer *t = arg;
    (void)local;
    (void)port;
    (void)local_port;
    return refuse(t, t->calls->connected(t, ip)) < 0 ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static size_t take_head(char *line, size_t one, size_t n, void *arg)
{
    struct aw_transfer *t = arg;
    (void)one;
    return refuse(t, t->calls->head(t, line, n)) < 0 ? CURL_WRITEFUNC_ERROR : n;
}

static size_t take_body(char *data, size_t one, size_t n, void *arg)
{
    struct aw_transfer *t = arg;
    (void)one;
    int err = refuse(t, t->calls->body(t, data, n));
    return err < 0 ? CURL_WRITEFUNC_ERROR : err > 0 ? CURL_WRITEFUNC_PAUSE : n;
}

static size_t give_body(char *buf, size_t one, size_t n, void *arg)
{
    struct aw_transfer *t = arg;
    ssize_t given = t->calls->upload(t, buf, one * n);
    if (given == -EAGAIN)
        return CURL_READFUNC_PAUSE;
    return refuse(t, (int)given) < 0 ? CURL_READFUNC_ABORT : (size_t)given;
}

/* ---- what transfers have in common ---- */

static CURLcode set_tls(CURL *easy, const aw_http_session_opts *o)
{
    CURLcode code = CURLE_OK;
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, o->insecure ? 0L : 1L);
    SET(CURLOPT_SSL_VERIFYHOST, o->insecure ? 0L : 2L);
    SET(CURLOPT_PROXY_SSL_VERIFYPEER, o->insecure ? 0L : 1L);
    SET(CURLOPT_PROXY_SSL_VERIFYHOST, o->insecure ? 0L : 2L);
    if (o->ca_file || o->ca_path) {
        SET(CURLOPT_CAINFO, o->ca_file);
        SET(CURLOPT_CAPATH, o->ca_path);
    }
    SET(CURLOPT_SSLCERT, o->certificate);
    SET(CURLOPT_SSLKEY, o->key ? o->key : o->certificate);
    SET(CURLOPT_KEYPASSWD, o->key_password);
    SET(CURLOPT_PINNEDPUBLICKEY, o->pinned_key);
    return code;
}

static CURLcode set_way(CURL *easy, const struct aw_curl *c)
{
    const aw_http_session_opts *o = c->opts;
    CURLcode code = CURLE_OK;
    const char *schemes = o->schemes ? o->schemes : "http,https";
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* never wait for a thread that looks a name up */
    SET(CURLOPT_PROTOCOLS_STR, schemes);
    if (o->proxy || !o->proxy_from_environment) {
        SET(CURLOPT_PROXY, o->proxy ? o->proxy : "");
        SET(CURLOPT_NOPROXY, "");
    }
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_UNIX_SOCKET_PATH, o->unix_path && o->unix_path[0] != '@' ? o->unix_path : NULL);
    if (o->unix_path && o->unix_path[0] == '@')
        SET(CURLOPT_ABSTRACT_UNIX_SOCKET, o->unix_path + 1);
    SET(CURLOPT_OPENSOCKETFUNCTION, o->public_only ? open_socket : NULL);
    SET(CURLOPT_CONNECT_TO, c->connect_to);
    SET(CURLOPT_MAXAGE_CONN, o->keepalive < LONGEST ? (long)o->keepalive : (long)LONGEST);
    SET(CURLOPT_SHARE, c->share);
    if (!o->no_cookies)
        SET(CURLOPT_COOKIEFILE, "");
    if (!o->keep_compressed)
        SET(CURLOPT_ACCEPT_ENCODING, "");
    return code;
}

static CURLcode set_calls(CURL *easy)
{
    CURLcode code = CURLE_OK;
    SET(CURLOPT_RESOLVER_START_FUNCTION, resolving);
    SET(CURLOPT_SOCKOPTFUNCTION, socket_made);
    SET(CURLOPT_PREREQFUNCTION, about_to_send);
    SET(CURLOPT_HEADERFUNCTION, take_head);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_READFUNCTION, give_body);
    return code;
}

CURL *aw_curl_take(struct aw_curl *c, CURLcode *ret_code)
{
    if (c->n_spare > 0)
        return c->spare[--c->n_spare];
    CURL *easy = curl_easy_init();
    CURLcode code = easy ? set_calls(easy) : CURLE_OUT_OF_MEMORY;
    if (code == CURLE_OK)
        code = set_way(easy, c);
    if (code == CURLE_OK)
        code = set_tls(easy, c->opts);
    if (code == CURLE_OK)
        return easy;
    curl_easy_cleanup(easy);
    *ret_code = code;
    return NULL;
}

void aw_curl_park(struct aw_curl *c, CURL *easy)
{
    if (c->n_spare == SPARE_MAX) {
        curl_easy_cleanup(easy);
        return;
    }
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
    curl_easy_setopt(easy, CURLOPT_USERPWD, NULL);
    curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, NULL);
    c->spare[c->n_spare++] = easy;
}

/* ---- headers ---- */

static bool has_name(const char *const *pairs, const char *name)
{
    for (; pairs && pairs[0]; pairs += 2)
        if (curl_strequal(pairs[0], name))
            return true;
    return false;
}

/* A list that is measured first, and then written. */
struct fields {
    struct curl_slist *nodes; /* NULL: only measure */
    char *text;
    size_t n, bytes;
};

/* "Name: value"; "Name;" for an empty value, and "Name:" for none, which keeps libcurl's own from
 * being sent. */
static void add_field(struct fields *f, const char *name, const char *value)
{
    const char *between = !value ? ":" : *value ? ": " : ";";
    const char *pieces[] = {name, between, value ? value : ""};
    if (f->nodes) {
        f->nodes[f->n].data = f->text + f->bytes;
        f->nodes[f->n].next = NULL;
        if (f->n > 0)
            f->nodes[f->n - 1].next = &f->nodes[f->n];
    }
    for (int i = 0; i < 3; i++) {
        size_t n = strlen(pieces[i]);
        if (f->nodes)
            memcpy(f->text + f->bytes, pieces[i], n + 1);
        f->bytes += n;
    }
    f->bytes++;
    f->n++;
}

/* Not in the list: it is an option of its own, or only for the host that was asked first. */
static bool is_elsewhere(const char *name, bool foreign)
{
    return curl_strequal(name, "User-Agent") ||
           (foreign && (curl_strequal(name, "Authorization") || curl_strequal(name, "Cookie") ||
                        curl_strequal(name, "Host") || /* for which libcurl chooses cookies, too */
                        curl_strequal(name, "X-Amz-Security-Token")));
}

/* The session's, where nobody said something else. */
static void add_session_fields(struct fields *f, const struct aw_transfer *t,
                               const struct aw_transfer_spec *s)
{
    for (const char *const *p = t->engine->opts->headers; p && p[0]; p += 2) {
        bool replaced =
            has_name(s->headers, p[0]) || (s->content_type && curl_strequal(p[0], "Content-Type"));
        if (!replaced && !is_elsewhere(p[0], s->foreign_session))
            add_field(f, p[0], p[1]);
    }
}

static void add_fields(struct fields *f, const struct aw_transfer *t,
                       const struct aw_transfer_spec *s)
{
    for (const char *const *p = s->headers; p && p[0]; p += 2)
        if (!is_elsewhere(p[0], s->foreign))
            add_field(f, p[0], p[1]);
    if (s->content_type && !has_name(s->headers, "Content-Type"))
        add_field(f, "Content-Type", s->content_type);
    add_session_fields(f, t, s);
    /* An empty header would be signed, though it is not sent. */
    if (s->has_body && !s->aws_sigv4 && !has_name(s->headers, "Expect"))
        add_field(f, "Expect", NULL);
}

static CURLcode set_fields(struct aw_transfer *t, const struct aw_transfer_spec *s)
{
    CURL *easy = t->easy;
    CURLcode code = CURLE_OK;
    struct fields f = {0};
    add_fields(&f, t, s);
    t->has_host = (!s->foreign && has_name(s->headers, "Host")) ||
                  (!s->foreign_session && has_name(t->engine->opts->headers, "Host"));
    if (f.n > 0) {
        size_t nodes = f.n * sizeof *f.nodes;
        t->fields = aw_mem_alloc(nodes + f.bytes);
        if (!t->fields)
            return CURLE_OUT_OF_MEMORY;
        f = (struct fields){.nodes = t->fields, .text = (char *)t->fields + nodes};
        add_fields(&f, t, s);
    }
    SET(CURLOPT_HTTPHEADER, (struct curl_slist *)t->fields);
    return code;
}

/* ---- method and body ---- */

static CURLcode set_body(CURL *easy, const struct aw_transfer_spec *s)
{
    CURLcode code = CURLE_OK;
    if (s->upload) {
        SET(CURLOPT_UPLOAD, 1L);
        SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)s->upload_size);
        return code;
    }
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)s->size);
    if (s->copy_body)
        SET(CURLOPT_COPYPOSTFIELDS, s->size ? s->body : "");
    else
        SET(CURLOPT_POSTFIELDS, s->size ? s->body : "");
    return code;
}

/* libcurl's own verb for what is asked, and the method's name where that is another one. */
static CURLcode set_method(CURL *easy, const struct aw_transfer_spec *s)
{
    CURLcode code = CURLE_OK;
    const char *implied = s->has_body ? (s->upload ? "PUT" : "POST") : "GET";
    bool head = !strcmp(s->method, "HEAD") && !s->has_body;
    SET(CURLOPT_UPLOAD, 0L);
    SET(CURLOPT_NOBODY, 0L);
    SET(CURLOPT_HTTPGET, 1L);
    if (s->has_body && code == CURLE_OK)
        code = set_body(easy, s);
    if (head)
        SET(CURLOPT_NOBODY, 1L);
    SET(CURLOPT_CUSTOMREQUEST, head || !strcmp(s->method, implied) ? NULL : s->method);
    return code;
}

static CURLcode set_authorisation(CURL *easy, const struct aw_transfer_spec *s)
{
    CURLcode code = CURLE_OK;
    unsigned long how = s->aws_sigv4 ? CURLAUTH_AWS_SIGV4
                        : s->bearer  ? CURLAUTH_BEARER
                                     : CURLAUTH_BASIC;
    bool keyed = !s->bearer || s->aws_sigv4;
    SET(CURLOPT_AWS_SIGV4, s->aws_sigv4);
    SET(CURLOPT_HTTPAUTH, how);
    SET(CURLOPT_XOAUTH2_BEARER, keyed ? NULL : s->bearer);
    SET(CURLOPT_USERNAME, keyed ? s->user : NULL);
    SET(CURLOPT_PASSWORD, keyed ? s->password : NULL);
    return code;
}

static long version_to_ask(const struct aw_transfer_spec *s)
{
    bool tls = !strncmp(s->url, "https:", 6);
    return s->version == AW_HTTP_2_PRIOR ? CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE
           : s->version == AW_HTTP_1_1   ? CURL_HTTP_VERSION_1_1
           : tls                         ? CURL_HTTP_VERSION_2TLS
                                         : CURL_HTTP_VERSION_1_1;
}

CURLcode aw_curl_set(struct aw_transfer *t, const struct aw_transfer_spec *s)
{
    CURL *easy = t->easy;
    long version = version_to_ask(s);
    double limit = s->connect_timeout * 1e3;
    CURLcode code = set_fields(t, s);
    if (code == CURLE_OK)
        code = set_method(easy, s);
    if (code == CURLE_OK)
        code = set_authorisation(easy, s);
    SET(CURLOPT_URL, s->url);
    SET(CURLOPT_USERAGENT, s->user_agent);
    SET(CURLOPT_HTTP_VERSION, version);
    SET(CURLOPT_PIPEWAIT, version == CURL_HTTP_VERSION_1_1 ? 0L : 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, limit > 0 && limit < INT_MAX ? (long)limit + 1 : (long)INT_MAX);
    SET(CURLOPT_ERRORBUFFER, t->words);
    SET(CURLOPT_PRIVATE, t);
    SET(CURLOPT_RESOLVER_START_DATA, t);
    SET(CURLOPT_SOCKOPTDATA, t);
    SET(CURLOPT_OPENSOCKETDATA, t);
    SET(CURLOPT_PREREQDATA, t);
    SET(CURLOPT_HEADERDATA, t);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_READDATA, t);
    return code;
}
