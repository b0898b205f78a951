/*
 * server_router.c - which handler serves which method and path: a tree of the patterns' segments.
 *
 *      "" --- users --- :id --- posts          A node has children that are texts, at most one that
 *       +---- files --- *path                  is a parameter, and at most one that is the rest.
 *
 * A path is taken apart before it is decoded, so "%2F" is a character of a segment and no border.
 * Texts are tried before the parameter, and that before the rest; a branch that comes to nothing,
 * or to a node that does not serve the method, is given up for the next.
 */
#include "http/server.h"

#include <stdio.h>
#include <string.h>

enum { DEEP = 64 }; /* segments of a path */

enum kind { TEXT, PARAMETER, REST };

/* What serves a method here. */
struct route {
    struct route *next;
    aw_http_handler *handler;
    void *arg;
    const char **names; /* of the parameters on the way, in their order */
    char method[];
};

struct node {
    struct node *next, *children;
    struct route *routes;
    enum kind kind;
    char text[]; /* of TEXT */
};

struct aw_http_router {
    struct node *root;
};

/* ---- making ---- */

static struct node *node_new(enum kind kind, const char *text, size_t n)
{
    struct node *node = aw_mem_zalloc(sizeof *node + n + 1);
    if (!node)
        return NULL;
    node->kind = kind;
    memcpy(node->text, text, n);
    return node;
}

aw_http_router *aw_http_router_new(void)
{
    aw_http_router *router = aw_mem_zalloc(sizeof *router);
    if (router)
        router->root = node_new(TEXT, "", 0);
    if (router && router->root)
        return router;
    aw_mem_free(router);
    return aw_refuse(-ENOMEM, "no memory for a router");
}

static void free_routes(struct node *node)
{
    while (node->routes) {
        struct route *route = node->routes;
        node->routes = route->next;
        aw_mem_free(route->names);
        aw_mem_free(route);
    }
}

/* Children are put before what follows their parent, so that one list is worked off. */
void aw_http_router_free(aw_http_router *router)
{
    struct node *node = router ? router->root : NULL;
    while (node) {
        struct node *last = node->children;
        while (last && last->next)
            last = last->next;
        if (last)
            last->next = node->next;
        struct node *next = node->children ? node->children : node->next;
        free_routes(node);
        aw_mem_free(node);
        node = next;
    }
    aw_mem_free(router);
}

/* ---- patterns ---- */

static enum kind kind_of(const char *segment)
{
    return segment[0] == ':' ? PARAMETER : segment[0] == '*' ? REST : TEXT;
}

static int check_pattern(const char *pattern)
{
    size_t depth = 0;
    if (pattern[0] != '/')
        return aw_raise(-EINVAL, "a pattern begins with \"/\"");
    for (const char *at = pattern; *at == '/'; depth++) {
        const char *segment = at + 1;
        size_t n = strcspn(segment, "/");
        if (kind_of(segment) != TEXT && n < 2)
            return aw_raise(-EINVAL, "a parameter in a pattern has no name");
        if (kind_of(segment) == REST && segment[n])
            return aw_raise(-EINVAL, "\"*name\" comes last in a pattern");
        at = segment + n;
    }
    return depth <= DEEP ? 0 : aw_raise(-EINVAL, "the pattern is too deep");
}

static struct node *child(struct node *node, const char *segment, size_t n)
{
    enum kind kind = kind_of(segment);
    struct node **end = &node->children;
    for (; *end; end = &(*end)->next) {
        const struct node *c = *end;
        if (c->kind == kind &&
            (kind != TEXT || (strlen(c->text) == n && memcmp(c->text, segment, n) == 0)))
            return *end;
        if (c->kind > kind)
            break; /* texts first, then the parameter, then the rest */
    }
    struct node *made = node_new(kind, segment, kind == TEXT ? n : 0);
    if (!made)
        return NULL;
    made->next = *end;
    *end = made;
    return made;
}

/* One piece of memory: the places, then the names. */
static const char **names_of(const char *pattern)
{
    size_t n = 0, len = strlen(pattern) + 1;
    for (const char *at = pattern; (at = strchr(at, '/')) != NULL;)
        n += kind_of(++at) != TEXT;
    const char **names = aw_mem_alloc((n + 1) * sizeof *names + len);
    if (!names)
        return NULL;
    char *text = (char *)(names + n + 1);
    memcpy(text, pattern, len);
    n = 0;
    for (char *at = text; (at = strchr(at, '/')) != NULL;) {
        *at++ = '\0';
        if (kind_of(at) != TEXT)
            names[n++] = at + 1;
    }
    names[n] = NULL;
    return names;
}

static int add_route(struct node *node, const char *method, const char *pattern,
                     aw_http_handler *handler, void *arg)
{
    for (const struct route *r = node->routes; r; r = r->next)
        if (strcmp(r->method, method) == 0)
            return aw_raise(-EEXIST, "this method and pattern have a handler already");
    struct route *route = aw_mem_zalloc(sizeof *route + strlen(method) + 1);
    const char **names = route ? names_of(pattern) : NULL;
    if (!names) {
        aw_mem_free(route);
        return aw_raise(-ENOMEM, "no memory for a route");
    }
    *route = (struct route){.handler = handler, .arg = arg, .names = names};
    memcpy(route->method, method, strlen(method) + 1);
    struct route **end = &node->routes;
    while (*end)
        end = &(*end)->next;
    *end = route;
    return 0;
}

