#!/usr/bin/env python3
"""Fails when a source leaves the house style: limits by tool, not by taste.

Each rule is a function that yields (rule, line, name, message) for a file.  A
violation that is right where it stands is one line, with its reason, in
scripts/tidy-exceptions.txt.  `--stats` prints how long functions are and how
much of the headers is prose.
"""

import os
import pathlib
import re
import statistics
import sys

from csource import ROOT, Lines, code_only, functions, relative, sources, without_comments

FUNCTION_LINES, FILE_LINES, COLUMNS, COMPLEXITY = 70, 600, 100, 15

# Never, anywhere: each with what to use instead.
BANNED = {
    "strcpy": "snprintf or memcpy", "strcat": "the buffer of base/buf.h", "gets": "fgets",
    "sprintf": "snprintf", "vsprintf": "vsnprintf", "strncpy": "snprintf or memcpy",
    "strncat": "the buffer of base/buf.h", "atoi": "strtol", "atol": "strtol", "atof": "strtod",
    "strtok": "strcspn", "alloca": "an array of known size", "rand": "base/prng.h",
    "srand": "base/prng.h", "tmpnam": "mkstemp", "vfork": "posix_spawn",
}
# Only in src/sys, whose table can fail on request; everybody else calls through it.
SYSTEM = set(
    "malloc calloc realloc free aligned_alloc posix_memalign strdup strndup asprintf vasprintf "
    "mmap munmap mprotect madvise read write close open pipe pipe2 poll ppoll fork signal "
    "sigaction raise kill clock_gettime time timespec_get nanosleep usleep sleep "
    "syscall epoll_create1 epoll_ctl epoll_wait epoll_pwait2 eventfd fcntl "
    "pthread_create pthread_mutex_lock pthread_cond_wait system popen".split())
CALL = re.compile(r"(?<![\w.>])(\w+)\s*\(")
UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")

C_FOLDERS = ("src", "sim", "include", "examples", "bench", "tools", "tests")


def check_lengths(path, text):
    """Lines, files and functions that are too long, functions with too many ways through."""
    lines = text.splitlines()
    if len(lines) > FILE_LINES:
        yield "file-length", len(lines), "-", f"{len(lines)} lines (at most {FILE_LINES})"
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS:
            yield "columns", number, "-", f"{len(line)} columns (at most {COLUMNS})"
        if line != line.rstrip():
            yield "blanks", number, "-", "blanks at the end of the line"
        if path.suffix != ".S" and "\t" in line:
            yield "blanks", number, "-", "a tab: indent with four spaces"
    if path.suffix == ".S":
        return
    for f in functions(text):
        if f.length > FUNCTION_LINES:
            yield "function-length", f.first, f.name, \
                f"{f.name} has {f.length} lines (at most {FUNCTION_LINES})"
        if f.complexity > COMPLEXITY:
            yield "complexity", f.first, f.name, \
                f"{f.name} has complexity {f.complexity} (at most {COMPLEXITY})"


def check_calls(path, text):
    """Calls that are wrong everywhere, or outside the layer that owns the system."""
    name = relative(path)
    in_library = name.startswith(("src/", "sim/")) and not name.startswith("src/sys/")
    code, lines = code_only(text), Lines(text)
    for match in CALL.finditer(code):
        call = match.group(1)
        if call in BANNED:
            yield "banned", lines.of(match.start()), call, f"{call}: use {BANNED[call]}"
        elif in_library and call in SYSTEM:
            yield "system-call", lines.of(match.start()), call, f"{call}: only src/sys calls it"


def check_words(path, text):
    """A file says first what it is for, and leaves nothing for later."""
    start = re.sub(r"^#!.*\n", "", text)
    if not re.match(r'\s*(/\*|//|#\s*(?!include|define|if)\w|""")', start):
        yield "no-opening", 1, "-", "the file does not open with a comment on what it is for"
    for number, line in enumerate(text.splitlines(), 1):
        if UNFINISHED.search(line):
            yield "unfinished", number, "-", "unfinished work belongs into an issue"


DECLARATION = re.compile(
    r"^(?:AW_API\b|typedef\b|struct\s+\w+\s*\{|union\s+\w+\s*\{|enum\b[^;]*\{|static\s+inline\b"
    r"|[ \t]*#[ \t]*define\s+(?P<macro>\w+))")


def blocks_at_top(text):
    """Runs of lines that no blank line at depth zero parts: (first line, lines)."""
    code = without_comments(text, literals=False)
    depth, first, run = 0, 1, []
    in_comment = False
    for number, (line, bare) in enumerate(zip(text.splitlines(), code.splitlines()), 1):
        if not line.strip() and depth <= 0 and not in_comment:
            if run:
                yield first, run
            run = []
            continue
        if not run:
            first = number
        run.append((line, bare))
        if not re.match(r'\s*extern\s+"', bare) and not bare.lstrip().startswith("#"):
            depth = max(0, depth + bare.count("{") - bare.count("}"))
        # A blank line inside a comment parts nothing.
        in_comment = line.rfind("/*") > line.rfind("*/") or (in_comment and "*/" not in line)
    if run:
        yield first, run


