/*
 * curl.c - the adapter to libcurl: a multi handle that a loop drives.
 *
 * libcurl says by two callbacks what it waits for: sockets, and one timer.  Both become callbacks
 * of the loop, which tell libcurl what has happened; then the transfers that are over are taken
 * out.  So libcurl works in callbacks of the loop only, never on a task's small stack, and there is
 * no thread but those in which it looks names up.
 *
 * Neither callback may fail: libcurl would never work again.  What could not be watched for want of
 * memory is noted in `failure` instead, and the next look at it ends every transfer with that.
 *
 * Easy handles are kept when their transfer is over, with what all transfers of the session have in
 * common set; aw_transfer_begin() sets everything else anew.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "await/memory.h"
#include "http/curl_easy.h"
#include "text/words.h"

enum { SMALL_BLOCK = 1024 };

/* One of libcurl's sockets. */
struct watch {
    struct aw_curl *engine;
    curl_socket_t fd;
    int what; /* CURL_POLL_... */
};

/* ---- memory ---- */

/* libcurl wants realloc(), so blocks know their size.  Small ones are wiped: keys are in them. */
struct block {
    _Alignas(16) size_t size;
};

/* Was memory refused since this was last cleared?  libcurl goes on without some things that it had
 * no memory for (the query of a URL, to name one), and says "out of memory" of a line of a head
 * that is too long.  So its word is not taken for either: what this says is. */
static _Thread_local bool refused_memory;

void aw_curl_watch_memory(void)
{
    refused_memory = false;
}

bool aw_curl_lacked_memory(void)
{
    return refused_memory;
}

static void *curl_alloc(size_t n)
{
    struct block *b = n < SIZE_MAX - sizeof *b ? aw_mem_alloc(sizeof *b + n) : NULL;
    if (!b) {
        refused_memory = true;
        return NULL;
    }
    b->size = n;
    return b + 1;
}

static void curl_release(void *p)
{
    struct block *b = p;
    if (!p)
        return;
    b--;
    if (b->size <= SMALL_BLOCK)
        memset(p, 0, b->size);
    aw_mem_free(b);
}

static void *curl_resize(void *p, size_t n)
{
    void *q = curl_alloc(n);
    if (!p || !q)
        return q;
    size_t had = ((struct block *)p - 1)->size;
    memcpy(q, p, had < n ? had : n);
    curl_release(p);
    return q;
}

static char *curl_copy(const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy = curl_alloc(n);
    return copy ? memcpy(copy, s, n) : NULL;
}

static void *curl_zeros(size_t n, size_t size)
{
    void *p = size == 0 || n <= SIZE_MAX / size ? curl_alloc(n * size) : NULL;
    return p ? memset(p, 0, n * size) : NULL;
}

/* The first call decides about the memory, be it the program's; libcurl looks after threads that
 * call at the same time.  It is never undone: who else uses libcurl may have blocks of ours by
 * then. */
int aw_curl_init(void)
{
    static _Atomic bool done;
    if (atomic_load_explicit(&done, memory_order_acquire))
        return 0;
    if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, curl_alloc, curl_release, curl_resize, curl_copy,
                             curl_zeros) != CURLE_OK)
        return aw_raise(-ENOMEM, "libcurl could not be initialised");
    atomic_store_explicit(&done, true, memory_order_release);
    return 0;
}

/* ---- ends ---- */

static double seconds_of(CURL *easy, CURLINFO what)
{
    curl_off_t us = 0;
    curl_easy_getinfo(easy, what, &us);
    return (double)us / 1e6;
}

static int code_of_system(const struct aw_transfer *t, int otherwise)
{
    long number = 0;
    curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &number);
    return number > 0 ? -(int)number : otherwise;
}

/* The same where it may also be something else that was wrong.  libcurl keeps the last number that
 * it had, be it of a connection long ago: its words tell whether it is of this failure. */
static int code_of_transfer(const struct aw_transfer *t, const char *words, int otherwise)
{
    return strncmp(t->words, words, strlen(words)) == 0 ? code_of_system(t, otherwise) : otherwise;
}

