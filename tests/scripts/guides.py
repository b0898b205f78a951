#!/usr/bin/env python3
"""Compiles and runs the programs of docs/guide/*.md as they are printed, and compares.

A ```c block with a main() is a program.  It opens with its file's name ("/* lost.c: ... */"), is
built with both compilers, and on the virtual clock has to print the ```text block that follows
("```text exit=134" where its exit status is not 0; "```text clock=real" for programs that block
threads, where times may be late).  A ```python block that calls asyncio.run() is
one too, on a clock of the same kind, and has to print the same block.  Any other ```c block is a
fragment: it is compiled, inside a function unless it defines things itself, with GIVEN before it;
"```c from=examples/..." has to stand in that file as it is.

Beside that: each name of the library that a guide mentions has to be declared, each link has to
lead somewhere, and each public name of Python's asyncio has to stand in asyncio.md.
`guides.py --print [GUIDE]` shows what the programs print.
"""

import asyncio
import concurrent.futures
import os
import pathlib
import re
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
sys.path.insert(0, str(ROOT / "tests/scripts"))
import programs  # noqa: E402: found by the lines above
import readme  # noqa: E402

GUIDES = sorted((ROOT / "docs/guide").glob("*.md"))
COMPILERS = ("gcc", "clang")
AT_A_TIME = 4
PYTHON = (3, 11)  # the oldest that has what the programs use
KNOWN_PYTHON = (3, 14)  # the newest whose names the guide was compared with

# What a fragment may use without saying what it is.
GIVEN = """
#include <await.h>
#include <await/http.h>
#include <await/http_server.h>
#include <await/net.h>
#include <await/sqs.h>
#include <await/testing.h>
#include <await/tls.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
struct job { int number; double began; char text[80]; };
extern int work(void *), other(void *), clean_up(void *), talk(void *);
extern int step_one(void *), step_two(void *), finish(void *);
extern int body(aw_group *, void *);
extern struct job *new_job(void);
extern void free_job(void *);
extern aw_task *t, *tasks[3];
extern aw_future *f;
extern aw_lock lock;
extern aw_queue queue;
extern struct job a, b;
extern void *arg;
extern double seconds;
extern aw_loop *loop;
extern aw_cfuture *cf;
extern aw_channel *channel;
extern aw_executor *pool;
extern int lookup(void *), compute(void *);
"""
INSIDE = "extern int fragment(void);\nint fragment(void)\n{\n%s\nreturn 0;\n}\n"


# The companions that a program may use, those above first: library, headers, what it needs.
COMPANIONS = (
    ("socketio", ("socketio",), ("jansson",)),
    ("websocket", ("websocket",), ("wslay",)),
    ("http", ("http", "http_server"), ("curl", "http_parser")),
    ("tls", ("tls",), ("ssl", "crypto")),
)


class Block:
    """A fenced block: its language, the words after it, its text, where it stands."""

    def __init__(self, match, guide, whole):
        self.language, self.words, self.text = match.group(1), match.group(2), match.group(3)
        self.place = f"{guide.name}:{whole.count(chr(10), 0, match.start()) + 2}"

    def is_program(self):
        if self.language == "python":
            return "asyncio.run(" in self.text
        return self.language == "c" and re.search(r"^int main\(", self.text, re.M)

    def real_clock(self):
        return "clock=real" in self.words

    def exit_status(self):
        found = re.search(r"\bexit=(\d+)", self.words)
        return int(found.group(1)) if found else 0


def blocks(guide):
    text = guide.read_text("utf-8")
    return [Block(match, guide, text)
            for match in re.finditer(r"^```(\w+)([^\n]*)\n(.*?)^```$", text, re.M | re.S)]


# ---- running --------------------------------------------------------------------------------


def steady(text):
    return programs.normalise(text.replace("\r\n", "\n"))


def companions(text, library):
    """What a program is linked with before the library; None: it was built without."""
    found = []
    for name, headers, needs in COMPANIONS:
        if not found and not any(f"<await/{header}.h>" in text for header in headers):
            continue
        archive = library.parent / f"libawait-{name}.a"
        if not archive.exists():
            return None
        found.append(([str(archive)], [f"-l{need}" for need in needs]))
    return [word for words, _ in found for word in words] + \
        [word for _, words in found for word in words]


