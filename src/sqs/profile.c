/*
 * profile.c - the shared files: read whole, and looked into.
 *
 *     [profile work]
 *     region = eu-west-1
 *     services = here
 *     [services here]
 *     sqs =
 *         endpoint_url = http://localhost:4566
 *
 * A file is small and looked into a few times in a program's life, so every question goes through
 * all of it again.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "await/file.h"
#include "await/io.h"
#include "sqs/sqs.h"

enum { FILE_MAX = 1 << 20 };

static int read_all(int fd, struct aw_growing *t)
{
    char piece[4096];
    for (;;) {
        ssize_t n = aw_pread(fd, piece, sizeof piece, (int64_t)t->len);
        if (n <= 0)
            return (int)n;
        aw_growing_add(t, piece, (size_t)n);
        if (t->failed)
            return t->failed;
        if (t->len > FILE_MAX)
            return -EFBIG;
    }
}

int aw_sqs_file(const char *path, char **ret)
{
    int fd = aw_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd == -ENOENT || fd == -ENOTDIR)
        return 0;
    struct aw_growing t = {0};
    int err = fd < 0 ? fd : read_all(fd, &t);
    if (fd >= 0)
        aw_ignore(aw_close(fd));
    if (err >= 0)
        aw_growing_addc(&t, '\0');
    if (err >= 0 && !t.failed) {
        *ret = t.data;
        return 1;
    }
    aw_growing_clear(&t);
    if (err == -ECANCELED || err >= 0)
        return err < 0 ? err : -ENOMEM;
    char words[320];
    snprintf(words, sizeof words, "%.250s: %s", path, aw_strerror(err));
    return aw_raise(err, words);
}

/* ---- lines ---- */

struct span {
    const char *at;
    size_t n;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct span trimmed(struct span s)
{
    while (s.n > 0 && is_space(s.at[0]))
        s = (struct span){s.at + 1, s.n - 1};
    while (s.n > 0 && is_space(s.at[s.n - 1]))
        s.n--;
    return s;
}

static bool equals(struct span s, const char *text)
{
    return s.n == strlen(text) && !memcmp(s.at, text, s.n);
}

static struct span next_line(const char **at)
{
    struct span line = {*at, strcspn(*at, "\n")};
    *at += line.n + ((*at)[line.n] == '\n');
    return line;
}

/* Is "[...]" the section that is looked for? */
static bool is_section(struct span line, const char *kind, const char *name)
{
    const char *end = memchr(line.at, ']', line.n);
    struct span inner = trimmed((struct span){line.at + 1, end ? (size_t)(end - line.at) - 1 : 0});
    if (*kind && !(equals(inner, "default") && !strcmp(name, "default"))) {
        size_t n = strlen(kind);
        if (inner.n <= n || memcmp(inner.at, kind, n) != 0 || !is_space(inner.at[n]))
            return false;
        inner = trimmed((struct span){inner.at + n, inner.n - n});
    }
    return equals(inner, name);
}

/* Splits "key = value"; false if it is no such line. */
static bool split(struct span line, struct span *key, struct span *value)
{
    const char *equal = memchr(line.at, '=', line.n);
    if (!equal)
        return false;
    size_t n = (size_t)(equal - line.at);
    *key = trimmed((struct span){line.at, n});
    *value = trimmed((struct span){equal + 1, line.n - n - 1});
    return true;
}

/* Where in the file a question is. */
struct place {
    const char *key, *sub;
    bool inside; /* the section */
    bool below;  /* the last line that was not indented had the key */
};

/* Is this line, which is in the section, the one that is looked for? */
static bool is_it(struct place *p, struct span line, struct span *value)
{
    struct span key;
    bool indented = is_space(line.at[0]);
    if (!split(trimmed(line), &key, value))
        return false;
    if (indented)
        return p->sub && p->below && equals(key, p->sub);
    p->below = equals(key, p->key);
    return !p->sub && p->below;
}

int aw_sqs_profile_find(const char *text, const char *kind, const char *name, const char *key,
                        const char *sub, char **ret)
{
    struct place p = {.key = key, .sub = sub};
    while (*text) {
        struct span line = next_line(&text), bare = trimmed(line), value;
        if (bare.n == 0 || bare.at[0] == '#' || bare.at[0] == ';')
            continue;
        if (line.at[0] == '[') {
            p = (struct place){.key = key, .sub = sub, .inside = is_section(bare, kind, name)};
        } else if (p.inside && is_it(&p, line, &value) && value.n > 0) {
            *ret = aw_copy_n(value.at, value.n);
            return *ret ? 1 : -ENOMEM;
        }
    }
    return 0;
}