static int code_of_long_line(struct aw_transfer *t)
{
    snprintf(t->words, sizeof t->words, "a line of the head is too long");
    return AW_ELIMIT;
}

/* Those whose meaning does not depend on anything else; all others are -EPROTO. */
static const struct {
    CURLcode from;
    int to;
} codes[] = {
    {CURLE_OK, 0},
    {CURLE_URL_MALFORMAT, -EINVAL},
    {CURLE_BAD_FUNCTION_ARGUMENT, -EINVAL},
    {CURLE_SETOPT_OPTION_SYNTAX, -EINVAL},
    {CURLE_COULDNT_RESOLVE_HOST, -ENOENT},
    {CURLE_COULDNT_RESOLVE_PROXY, -ENOENT},
    {CURLE_OPERATION_TIMEDOUT, -ETIMEDOUT},
    {CURLE_GOT_NOTHING, AW_EOF},
    {CURLE_PARTIAL_FILE, AW_EOF},
    {CURLE_PEER_FAILED_VERIFICATION, -EKEYREJECTED},
    {CURLE_SSL_PINNEDPUBKEYNOTMATCH, -EKEYREJECTED},
    {CURLE_SSL_INVALIDCERTSTATUS, -EKEYREJECTED},
    {CURLE_SSL_ISSUER_ERROR, -EKEYREJECTED},
    {CURLE_SSL_CERTPROBLEM, -EBADMSG},
    {CURLE_SSL_CACERT_BADFILE, -EBADMSG},
    {CURLE_SSL_CRL_BADFILE, -EBADMSG},
    {CURLE_FILESIZE_EXCEEDED, AW_ELIMIT},
};

static int code_of(struct aw_transfer *t, CURLcode code)
{
    if (refused_memory)
        return -ENOMEM;
    switch (code) {
    case CURLE_OUT_OF_MEMORY:
        return code_of_long_line(t);
    case CURLE_UNSUPPORTED_PROTOCOL: /* of the URL; or the answer is none of HTTP */
        return seconds_of(t->easy, CURLINFO_PRETRANSFER_TIME_T) > 0 ? -EPROTO : -EPROTONOSUPPORT;
    case CURLE_COULDNT_CONNECT:
        return code_of_system(t, -ECONNREFUSED);
    case CURLE_SEND_ERROR:
    case CURLE_SEND_FAIL_REWIND:
        return code_of_transfer(t, "Send failure", -ECONNRESET);
    case CURLE_RECV_ERROR:
        return code_of_transfer(t, "Recv failure", -EPROTO);
    default:
        for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
            if (codes[i].from == code)
                return codes[i].to;
        return -EPROTO;
    }
}

static int version_of(CURL *easy)
{
    long v = 0;
    curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &v);
    return v == CURL_HTTP_VERSION_1_0   ? 10
           : v == CURL_HTTP_VERSION_1_1 ? 11
           : v == CURL_HTTP_VERSION_2_0 ? 20
                                        : 0;
}

/* What is known of a transfer that is over; -ENOMEM. */
static int note_outcome(struct aw_transfer *t)
{
    char *to = NULL;
    long made = 0;
    t->version = version_of(t->easy);
    curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &made);
    t->timings = (aw_http_timings){
        .resolved = seconds_of(t->easy, CURLINFO_NAMELOOKUP_TIME_T),
        .connected = seconds_of(t->easy, CURLINFO_CONNECT_TIME_T),
        .secured = seconds_of(t->easy, CURLINFO_APPCONNECT_TIME_T),
        .sent = seconds_of(t->easy, CURLINFO_PRETRANSFER_TIME_T),
        .first_byte = seconds_of(t->easy, CURLINFO_STARTTRANSFER_TIME_T),
        .total = seconds_of(t->easy, CURLINFO_TOTAL_TIME_T),
        .reused = made == 0,
    };
    curl_easy_getinfo(t->easy, CURLINFO_REDIRECT_URL, &to);
    t->redirect = aw_copy(to);
    return to && !t->redirect ? -ENOMEM : 0;
}

