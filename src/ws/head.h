/*
 * head.h - the handshake's texts: a URL, the request, the server's answer.
 */
#ifndef AW_WS_HEAD_H
#define AW_WS_HEAD_H

#include "await/websocket.h"
#include "text/words.h"

/* ---- url.c ---- */

struct ws_url {
    bool secure;
    char *host;        /* without brackets; to be freed */
    char port[6];      /* by default that of the scheme */
    const char *place; /* host and port as they stand in the URL */
    size_t place_size;
    const char *target; /* path and query, as they stand in the URL; "": the root */
};

/* 0; -EINVAL with the reason; -ENOMEM. */
int ws_url_parse(const char *url, struct ws_url *ret);
void ws_url_free(struct ws_url *u);

/* ---- request.c ---- */

/* The request's text, to be freed; NULL with aw_errno(). */
char *ws_request(const struct ws_url *u, const aw_websocket_connect_opts *o, const char *key);

/* ---- answer.c ---- */

enum { WS_HEAD_MAX = 16 << 10, WS_FIELDS_MAX = 100 };

/* What a server has answered. */
struct ws_answer {
    int status;
    const char *protocol; /* which of those that were asked for; NULL: none */
};

/* Look at an answer's head of n bytes, the empty line included: 0 if it agrees to WebSocket; else
 * -EPROTO, with the reason.  The status is told in any case, 0 if there is none. */
int ws_answer_check(const char *head, size_t n, const char *key, const char *const *protocols,
                    struct ws_answer *ret);

#endif