def build(block, compiler, folder, library):
    name = re.match(r"/\* (\w+)\.c: ", block.text)
    if not name:
        sys.exit(f"{block.place}: a program opens with the name of its file")
    binary = folder / name.group(1)
    source = f"{name.group(1)}.c"
    (folder / source).write_text(block.text, "utf-8")
    above = companions(block.text, library) or []
    readme.run([compiler, *readme.FLAGS, f"-I{ROOT}/include", source, *above, str(library),
                *readme.libraries(), "-o", str(binary)], folder)
    return [binary]


def run(command, real_clock):
    """What a program prints, with its exit status as a shell says it."""
    clock = {} if real_clock else {"AWAIT_CLOCK": "virtual"}
    done = programs.run(command, programs.environment(**clock))
    status = done.status if done.status >= 0 else 128 - done.status
    return steady(done.text), status


def outputs(block, folder, library, real_clock=False):
    """(who, text, status) for each way to run a program."""
    if block.language == "c":
        for compiler in COMPILERS:
            yield compiler, *run(build(block, compiler, folder, library), real_clock)
    elif sys.version_info >= PYTHON:
        source = folder / f"{block.place.replace(':', '-')}.py"
        source.write_text(block.text, "utf-8")
        yield "python", *run([sys.executable, __file__, "--python", source], False)


class VirtualSelector:
    """The loop's selector, whose waiting is a jump of the clock."""

    def __init__(self, loop):
        self.loop, self.real = loop, loop._selector

    def select(self, timeout=None):
        if timeout is None:
            raise RuntimeError("nothing is left that could wake the loop")
        self.loop.now += max(0, timeout)
        return self.real.select(0)

    def __getattr__(self, name):
        return getattr(self.real, name)


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's loop with virtual time."""

    def __init__(self):
        self.now = 0.0
        super().__init__()
        self._selector = VirtualSelector(self)

    def time(self):
        return self.now


def run_python(path):
    """Runs a program of a guide: this script in a process of its own."""
    asyncio.events.new_event_loop = VirtualLoop
    sys.stdout.reconfigure(line_buffering=True)
    exec(compile(pathlib.Path(path).read_text("utf-8"), path, "exec"), {"__name__": "__main__"})


# ---- checking -------------------------------------------------------------------------------


def programs_of(guide):
    """(program, the block that it has to print or None)."""
    waiting = []
    for block in blocks(guide):
        if block.is_program():
            waiting.append(block)
        elif block.language == "text":
            yield from ((program, block) for program in waiting)
            waiting = []
    yield from ((program, None) for program in waiting)


def check_programs(guide, folder, library):
    """(place, complaints) of each program and its output; several at a time, as some sleep."""
    with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        running = [(program.place, pool.submit(complaints, program, wanted, folder, library))
                   for program, wanted in programs_of(guide)]
        for place, future in running:
            yield place, future.result()


def complaints(program, wanted, folder, library):
    if not wanted:
        return ["no ```text block follows"]
    if program.language == "c" and companions(program.text, library) is None:
        return []  # built without that companion
    found = []
    for who, text, status in outputs(program, folder, library, wanted.real_clock()):
        different = programs.differences(steady(wanted.text), text, wanted.real_clock())
        if status != wanted.exit_status():
            different.append(f"exit status {status}, not {wanted.exit_status()}")
        found += [f"{who}: {line}" for line in different]
    return found


def check_fragment(block, folder):
    """Compiles it without running it; ```c warns stands for code that drops a result."""
    defines = re.search(r"^(static|extern|struct \w+ \{|typedef|int \w+\()", block.text, re.M)
    text = GIVEN + f'#line 1 "{block.place}"\n' + (block.text if defines else INSIDE % block.text)
    source = folder / "fragment.c"
    source.write_text(text, "utf-8")
    flags = [*readme.FLAGS, "-Wno-unused", "-Wunused-result", f"-I{ROOT}/include"]
    for compiler in COMPILERS:
        warns = "warns" in block.words
        text = readme.run([compiler, *flags, *(["-Wno-error"] if warns else []), "-c",
                           str(source), "-o", os.devnull])
        if warns and "[-Wunused-result]" not in text:
            sys.exit(f"{block.place}: {compiler} does not warn")