static void end_transfer(struct aw_transfer *t, int err)
{
    struct aw_curl *c = t->engine;
    aw_list_remove(&t->link);
    c->n_active--;
    curl_multi_remove_handle(c->multi, t->easy);
    if (t->has_host) /* libcurl would choose the cookies of later hosts by it */
        curl_easy_cleanup(t->easy);
    else
        aw_curl_park(c, t->easy);
    aw_mem_free(t->fields);
    t->easy = t->fields = NULL;
    t->calls->ended(t, err);
}

static void finish(struct aw_transfer *t, CURLcode code)
{
    int noted = note_outcome(t);
    int err = t->refused < 0 ? t->refused : code_of(t, code);
    if (code == CURLE_COULDNT_CONNECT) /* libcurl's words have a time in them */
        snprintf(t->words, sizeof t->words, "no connection: %s", aw_strerror(err));
    if (err < 0 && !t->words[0])
        snprintf(t->words, sizeof t->words, "%s", curl_easy_strerror(code));
    end_transfer(t, err < 0 ? err : noted);
}

void aw_transfer_abort(struct aw_transfer *t, int err)
{
    if (aw_list_linked(&t->link))
        end_transfer(t, err);
}

void aw_curl_fail_all(struct aw_curl *c, int err)
{
    while (!aw_list_empty(&c->active))
        end_transfer(aw_container_of(c->active.next, struct aw_transfer, link), err);
}

/* ---- the loop's side ---- */

static void take_ended(struct aw_curl *c)
{
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read(c->multi, &left))) {
        char *t = NULL;
        CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
        if (m->msg == CURLMSG_DONE)
            finish((struct aw_transfer *)(void *)t, code);
    }
    if (c->failure < 0 || refused_memory) {
        int err = refused_memory ? -ENOMEM : c->failure;
        refused_memory = false;
        aw_curl_fail_all(c, err);
        c->failure = 0;
    }
}

static void drive(struct aw_curl *c, curl_socket_t fd, int events)
{
    int running;
    refused_memory = false;
    if (curl_multi_socket_action(c->multi, fd, events, &running) != CURLM_OK && !c->failure)
        c->failure = -EIO;
    take_ended(c);
}

static int is_readable(void *arg)
{
    struct watch *w = arg;
    drive(w->engine, w->fd, CURL_CSELECT_IN);
    return 0;
}

static int is_writable(void *arg)
{
    struct watch *w = arg;
    drive(w->engine, w->fd, CURL_CSELECT_OUT);
    return 0;
}

static void unwatch(struct watch *w, int what)
{
    if (w->what & ~what & CURL_POLL_IN)
        (void)aw_remove_reader(w->engine->loop, w->fd);
    if (w->what & ~what & CURL_POLL_OUT)
        (void)aw_remove_writer(w->engine->loop, w->fd);
}

static int watch_for(struct watch *w, int what)
{
    int err = 0;
    unwatch(w, what);
    if (what & ~w->what & CURL_POLL_IN)
        err = aw_add_reader(w->fd, is_readable, w, .loop = w->engine->loop);
    if (err >= 0 && what & ~w->what & CURL_POLL_OUT)
        err = aw_add_writer(w->fd, is_writable, w, .loop = w->engine->loop);
    w->what = what;
    return err;
}

/* libcurl wants to know this of a socket, or nothing any more. */
static int socket_wanted(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    struct aw_curl *c = arg;
    struct watch *w = known;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w)
            unwatch(w, 0);
        aw_mem_free(w);
        return 0;
    }
    if (!w) {
        w = aw_mem_alloc(sizeof *w);
        if (!w || curl_multi_assign(c->multi, fd, w) != CURLM_OK) {
            aw_mem_free(w);
            c->failure = -ENOMEM;
            return 0;
        }
        *w = (struct watch){.engine = c, .fd = fd};
    }
    int err = watch_for(w, what & CURL_POLL_INOUT);
    if (err < 0)
        c->failure = err;
    return 0;
}

static int timer_due(void *arg);

