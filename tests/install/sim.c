/* A program's own test on the simulated network, outside the tree. */
#include <stdio.h>

#include <await.h>
#include <await/testing.h>

static int talk(void *arg)
{
    int fds[2];
    char got[8] = {0};
    (void)arg;
    AW_TRY(aw_sim_pair(fds, 1)); /* SOCK_STREAM */
    AW_TRY((int)aw_write(fds[0], "hello", 5));
    AW_TRY((int)aw_read(fds[1], got, 5));
    printf("%s after %.2f s\n", got, aw_time());
    AW_TRY(aw_sim_close(fds[0]));
    return aw_sim_close(fds[1]);
}

int main(void)
{
    aw_sim_counts counts;
    int err = aw_sim_run(talk, NULL, .latency = 0.25, .ret_counts = &counts);
    printf("%d, %d bytes\n", err, (int)counts.bytes);
    return err < 0;
}