int aw_http_route(aw_http_router *router, const char *method, const char *pattern,
                  aw_http_handler *handler, void *arg)
{
    if (!router || !method || !pattern || !handler || !*method)
        return aw_raise(-EINVAL, "the router, a method, a pattern or a handler is NULL");
    AW_TRY(check_pattern(pattern));
    struct node *node = router->root;
    for (const char *at = pattern; *at == '/';) {
        const char *segment = at + 1;
        size_t n = strcspn(segment, "/");
        node = child(node, segment, n);
        if (!node)
            return aw_raise(-ENOMEM, "no memory for a route");
        at = segment + n;
    }
    return add_route(node, method, pattern, handler, arg);
}

/* ---- matching ---- */

/* A path taken apart, and what was found for it. */
struct search {
    const char *method;
    const char *raw[DEEP];  /* where each segment begins in the target */
    const char *text[DEEP]; /* decoded */
    size_t n;
    const char *values[DEEP]; /* of the parameters on the way that is tried */
    const struct route *route;
    const struct node *other; /* that serves the path, but not the method */
    const char *rest;
};

static int take_apart(aw_http_request *r, struct search *s)
{
    const char *at = r->head.target;
    while (*at == '/') {
        const char *segment = at + 1;
        size_t n = strcspn(segment, "/?");
        char *copy = aw_http_copy(r, segment, n);
        if (!copy)
            return -ENOMEM;
        if (s->n == DEEP)
            return -ENOENT;
        copy[aw_percent_decode(copy, n, false)] = '\0'; /* it was decoded before: it can be */
        s->raw[s->n] = segment;
        s->text[s->n++] = copy;
        at = segment + n;
    }
    return 0;
}

static const struct route *route_for(const struct node *node, const char *method)
{
    const struct route *get = NULL, *any = NULL;
    for (const struct route *r = node->routes; r; r = r->next) {
        if (strcmp(r->method, method) == 0)
            return r;
        if (strcmp(r->method, "GET") == 0 && strcmp(method, "HEAD") == 0)
            get = r;
        if (strcmp(r->method, "*") == 0)
            any = r;
    }
    return get ? get : any;
}

static bool arrive(struct search *s, const struct node *node)
{
    if (!node->routes)
        return false;
    s->route = route_for(node, s->method);
    if (!s->route && !s->other)
        s->other = node;
    return s->route != NULL;
}

/* Does the path from segment i on lead from this node to a route?  As deep as the pattern is. */
static bool walk(struct search *s, const struct node *node, size_t i, size_t n_values)
{
    if (i == s->n)
        return arrive(s, node);
    for (const struct node *c = node->children; c; c = c->next) {
        if (c->kind == TEXT) {
            if (strcmp(c->text, s->text[i]) == 0 && walk(s, c, i + 1, n_values))
                return true;
            continue;
        }
        s->values[n_values] = s->text[i];
        if (c->kind == PARAMETER && *s->text[i] && walk(s, c, i + 1, n_values + 1))
            return true;
        if (c->kind == REST && arrive(s, c)) {
            s->rest = s->raw[i];
            return true;
        }
    }
    return false;
}

static int take_parameters(aw_http_request *r, const struct search *s)
{
    size_t n = 0;
    while (s->route->names[n])
        n++;
    r->parameters = aw_http_request_alloc(r, (n + 1) * sizeof *r->parameters);
    if (!r->parameters)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        r->parameters[i] = (struct aw_http_parameter){s->route->names[i], s->values[i]};
    r->n_parameters = n;
    if (!s->rest)
        return 0;
    size_t len = strcspn(s->rest, "?");
    char *rest = aw_http_copy(r, s->rest, len);
    if (!rest)
        return -ENOMEM;
    rest[aw_percent_decode(rest, len, false)] = '\0';
    r->parameters[n - 1].value = rest;
    r->rest = s->rest;
    return 0;
}

/* Does a route name just this method? */
static bool has_method(const struct node *node, const char *method)
{
    for (const struct route *r = node->routes; r; r = r->next)
        if (strcmp(r->method, method) == 0)
            return true;
    return false;
}

static size_t add_method(char *list, size_t len, size_t room, const char *method)
{
    int n = snprintf(list + len, room - len, "%s%s", len ? ", " : "", method);
    return (size_t)n < room - len ? len + (size_t)n : len; /* as many as there is room for */
}

static int refuse_method(aw_http_request *r, const struct node *node)
{
    char allow[256] = "";
    size_t len = 0;
    for (const struct route *route = node->routes; route; route = route->next)
        len = add_method(allow, len, sizeof allow, route->method);
    if (has_method(node, "GET") && !has_method(node, "HEAD"))
        len = add_method(allow, len, sizeof allow, "HEAD");
    allow[len] = '\0';
    AW_TRY(aw_http_respond_field(r, "Allow", allow));
    return aw_http_respond_status(r, 405);
}

int aw_http_router_handler(aw_http_request *r, void *arg)
{
    const aw_http_router *router = arg;
    struct search s = {.method = aw_http_request_method(r)};
    if (!r || !router)
        return aw_raise(-EINVAL, "the request or the router is NULL");
    int err = take_apart(r, &s);
    if (err == -ENOMEM)
        return aw_raise(-ENOMEM, "no memory for a path");
    if (err == -ENOENT || s.n == 0 || (!walk(&s, router->root, 0, 0) && !s.other))
        return aw_http_respond_status(r, 404);
    if (!s.route)
        return refuse_method(r, s.other);
    if (take_parameters(r, &s) < 0)
        return aw_raise(-ENOMEM, "no memory for the parameters of a path");
    return s.route->handler(r, s.route->arg);
}
