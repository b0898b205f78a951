/*
 * curl_easy.h - what curl.c, the engine, and curl_easy.c, the options of a transfer, share.
 */
#ifndef AW_HTTP_CURL_EASY_H
#define AW_HTTP_CURL_EASY_H

#include <curl/curl.h>

#include "http/curl.h"

enum { SPARE_MAX = 128 };

struct aw_curl {
    CURLM *multi;
    CURLSH *share; /* cookies, and sessions of TLS */
    const aw_http_session_opts *opts;
    struct curl_slist *connect_to;
    aw_loop *loop;
    aw_future *anchor; /* keeps the loop's memory */
    aw_handle *timer;
    aw_list active;
    size_t n_active;
    CURL *spare[SPARE_MAX];
    unsigned n_spare;
    int failure; /* of a callback that may not fail; see above */
};

/* An easy handle with all that the transfers of a session have in common.  NULL, and why. */
CURL *aw_curl_take(struct aw_curl *c, CURLcode *ret_code);

/* Keep it for the next one, without what points into a transfer. */
void aw_curl_park(struct aw_curl *c, CURL *easy);

/* Set everything else: its own easy handle, and the list of headers in t->fields. */
CURLcode aw_curl_set(struct aw_transfer *t, const struct aw_transfer_spec *s);

/* setopt() that remembers the first failure, in a function with `easy` and `code`. */
#define SET(option, value)                                                                         \
    do {                                                                                           \
        if (code == CURLE_OK)                                                                      \
            code = curl_easy_setopt(easy, (option), (value));                                      \
    } while (0)

#endif