def declared_symbol(bare):
    """The name that a declaration's first line introduces, as well as one line can tell."""
    for pattern in (r"#\s*define\s+(\w+)", r"(?:struct|union|enum)\s+(\w+)\s*\{",
                    r"(\w+)\s*\(", r"(\w+)\s*;"):
        match = re.search(pattern, bare)
        if match:
            return match.group(1)
    return bare.split()[0]


def needs_comment(bare):
    """Whether a line of a public header begins a declaration that users see."""
    match = DECLARATION.match(bare)
    macro = match and match.group("macro")
    return bool(match) and not (macro and macro.endswith(("_", "_H")))


def check_documented(path, text):
    """Each public declaration stands under a comment, or in a group that does.

    The options of a call may stand right above the comment on that call.
    """
    if not relative(path).startswith("include/"):
        return
    blocks = list(blocks_at_top(text))
    followers = [run for _, run in blocks[1:]] + [[("", "")]]
    for (first, run), follower in zip(blocks, followers):
        seen_comment = False
        for offset, (line, bare) in enumerate(run):
            seen_comment = seen_comment or bool(re.search(r"/\*|//", line))
            if seen_comment or not needs_comment(bare):
                continue
            symbol = declared_symbol(bare)
            if symbol.endswith("_opts") and follower[0][0].startswith("/*"):
                continue
            yield "undocumented", first + offset, symbol, f"{symbol} has no comment above it"


def check_listed(path, text):
    """A source that no meson.build names is never built, and a test in it never runs."""
    name = relative(path)
    if path.suffix not in (".c", ".S") or not name.startswith(("src/", "tests/unit/", "examples/")):
        return
    where = ROOT / "tests/meson.build" if name.startswith("tests/") else path.parent / "meson.build"
    listed = where.read_text() if where.exists() else ""
    if f"'{path.name}'" not in listed and f"'{path.stem}'" not in listed:
        yield "unlisted", 1, path.name, f"{relative(where)} does not list it"


def check_script(path, text):
    """What scripts share with C: columns, an opening, nothing left for later."""
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > COLUMNS:
            yield "columns", number, "-", f"{len(line)} columns (at most {COLUMNS})"
    yield from check_words(path, text)


def script_files():
    """Every file outside the builds that is a script or describes the build."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(f for f in folders if not f.startswith(("build", ".git", "__")))
        for path in (pathlib.Path(folder) / name for name in sorted(names)):
            if path.suffix in (".py", ".sh") or path.name in ("meson.build", "Makefile"):
                yield path
            elif path.suffix == "" and path.is_file() and path.open("rb").read(2) == b"#!":
                yield path


def exceptions():
    """The allowed violations: {(rule, path, name): reason}."""
    allowed = {}
    for line in (ROOT / "scripts/tidy-exceptions.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            rule, path, name, reason = line.split(None, 3)
            allowed[rule, path, name] = reason
    return allowed


def violations():
    """(key, text) of everything found; the key is what an exception names."""
    c_rules = (check_lengths, check_calls, check_words, check_documented, check_listed)
    for files, rules in ((sources(*C_FOLDERS), c_rules), (script_files(), (check_script,))):
        for path in files:
            text, name = path.read_text(), relative(path)
            for check in rules:
                for rule, line, symbol, message in check(path, text):
                    yield (rule, name, symbol), f"{name}:{line}: {rule}: {message}"


def print_stats():
    lengths = sorted(f.length for p in sources("src", suffixes=(".c",))
                     for f in functions(p.read_text()))
    prose = total = 0
    for path in sources("include"):
        text = path.read_text()
        bare = without_comments(text)
        for line, code in zip(text.splitlines(), bare.splitlines()):
            total += bool(line.strip())
            prose += bool(line.strip()) and not code.strip()
    if lengths:
        print(f"functions: {len(lengths)}, median {statistics.median(lengths):g} lines, "
              f"p90 {lengths[int(len(lengths) * 0.9)]}, longest {lengths[-1]}")
    if total:
        print(f"public headers: {total} lines, {100 * prose // total}% comment")


def main():
    if sys.argv[1:] == ["--stats"]:
        print_stats()
        return 0
    allowed, used, found = exceptions(), set(), 0
    for key, text in violations():
        if key in allowed:
            used.add(key)
            continue
        print(text)
        found += 1
    for rule, path, name in sorted(set(allowed) - used):
        print(f"scripts/tidy-exceptions.txt: nothing needs the exception {rule} {path} {name}")
        found += 1
    print(f"tidy: {found} violations, {len(used)} exceptions")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
