/*
 * A parallel file hasher: `18_hasher FOLDER` prints a hash of each file in it.
 *
 * Notice that one task walks through the folder and starts one for each file, at most eight at a
 * time: it takes a place before it starts one, so a million files are not a million tasks.  What
 * takes long is the disk, and its waits are what runs in parallel; hashing a block costs hardly
 * more than handing it to a thread would.  With a slow hash, aw_to_thread() would be right.
 */
#define _DEFAULT_SOURCE /* strdup, DT_REG */
#include <await.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { AT_A_TIME = 8, BLOCK = 65536 };

static aw_semaphore places = AW_SEMAPHORE_INIT(AT_A_TIME);

static ssize_t hash_file(const char *path, char *block, uint64_t *hash)
{
    ssize_t n;
    aw_file *f = aw_file_open(path, "r");
    if (!f)
        return aw_errno();
    *hash = 0xcbf29ce484222325;
    while ((n = aw_file_read(f, block, BLOCK)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            *hash = (*hash ^ (unsigned char)block[i]) * 0x100000001b3;
        aw_ignore(aw_sleep(0)); /* what is in the cache comes at once: let the others run */
    }
    int err = aw_file_close(f);
    return n < 0 ? n : err;
}

/* A file that cannot be read is told, and is no reason to end the others. */
static int hash_and_print(void *path)
{
    uint64_t hash = 0;
    char *block = malloc(BLOCK);
    ssize_t err = block ? hash_file(path, block, &hash) : -ENOMEM;
    if (err >= 0)
        printf("%016" PRIx64 "  %s\n", hash, (char *)path);
    else if (err != -ECANCELED)
        printf("%s\n", *aw_errmsg() ? aw_errmsg() : aw_strerror((int)err));
    free(block);
    aw_ignore(aw_semaphore_release(&places));
    return err == -ECANCELED ? -ECANCELED : 0;
}

static int start_all(aw_group *g, void *folder)
{
    aw_walk_entry e;
    int more;
    aw_walk *w = aw_walk_open(folder);
    if (!w)
        return aw_errno();
    while ((more = aw_walk_next(w, &e)) > 0) {
        if (e.error)
            printf("%s\n", aw_errmsg());
        if (e.error || e.type != DT_REG)
            continue;
        if ((more = aw_semaphore_acquire(&places)) < 0)
            break;
        char *path = strdup(e.path);
        if ((more = aw_group_start(g, hash_and_print, path, .release = free)) >= 0)
            continue;
        free(path);
        break;
    }
    aw_walk_close(w);
    return more;
}

static int hash_folder(void *folder)
{
    aw_group g = AW_GROUP_INIT;
    return aw_group_call(&g, start_all, folder);
}

static int of_my_own(void *arg)
{
    (void)arg;
    aw_temporary *t = aw_temporary_directory(NULL);
    int err = t ? chdir(aw_temporary_path(t)) : aw_errno();
    if (err >= 0 && (err = aw_write_file("a", "a\n", 2)) >= 0)
        err = hash_folder(".");
    int closed = aw_temporary_close(t);
    return err < 0 ? err : closed;
}

int main(int argc, char **argv)
{
    return aw_run(argc > 1 ? hash_folder : of_my_own, argc > 1 ? argv[1] : NULL) < 0;
}
