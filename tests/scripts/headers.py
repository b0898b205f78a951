#!/usr/bin/env python3
"""Compiles each public header alone, twice in a row, with both compilers, as C11 and as C++17.

Alone, because a user may include any of them first; twice, because of guards;
without a warning, because users compile with -Werror.
"""

import concurrent.futures
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
COMPILERS = [["gcc", "-std=c11", "-xc"], ["clang", "-std=c11", "-xc"],
             ["g++", "-std=c++17", "-xc++"], ["clang++", "-std=c++17", "-xc++"]]


def compile_header(job):
    """What the compiler has to say, or nothing."""
    compiler, header = job
    text = f"#include <{header}>\n#include <{header}>\nint main(void) {{ return 0; }}\n"
    done = subprocess.run([*compiler, *WARNINGS, "-fsyntax-only", "-Iinclude", "-"], cwd=ROOT,
                          input=text, text=True, capture_output=True, check=False)
    return f"{header} with {compiler[0]}:\n{done.stderr}" if done.returncode else ""


def main():
    include = ROOT / "include"
    headers = sorted(str(p.relative_to(include)) for p in include.rglob("*.h"))
    jobs = [(compiler, header) for header in headers for compiler in COMPILERS]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        problems = [said for said in pool.map(compile_header, jobs) if said]
    print("\n".join(problems))
    print(f"{len(headers)} headers, {len(jobs)} compilations, {len(problems)} with complaints")
    return 1 if problems or not headers else 0


if __name__ == "__main__":
    sys.exit(main())
