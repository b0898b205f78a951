/*
 * http_client.c - the limit of bench/http_client.c: libcurl's multi interface and epoll by hand.
 *
 * There are no tasks: 64 easy handles are asked again as soon as each has its answer.
 */
#include <curl/curl.h>
#include <stdbool.h>

#include "bench/http_client.h"

static struct {
    CURLM *multi;
    int ep;
    long wait_ms; /* libcurl's timer; -1: none */
    size_t left, running;
    bool failed;
} client;

static size_t count_body(char *data, size_t one, size_t n, void *arg)
{
    (void)data;
    (void)one;
    *(size_t *)arg += n;
    return n;
}

static int watch(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    uint32_t wanted = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    struct epoll_event e = {.events = wanted, .data.fd = fd};
    (void)easy;
    (void)arg;
    if (what == CURL_POLL_REMOVE)
        return epoll_ctl(client.ep, EPOLL_CTL_DEL, fd, NULL), 0;
    (void)epoll_ctl(client.ep, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &e);
    curl_multi_assign(client.multi, fd, &client);
    return 0;
}

static int set_timer(CURLM *multi, long ms, void *arg)
{
    (void)multi;
    (void)arg;
    client.wait_ms = ms;
    return 0;
}

static void ask(CURL *easy, size_t *got)
{
    *got = 0;
    client.left--;
    client.running++;
    curl_multi_add_handle(client.multi, easy);
}

static void take_answers(void)
{
    CURLMsg *m;
    int n;
    while ((m = curl_multi_info_read(client.multi, &n))) {
        CURL *easy = m->easy_handle;
        size_t *got;
        long status = 0;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)(void *)&got);
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        client.failed |= m->data.result != CURLE_OK || status != 200 || *got != HTTP_BODY;
        curl_multi_remove_handle(client.multi, easy);
        client.running--;
        if (client.left > 0)
            ask(easy, got);
    }
}

static void drive(void)
{
    struct epoll_event ready[128];
    int running;
    int n = epoll_wait(client.ep, ready, 128, (int)client.wait_ms);
    for (int i = 0; i < n; i++)
        curl_multi_socket_action(client.multi, ready[i].data.fd,
                                 (ready[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                                     (ready[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0),
                                 &running);
    if (n == 0 || client.wait_ms == 0)
        curl_multi_socket_action(client.multi, CURL_SOCKET_TIMEOUT, 0, &running);
    take_answers();
}

static int ask_often(CURL **easy, size_t *got, size_t n)
{
    client.left = n;
    for (int i = 0; i < HTTP_CLIENTS; i++)
        ask(easy[i], &got[i]);
    while (client.running > 0)
        drive();
    return client.failed ? -1 : 0;
}

static CURL *make_easy(const char *url, size_t *got)
{
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "bench");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, got);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, got);
    return easy;
}

static int run_client(void)
{
    static CURL *easy[HTTP_CLIENTS];
    static size_t got[HTTP_CLIENTS];
    char url[64];
    unsigned port = http_start_server();
    size_t n = bench_count(HTTP_REQUESTS, 640);
    if (!port)
        return -1;
    client.multi = curl_multi_init();
    client.ep = epoll_create1(EPOLL_CLOEXEC);
    client.wait_ms = -1;
    curl_multi_setopt(client.multi, CURLMOPT_SOCKETFUNCTION, watch);
    curl_multi_setopt(client.multi, CURLMOPT_TIMERFUNCTION, set_timer);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", port);
    for (int i = 0; i < HTTP_CLIENTS; i++)
        easy[i] = make_easy(url, &got[i]);
    int err = ask_often(easy, got, n / 10);
    double began = bench_now();
    if (err >= 0)
        err = ask_often(easy, got, n);
    if (err >= 0)
        bench_say_rate("http-client", began, (double)n);
    return err;
}

static const struct bench_row rows[] = {{"http-client", run_client}};

BENCH_MAIN(rows)
