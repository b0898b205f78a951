/*
 * Fuzzing what a WebSocket client is sent, frames or (when the input begins with "H") the answer to
 * its handshake; or (with "w") its URL.  libFuzzer's target.
 */
#include <string.h>

#include "fuzz/websocket.h"
#include "ws/head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_answer(const uint8_t *data, size_t size)
{
    static const char *const protocols[] = {"chat", NULL};
    struct ws_answer answer;
    char *head = malloc(size); /* of just this size, so that reading beyond is noticed */
    memcpy(head, data, size);
    int err = ws_answer_check(head, size, "dGhlIHNhbXBsZSBub25jZQ==", protocols, &answer);
    if (err == 0 && answer.status != 101)
        abort();
    free(head);
}

static void check_url(const uint8_t *data, size_t size)
{
    struct ws_url u;
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';
    if (ws_url_parse(text, &u) == 0 && (!*u.host || !*u.port))
        abort();
    ws_url_free(&u);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size && data[0] == 'H')
        check_answer(data, size);
    else if (size && data[0] == 'w')
        check_url(data, size);
    else
        return fuzz_frames(data, size, false);
    return 0;
}
