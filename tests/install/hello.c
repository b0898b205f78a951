/*
 * A program outside the tree, in C11: everything it knows comes from pkg-config.
 *
 * It takes the macros through their paces that an installed header must expand
 * cleanly: options left out, options given, described work.
 */
#include <await.h>
#include <stdio.h>
#include <string.h>

struct greeting {
    const char *whom;
    int length;
};

static int greet(void *arg)
{
    struct greeting *g = arg;
    AW_TRY(aw_sleep(0.001));
    g->length = (int)strlen(g->whom);
    return g->length;
}

static int hello(void *arg)
{
    struct greeting a = {.whom = "tasks"}, b = {.whom = "gather"}, c = {.whom = "options"};
    (void)arg;
    int length = aw_join(aw_create_task(greet, &a));
    AW_TRY(length);
    AW_TRY(aw_gather(AW_CORO(greet, &b), AW_CORO(greet, &c, .name = "greeter")));
    printf("hello %s %d, %s %d, %s %d\n", a.whom, length, b.whom, b.length, c.whom, c.length);
    printf("%s\n", aw_error_name(AW_ESTATE));
    return 42;
}

int main(void)
{
    int result = aw_run(hello, NULL, .name = "main");
    printf("result %d\n", result);
    return result == 42 ? 0 : 1;
}
