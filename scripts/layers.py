#!/usr/bin/env python3
"""Fails when a file includes what its layer may not: the design's table, as data.

Every folder has one row.  `private` are the private headers it may include
(shell patterns, written from src/), `public` those of include/, `foreign` the
headers of third parties; `os` says whether it may include the system's.  A file
always may include the C headers.  A folder without a row is an error, so a new
layer begins here.
"""

import fnmatch
import sys

from csource import ROOT, includes, relative, sources

C_HEADERS = {f"{name}.h" for name in (
    "assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal "
    "stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string tgmath "
    "time uchar wchar wctype").split()}
# C headers that are windows into the system: only for rows with os=True.
C_HEADERS -= {"signal.h", "setjmp.h", "locale.h"}

ERRORS = ["await/error.h"]
LOW = ["await/error.h", "await/memory.h"]  # the public halves of what L0 and L1 hold
ALL = ["await.h", "await/*.h"]
L1 = ["base/*", "sys/*"]
FILES = ["fcntl.h", "sys/stat.h"]  # what the calls of await/file.h take


class Row:
    """What the files below one folder may include."""

    def __init__(self, folder, private=(), public=(), foreign=(), os=False):
        self.folder, self.private, self.public = folder, private, public
        self.foreign, self.os = foreign, os


ROWS = [
    Row("src/base", ["base/*"], ERRORS),
    Row("src/sys", L1, LOW, ["sanitizer/*", "valgrind/*", "liburing.h"], os=True),
    Row("src/coro", L1 + ["coro/*"], LOW),
    Row("src/io", L1 + ["io/*"], LOW),
    Row("src/core", L1 + ["coro/*", "io/*", "core/*"], ALL),
] + [
    Row(f"src/{name}", L1 + ["core/core.h", f"{name}/*"], ALL)
    for name in ("sync", "thread", "debug")
] + [
    # Streams are objects that tasks wait for, as locks are.
    Row("src/net", L1 + ["io/io.h", "io/receive.h", "core/*", "sync/wait.h", "net/*"], ALL),
] + [
    Row(f"src/{name}", L1 + ["io/io.h", "io/receive.h", "core/op.h", "core/upper.h", f"{name}/*"],
        ALL, foreign)
    for name, foreign in (("fs", []), ("proc", []), ("tls", ["openssl/*"]))
] + [
    Row("src/text", ["base/*", "text/*"], ALL, ["jansson.h"]),
] + [
    Row(f"src/{name}", ["base/*", "text/*", f"{name}/*"], ALL, foreign)
    for name, foreign in (("http", ["curl/*", "http_parser.h", "llhttp.h"] + FILES),
                          ("ws", ["wslay/*", "openssl/sha.h"]), ("sio", ["jansson.h"]),
                          ("redis", ["hiredis/*", "jansson.h", "msgpack.h"]),
                          ("sqs", ["jansson.h", "openssl/md5.h", "fcntl.h"]))
] + [
    Row("sim", L1 + ["io/io.h", "io/receive.h", "io/queue.h", "io/door.h", "sim/*"], ALL),
    # ssize_t and off_t belong to the POSIX calls that the library's own are named after.
    Row("include", [], ALL, ["sys/socket.h", "sys/types.h"]),
    Row("examples/feed", ["feed/*"], ALL, ["*"], os=True),
    Row("examples", [], ALL, ["*"], os=True),
    Row("bench/coro", ["bench/*", "coro/*"], [], ["*"], os=True),
    Row("bench", ["bench/*"], ALL, ["*"], os=True),
    Row("tools", ["tools/*"], ALL, ["*"], os=True),
]


def matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, p) for p in patterns)


def complaint(row, quote, name):
    """Why `row` may not include this, or None."""
    is_public = matches(name, ALL)
    is_private = quote == '"' and not is_public
    if is_public:
        if matches(name, row.public):
            return None
        return f"{row.folder} may not include the public header {name}"
    if is_private:
        if matches(name, row.private):
            return None
        if "/" not in name:
            return f'"{name}": write private headers from src/, as "folder/{name}"'
        return f"{row.folder} may not include {name}"
    if name in C_HEADERS or row.os or matches(name, row.foreign):
        return None
    return f"{row.folder} may not include <{name}>: only src/sys has the system's headers"


def check_file(path):
    """The complaints about one file."""
    name = relative(path)
    row = next((r for r in ROWS if name.startswith(r.folder + "/")), None)
    if row is None:
        return [f"{name}:1: this folder has no row in scripts/layers.py"]
    found = []
    for line, quote, header in includes(path.read_text()):
        why = complaint(row, quote, header)
        if why is None and matches(header, ALL) and not (ROOT / "include" / header).exists():
            why = f"there is no include/{header}"
        if why:
            found.append(f"{name}:{line}: {why}")
    return found


def main():
    files = sources("src", "sim", "include", "tools", "bench", "examples")
    found = [line for path in files for line in check_file(path)]
    print("".join(line + "\n" for line in found), end="")
    print(f"layers: {len(files)} files, {len(found)} violations")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
