#!/usr/bin/env python3
"""Compiles the programs in README.md exactly as printed, runs them, compares what they print.

Each ```c block is a program of few lines; the ```text block that follows is its
output.  Each path the README names has to exist.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
LINES = 17


def libraries():
    """What the static library needs: liburing where it is installed, and so was built in."""
    try:
        uring = subprocess.run(["pkg-config", "--libs", "liburing"], text=True, check=False,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.split()
    except FileNotFoundError:
        uring = []
    return [*uring, "-lm", "-pthread"]


def blocks(text):
    """(program, output) of each program."""
    found = re.findall(r"^```c\n(.*?)^```$.*?^```text\n(.*?)^```$", text, re.M | re.S)
    if not found:
        sys.exit("README.md has no program")
    return found


def run(command, folder=None):
    done = subprocess.run(command, cwd=folder, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}")
    return done.stdout


def check_program(program, printed, build):
    """Compiles it with both compilers against the built static library, and runs it."""
    if len(program.splitlines()) > LINES:
        sys.exit(f"the program has more than {LINES} lines")
    with tempfile.TemporaryDirectory(prefix="await-readme-") as folder:
        source, binary = f"{folder}/hello.c", f"{folder}/hello"
        pathlib.Path(source).write_text(program)
        for compiler in ("gcc", "clang"):
            run([compiler, *FLAGS, f"-I{ROOT}/include", source, f"{ROOT / build}/libawait.a",
                 *libraries(), "-o", binary])
            got = run([binary])
            if got != printed:
                sys.exit(f"{compiler}: it printed\n{got}README.md says\n{printed}")
            print(f"ok: {compiler} compiles a program, which prints what the text says")


def check_paths(file):
    """A text's links and `paths` that do not exist."""
    text = file.read_text("utf-8")
    links = re.findall(r"\]\(([^):#]+)\)", text)
    named = re.findall(r"`((?:src|include|examples|docs|tests|scripts)/[\w./-]+)`", text)
    missing = [path for path in links if not (file.parent / path).exists()]
    missing += [path for path in named if not (ROOT / path).exists()]
    if missing:
        sys.exit(f"{file.name} names what is not there: {', '.join(missing)}")
    print(f"ok: {file.name}: {len(links) + len(named)} paths")


def main():
    check_paths(ROOT / "README.md")
    build = os.environ.get("AWAIT_BUILD_GCC")
    if not build:
        print("skip: no plain gcc build at hand")
        return 77
    for program, printed in blocks((ROOT / "README.md").read_text("utf-8")):
        check_program(program, printed, build)
    return 0


if __name__ == "__main__":
    sys.exit(main())