static int set_timer(struct aw_curl *c, long ms)
{
    aw_handle_cancel(c->timer);
    aw_handle_unref(c->timer);
    c->timer = NULL;
    if (ms < 0)
        return 0;
    if (ms == 0)
        return aw_call_soon(timer_due, c, .handle = &c->timer, .loop = c->loop);
    return aw_call_later((double)ms / 1e3, timer_due, c, .handle = &c->timer, .loop = c->loop);
}

static int timer_wanted(CURLM *multi, long ms, void *arg)
{
    struct aw_curl *c = arg;
    (void)multi;
    int err = set_timer(c, ms);
    if (err < 0)
        c->failure = err;
    return 0;
}

/* libcurl's clock may say that it is not time yet (ours can be a virtual one): it does not ask
 * again then by itself. */
static int timer_due(void *arg)
{
    struct aw_curl *c = arg;
    long ms = -1;
    aw_handle_unref(c->timer);
    c->timer = NULL;
    drive(c, CURL_SOCKET_TIMEOUT, 0);
    if (!c->timer && curl_multi_timeout(c->multi, &ms) == CURLM_OK && ms >= 0)
        (void)timer_wanted(c->multi, ms, c);
    take_ended(c);
    return 0;
}

void aw_transfer_resume(struct aw_transfer *t)
{
    if (!aw_list_linked(&t->link))
        return;
    refused_memory = false;
    CURLcode code = curl_easy_pause(t->easy, CURLPAUSE_CONT);
    struct aw_curl *c = t->engine;
    if (code != CURLE_OK)
        finish(t, code);
    take_ended(c);
}

/* Nothing has begun, or it cannot go on: as though it had not been asked for. */
static int give_up_beginning(struct aw_transfer *t, CURLcode code)
{
    struct aw_curl *c = t->engine;
    bool no_memory = refused_memory || code == CURLE_OUT_OF_MEMORY;
    int err = no_memory ? -ENOMEM : c->failure ? c->failure : -EINVAL;
    refused_memory = false;
    c->failure = 0;
    if (aw_list_linked(&t->link)) {
        aw_list_remove(&t->link);
        c->n_active--;
        curl_multi_remove_handle(c->multi, t->easy);
    }
    if (t->easy)
        aw_curl_park(c, t->easy);
    aw_mem_free(t->fields);
    t->easy = t->fields = NULL;
    return err;
}

int aw_transfer_begin(struct aw_transfer *t, struct aw_curl *c, const struct aw_transfer_spec *s)
{
    CURLcode code = CURLE_OUT_OF_MEMORY;
    refused_memory = false;
    t->engine = c;
    t->words[0] = '\0';
    t->refused = 0;
    t->fields = NULL;
    t->redirect = NULL;
    aw_list_init(&t->link);
    t->easy = aw_curl_take(c, &code);
    if (t->easy)
        code = aw_curl_set(t, s);
    if (code == CURLE_OK && curl_multi_add_handle(c->multi, t->easy) != CURLM_OK)
        code = CURLE_OUT_OF_MEMORY;
    else if (code == CURLE_OK) {
        aw_list_push_back(&c->active, &t->link);
        c->n_active++;
    }
    if (code == CURLE_OK && !c->failure && !refused_memory)
        return 0;
    return give_up_beginning(t, code);
}

/* ---- engines ---- */

aw_loop *aw_curl_loop(const struct aw_curl *c)
{
    return c->loop;
}

size_t aw_curl_active(const struct aw_curl *c)
{
    return c->n_active;
}

static bool set_multi(struct aw_curl *c)
{
    const aw_http_session_opts *o = c->opts;
    CURLM *m = c->multi;
    return curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, socket_wanted) == CURLM_OK &&
           curl_multi_setopt(m, CURLMOPT_SOCKETDATA, c) == CURLM_OK &&
           curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, timer_wanted) == CURLM_OK &&
           curl_multi_setopt(m, CURLMOPT_TIMERDATA, c) == CURLM_OK &&
           curl_multi_setopt(m, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)o->connections) == CURLM_OK &&
           curl_multi_setopt(m, CURLMOPT_MAXCONNECTS, (long)o->connections) == CURLM_OK &&
           curl_multi_setopt(m, CURLMOPT_MAX_HOST_CONNECTIONS, (long)o->connections_per_host) ==
               CURLM_OK;
}

