#!/usr/bin/env python3
"""Fails when the built library and its public headers disagree.

Four statements, read off the symbol tables: what the shared library exports is
named aw_…; it is declared in a public header; what the headers declare with
AW_API is exported; and the static library's other globals are named aw_… too,
so that linking it cannot collide with the program's own names.  Besides, L0
has no mutable global: nothing of src/base lies in .data or .bss.  And on x86-64
every object is marked for indirect branch tracking, as one without would take
the mark from the whole program, while that of the switch is not marked for
shadow stacks, which it does not switch.
"""

import os
import platform
import re
import subprocess
import sys

from csource import ROOT, public_functions, relative, sources


def nm(*arguments):
    done = subprocess.run(["nm", *map(str, arguments)], text=True, capture_output=True, check=True)
    return done.stdout.splitlines()


def exported(library):
    """The names in a shared library's dynamic symbol table."""
    symbols = [line.split() for line in nm("-D", "--defined-only", library)]
    return {words[-1].split("@")[0] for words in symbols if words[-2] not in "AWw"}


def globals_of(archive):
    """The external names that a static library defines, hidden ones included."""
    symbols = [line.split() for line in nm("--defined-only", "--extern-only", archive)]
    return {words[-1] for words in symbols if len(words) == 3}


def marks(archive):
    """Member -> the features of x86 that its property note claims."""
    done = subprocess.run(["readelf", "-nW", archive], text=True, capture_output=True, check=True)
    found, member = {}, ""
    for line in done.stdout.splitlines():
        if line.startswith("File:"):
            member = re.search(r"\(([^)]+)\)", line)[1]
            found[member] = ""
        elif "x86 feature:" in line:
            found[member] = line.partition("x86 feature:")[2]
    return found


def wrongly_marked(archive):
    """What is wrong with the marks, where there are any: see the head of this file."""
    if platform.machine() != "x86_64":
        return []
    found = [f"not marked for indirect branch tracking: {member}"
             for member, features in marks(archive).items() if "IBT" not in features]
    return found + [f"marked for shadow stacks: {member}"
                    for member, features in marks(archive).items()
                    if "entry_x86_64" in member and "SHSTK" in features]


def mutable_of_base(archive):
    """Names in writable sections of the objects of src/base; constant tables do not count."""
    found, member = [], ""
    for line in nm("--format=sysv", "--defined-only", archive):
        words = [word.strip() for word in line.split("|")]
        if line.startswith("Symbols from"):
            member = line
        elif len(words) == 7 and "src_base_" in member and words[3] == "OBJECT":
            if re.match(r"\.(data|bss)(?!\.rel\.ro)", words[6]):
                found.append(words[0])
    return found


# Headers of companion libraries: what they declare is exported there.
COMPANIONS = {"await/tls.h": "await-tls", "await/http.h": "await-http",
              "await/websocket.h": "await-websocket", "await/sqs.h": "await-sqs"}


def exports_of(build):
    """The complaints about each library's dynamic symbols; and how many there are."""
    declared, found, count = {}, [], 0
    for path in sources("include"):
        library = COMPANIONS.get(relative(path).removeprefix("include/"), "await")
        declared.setdefault(library, set()).update(public_functions(path.read_text()))
    for library, names in declared.items():
        file = build / f"lib{library}.so"
        if library != "await" and not file.exists():
            continue
        has = exported(file)
        count += len(has)
        found += [f"exported, but not named aw_…: {name}" for name in has
                  if not name.startswith("aw_")]
        found += [f"exported, but in no public header: {name}" for name in has - names]
        found += [f"declared with AW_API, but not exported: {name}" for name in names - has]
    return found, count


def main():
    build = ROOT / (sys.argv[1] if len(sys.argv) > 1 else os.environ.get("AWAIT_BUILD_GCC", ""))
    library, archive = build / "libawait.so", build / "libawait.a"
    if not library.exists():
        print("skip: no plain gcc build at hand")
        return 77
    found, count = exports_of(build)
    found += [f"global in the static library, but not named aw_…: {name}"
              for name in globals_of(archive) if not name.startswith("aw_")]
    found += [f"mutable global in src/base: {name}" for name in mutable_of_base(archive)]
    found += wrongly_marked(archive)
    print("".join(line + "\n" for line in sorted(found)), end="")
    print(f"abi: {count} exported, {len(found)} violations")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
