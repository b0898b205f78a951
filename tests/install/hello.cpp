/*
 * A program outside the tree, in C++17: the functions behind the macros, their
 * options filled by hand.
 */
#include <await.h>
#include <cstdio>
#include <cstring>

namespace
{

struct greeting {
    const char *whom;
    int length;
};

int greet(void *arg)
{
    auto *g = static_cast<greeting *>(arg);
    if (int err = aw_sleep(0.001); err < 0)
        return err;
    g->length = static_cast<int>(std::strlen(g->whom));
    return g->length;
}

int hello(void *)
{
    greeting a{"tasks", 0}, b{"gather", 0}, c{"options", 0};
    aw_task_opts options{};
    options.arg = &a;
    int length = aw_join(aw_create_task_(greet, &options));
    if (length < 0)
        return length;
    options.arg = &b;
    const aw_work first = aw_work_(greet, &options);
    options.arg = &c;
    options.name = "greeter";
    const aw_work works[] = {first, aw_work_(greet, &options)};
    aw_gather_array_opts all{};
    all.works = works;
    all.n = 2;
    if (int err = aw_gather_array_(&all); err < 0)
        return err;
    std::printf("hello %s %d, %s %d, %s %d\n", a.whom, length, b.whom, b.length, c.whom, c.length);
    std::printf("%s\n", aw_error_name(AW_ESTATE));
    return 42;
}

} // namespace

int main()
{
    aw_run_opts options{};
    options.name = "main";
    int result = aw_run_(hello, &options);
    std::printf("result %d\n", result);
    return result == 42 ? 0 : 1;
}