static int set_share(struct aw_curl *c)
{
    if (!c->share ||
        curl_share_setopt(c->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE) != CURLSHE_OK ||
        curl_share_setopt(c->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) != CURLSHE_OK)
        return -ENOMEM;
    for (const char *const *p = c->opts->connect_to; p && *p; p++) {
        struct curl_slist *longer = curl_slist_append(c->connect_to, *p);
        if (!longer)
            return -ENOMEM;
        c->connect_to = longer;
    }
    return 0;
}

/* Everything, and one easy handle to see whether the options are possible. */
static int open_engine(struct aw_curl *c)
{
    CURLcode code = CURLE_OK;
    refused_memory = false;
    c->anchor = aw_future_new();
    if (!c->anchor)
        return aw_errno();
    c->multi = curl_multi_init();
    c->share = curl_share_init();
    if (!c->multi || !set_multi(c) || set_share(c) < 0)
        return aw_raise(-ENOMEM, "libcurl has no memory");
    CURL *easy = aw_curl_take(c, &code);
    if (easy)
        aw_curl_park(c, easy);
    if (refused_memory || code == CURLE_OUT_OF_MEMORY)
        return aw_raise(-ENOMEM, "libcurl has no memory");
    return easy ? 0 : aw_raise(-EINVAL, curl_easy_strerror(code));
}

struct aw_curl *aw_curl_new(const aw_http_session_opts *opts)
{
    aw_loop *l = aw_running_loop();
    int err = l ? aw_curl_init() : aw_errno();
    struct aw_curl *c = err < 0 ? NULL : aw_mem_zalloc(sizeof *c);
    if (!c)
        return aw_refuse(err < 0 ? err : -ENOMEM, NULL);
    c->loop = l;
    c->opts = opts;
    aw_list_init(&c->active);
    err = open_engine(c);
    if (err >= 0)
        return c;
    aw_curl_free(c);
    return aw_refuse(err, NULL);
}

void aw_curl_free(struct aw_curl *c)
{
    while (c->n_spare > 0)
        curl_easy_cleanup(c->spare[--c->n_spare]);
    curl_multi_cleanup(c->multi);
    curl_share_cleanup(c->share);
    curl_slist_free_all(c->connect_to);
    (void)set_timer(c, -1);
    aw_unref(c->anchor);
    aw_mem_free(c);
}

/* ---- the jar ---- */

int aw_curl_cookie_add(struct aw_curl *c, const char *line)
{
    CURLcode code = CURLE_OUT_OF_MEMORY;
    refused_memory = false;
    CURL *easy = aw_curl_take(c, &code);
    if (!easy)
        return -ENOMEM;
    code = curl_easy_setopt(easy, CURLOPT_COOKIELIST, line);
    aw_curl_park(c, easy);
    return code == CURLE_OK && !refused_memory ? 0 : -ENOMEM;
}

/* A line of the jar: seven fields between tabs, the last two name and value. */
static const char *value_of(const char *line, const char *name)
{
    for (int tab = 0; tab < 5; tab++) {
        line = strchr(line, '\t');
        if (!line)
            return NULL;
        line++;
    }
    size_t n = strlen(name);
    return strncmp(line, name, n) == 0 && line[n] == '\t' ? line + n + 1 : NULL;
}

int aw_curl_cookie_get(struct aw_curl *c, const char *name, char *buf, size_t size)
{
    struct curl_slist *all = NULL;
    CURLcode code = CURLE_OUT_OF_MEMORY;
    refused_memory = false;
    CURL *easy = aw_curl_take(c, &code);
    if (!easy)
        return -ENOMEM;
    code = curl_easy_getinfo(easy, CURLINFO_COOKIELIST, &all);
    aw_curl_park(c, easy);
    int result = code == CURLE_OK && !refused_memory ? -ENOENT : -ENOMEM;
    for (struct curl_slist *p = all; p && result == -ENOENT; p = p->next) {
        const char *value = value_of(p->data, name);
        if (value)
            result = snprintf(buf, size, "%s", value);
    }
    curl_slist_free_all(all);
    return result;
}
