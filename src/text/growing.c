/*
 * growing.c - bytes that are put together piece by piece: see growing.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "await/memory.h"
#include "text/growing.h"

static bool grow(struct aw_growing *t, size_t n)
{
    size_t need = t->len + n;
    if (need < n || (t->ceiling && need > t->ceiling)) {
        t->failed = AW_ELIMIT;
        return false;
    }
    if (t->data && need <= t->cap)
        return true;
    size_t cap = t->cap ? t->cap : 64;
    while (cap < need)
        cap += cap / 2 + 64;
    char *data = aw_mem_alloc(cap);
    if (!data) {
        t->failed = -ENOMEM;
        return false;
    }
    if (t->len)
        memcpy(data, t->data, t->len);
    aw_mem_free(t->data);
    t->data = data;
    t->cap = cap;
    return true;
}

char *aw_growing_room(struct aw_growing *t, size_t n)
{
    if (t->failed || !grow(t, n))
        return NULL;
    char *at = t->data + t->len;
    t->len += n;
    return at;
}

void aw_growing_add(struct aw_growing *t, const void *data, size_t n)
{
    char *at = aw_growing_room(t, n);
    if (at && n)
        memcpy(at, data, n);
}

void aw_growing_adds(struct aw_growing *t, const char *text)
{
    aw_growing_add(t, text, strlen(text));
}

void aw_growing_addc(struct aw_growing *t, char c)
{
    aw_growing_add(t, &c, 1);
}

void aw_growing_addu(struct aw_growing *t, uint64_t number)
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
    aw_growing_add(t, digits, (size_t)n);
}

void aw_growing_printf(struct aw_growing *t, const char *format, ...)
{
    char buf[512];
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(buf, sizeof buf, format, ap);
    va_end(ap);
    if (n >= 0)
        aw_growing_add(t, buf, (size_t)n < sizeof buf ? (size_t)n : sizeof buf - 1);
}

void aw_growing_clear(struct aw_growing *t)
{
    aw_mem_free(t->data);
    *t = (struct aw_growing){.ceiling = t->ceiling};
}
