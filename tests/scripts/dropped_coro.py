#!/usr/bin/env python3
"""Describing work and dropping the description is a warning, with both compilers.

A coroutine that is called by its name runs; one that is only described with
AW_CORO does not, and nobody would notice.  The compilers do: they warn where
the description is dropped, and nowhere else.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMPILERS = ("gcc", "clang")
WARNING = re.compile(r"warning: .*\[-Wunused-result\]$", re.M)

PROGRAM = """
#include <await.h>

int work(void *arg);
int use(void *arg);

int work(void *arg)
{
    (void)arg;
    return 0;
}

int use(void *arg)
{
    aw_coro *c = aw_coro_new(work, arg);
    %s
    aw_coro_unref(c);
    return 0;
}
"""
LINE = PROGRAM[:PROGRAM.index("%s")].count("\n") + 1

# What may stand in the place of %s; those that drop something are warned about.
DROPPED = ("AW_CORO(work, arg);", 'AW_CORO(work, arg, .name = "dropped", .copy = 4);',
           "AW_USE(c);", "aw_gather_array(NULL, 0);", "aw_await(NULL);", "aw_sleep(1);")
USED = ("AW_TRY(aw_gather(AW_CORO(work, arg), AW_USE(c)));",
        "const aw_work w[] = {AW_CORO(work, arg)}; AW_TRY(aw_gather_array(w, 1));",
        'AW_TRY(aw_gather(AW_CORO(work, arg, .name = "used", .copy = 4)));',
        "aw_ignore(aw_sleep(1));")


def compile_with(compiler, statement):
    """What the compiler has to say about the program with this statement in it."""
    command = [compiler, "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-c", "-o", "/dev/null",
               "-fno-diagnostics-color", "-Iinclude", "-xc", "-"]
    done = subprocess.run(command, cwd=ROOT, input=PROGRAM % statement, text=True,
                          capture_output=True, check=False)
    return done.stderr


def warned_once(said):
    """Whether there is one warning, and it leads to the line of the statement."""
    return len(WARNING.findall(said)) == 1 and said.count("warning:") == 1 \
        and f"<stdin>:{LINE}:" in said


def main():
    failures = 0
    for compiler in COMPILERS:
        for statement in DROPPED:
            said = compile_with(compiler, statement)
            if not warned_once(said):
                failures += 1
                print(f"{compiler}: no single warning for `{statement}`:\n{said}")
        for statement in USED:
            said = compile_with(compiler, statement)
            if said:
                failures += 1
                print(f"{compiler}: `{statement}` should be clean:\n{said}")
    print(f"{len(COMPILERS) * len(DROPPED + USED)} compilations, {failures} surprises")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
