/*
 * A program with TLS, as a user would write it: a context that cannot be made, and why.
 */
#include <await/loop.h>
#include <await/tls.h>
#include <stdio.h>

int main(void)
{
    aw_tls_context *c = aw_tls_context_new(.ca_file = "/nonexistent");
    if (c)
        return 1;
    printf("%s %s\n", aw_error_name(aw_errno()), aw_errmsg());
    return 0;
}
