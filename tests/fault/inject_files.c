/*
 * inject_files.c - the calls on files in the failing table: what io_uring does not do itself.
 */
#include "core/core.h"
#include "fault/inject.h"

static struct aw_sys_table real; /* as it was found */

static ssize_t pread_(int fd, void *buf, size_t n, int64_t at)
{
    int err = inject_hit(SITE_PREAD, false);
    return err ? err : real.pread(fd, buf, n, at);
}

static ssize_t pwrite_(int fd, const void *buf, size_t n, int64_t at)
{
    int err = inject_hit(SITE_PWRITE, false);
    return err ? err : real.pwrite(fd, buf, n, at);
}

static int openat_(int dir, const char *path, int flags, unsigned mode)
{
    int err = inject_hit(SITE_OPENAT, false);
    return err ? err : real.openat(dir, path, flags, mode);
}

static int statx_(int dir, const char *path, int flags, unsigned mask, struct statx *ret)
{
    int err = inject_hit(SITE_STATX, false);
    return err ? err : real.statx(dir, path, flags, mask, ret);
}

static int fsync_(int fd, bool only_data)
{
    int err = inject_hit(SITE_FSYNC, false);
    return err ? err : real.fsync(fd, only_data);
}

static int renameat_(int dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    int err = inject_hit(SITE_RENAMEAT, false);
    return err ? err : real.renameat(dir, from, to_dir, to, flags);
}

static int fchmod_(int fd, unsigned mode)
{
    int err = inject_hit(SITE_FCHMOD, false);
    return err ? err : real.fchmod(fd, mode);
}

static int unlinkat_(int dir, const char *path, int flags)
{
    int err = inject_hit(SITE_UNLINKAT, false);
    return err ? err : real.unlinkat(dir, path, flags);
}

static int mkdirat_(int dir, const char *path, unsigned mode)
{
    int err = inject_hit(SITE_MKDIRAT, false);
    return err ? err : real.mkdirat(dir, path, mode);
}

static ssize_t getdents_(int fd, void *buf, size_t n)
{
    int err = inject_hit(SITE_GETDENTS, false);
    return err ? err : real.getdents(fd, buf, n);
}

void inject_install_files(void)
{
    real = aw_sys;
    aw_sys.pread = pread_;
    aw_sys.pwrite = pwrite_;
    aw_sys.openat = openat_;
    aw_sys.statx = statx_;
    aw_sys.fsync = fsync_;
    aw_sys.renameat = renameat_;
    aw_sys.fchmod = fchmod_;
    aw_sys.unlinkat = unlinkat_;
    aw_sys.mkdirat = mkdirat_;
    aw_sys.getdents = getdents_;
}