def check_quotation(block, path):
    """It is part of the file, word for word, but for how far it is indented."""
    def words(text):
        return " ".join(text.split())

    if words(block.text) not in words((ROOT / path).read_text("utf-8")):
        sys.exit(f"{block.place}: this does not stand in {path}")


def check_names(guide):
    """The library's names in a guide that no public header has."""
    declared = set()
    for header in (ROOT / "include").rglob("*.h"):
        declared |= set(re.findall(r"\b(?:aw|AW)_\w+", header.read_text("utf-8")))
    named = set(re.findall(r"\b(?:aw|AW)_\w*[a-zA-Z0-9]\b", guide.read_text("utf-8")))
    return [f"{name}: no public header declares it" for name in sorted(named - declared)]


def asyncio_names():
    """What Python's asyncio makes public, the parts that Python removed since left out."""
    names = {name for name in asyncio.__all__ if not name.startswith("_")}
    for of in (asyncio.Future, asyncio.Task, asyncio.AbstractEventLoop, asyncio.TimerHandle,
               asyncio.Timeout, asyncio.TaskGroup, asyncio.Runner, asyncio.Lock, asyncio.Event,
               asyncio.Condition, asyncio.Semaphore, asyncio.Barrier, asyncio.Queue):
        names |= {name for name in dir(of) if not name.startswith("_")}
    return {name for name in names if not name.endswith("ChildWatcher")}


def check_table(guide):
    """asyncio's public names, as far as this Python knows them, that the guide leaves out."""
    if not PYTHON <= sys.version_info[:2] <= KNOWN_PYTHON:
        return []
    words = set(re.findall(r"\w+", guide.read_text("utf-8")))
    return [f"asyncio's {name} is not in it" for name in sorted(asyncio_names() - words)]


def checks(library):
    """(what, complaints) of everything there is to check."""
    for guide in GUIDES:
        readme.check_paths(guide)
        yield f"{guide.name}: names", check_names(guide)
        if guide.name == "asyncio.md":
            yield f"{guide.name}: asyncio's names", check_table(guide)
        with tempfile.TemporaryDirectory(prefix="await-guides-") as name:
            folder = pathlib.Path(name)
            yield from check_programs(guide, folder, library)
            fragments = [b for b in blocks(guide) if b.language == "c" and not b.is_program()]
            for block in fragments:
                quoted = re.search(r"\bfrom=(\S+)", block.words)
                if quoted:
                    check_quotation(block, quoted.group(1))
                else:
                    check_fragment(block, folder)
            yield f"{guide.name}: {len(fragments)} fragments", []


def show(guides, library):
    for guide in guides:
        with tempfile.TemporaryDirectory(prefix="await-guides-") as folder:
            for block, wanted in programs_of(guide):
                real = bool(wanted and wanted.real_clock())
                for who, text, status in outputs(block, pathlib.Path(folder), library, real):
                    print(f"==== {block.place} {who}, exit {status}\n{text}", end="")


def main():
    if sys.argv[1:2] == ["--python"]:
        run_python(sys.argv[2])
        return 0
    folder = os.environ.get("AWAIT_BUILD_GCC")
    if not folder:
        print("skip: no plain gcc build at hand")
        return 77
    library = ROOT / folder / "libawait.a"
    if sys.argv[1:2] == ["--print"]:
        show([pathlib.Path(name) for name in sys.argv[2:]] or GUIDES, library)
        return 0
    failed = 0
    for what, found in checks(library):
        print(f"{'failed' if found else 'ok'}: {what}")
        print("".join(f"    {line}\n" for line in found), end="")
        failed += bool(found)
    print(f"guides: {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
