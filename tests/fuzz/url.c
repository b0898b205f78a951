/*
 * url.c - any bytes as a URL, alone and relative to another, and as text to be encoded.
 *
 * Whatever they are: what is accepted has a host or a path that is there again when it is made once
 * more, holds no control character, and is never longer than was said; what was encoded comes back
 * as it was.
 */
#include <await.h>
#include <await/http.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "not so: %s\n", #condition);                                           \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

enum { LIMIT = 2000 };

static void check_parts(const char *url)
{
    char buf[4 * LIMIT];
    for (int part = AW_URL_SCHEME; part <= AW_URL_FRAGMENT; part++) {
        int n = aw_url_part(url, (aw_url_part_name)part, buf, sizeof buf);
        MUST(n == -ENOENT || (n >= 0 && (size_t)n == strlen(buf)));
    }
}

static void check_made(const char *base, const char *url)
{
    static char made[8 * LIMIT], again[8 * LIMIT], small[5];
    int n = aw_url_make(base, url, NULL, made, sizeof made);
    MUST(n == aw_url_make(base, url, NULL, small, sizeof small));
    MUST(n >= 0 || n == -EINVAL);
    if (n < 0)
        return;
    MUST((size_t)n == strlen(made) && (size_t)n < sizeof made);
    MUST(!strpbrk(made, "\r\n\t\x01\x7f"));
    check_parts(made);
    if (!strncmp(made, "file:", 5)) /* libcurl loses the query, and the last slash, of a file's */
        return;
    MUST(aw_url_make(NULL, made, NULL, again, sizeof again) >= 0);
    const char *pairs[] = {"name", url, NULL};
    MUST(aw_url_make(NULL, made, pairs, again, sizeof again) > n);
}

static void check_encoding(const char *text)
{
    char there[3 * LIMIT + 1], back[LIMIT + 1];
    int n = *text ? aw_url_encode(text, 0, there, sizeof there) : 0;
    MUST(n >= 0 && (size_t)n <= 3 * strlen(text));
    if (n == 0)
        return;
    MUST(aw_url_decode(there, back, sizeof back) == (int)strlen(text) && !strcmp(back, text));
    MUST(aw_url_decode(text, back, sizeof back) <= (int)strlen(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char text[LIMIT + 1];
    n = n < LIMIT ? n : LIMIT;
    if (n > 0)
        memcpy(text, data, n);
    text[n] = '\0';
    check_made(NULL, text);
    check_made("http://user:pass@example.org:8080/a/b?c=d#e", text);
    check_encoding(text);
    return 0;
}
