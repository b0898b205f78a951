#!/usr/bin/env python3
"""Tests the checks: a check that never fails would look just like a clean tree.

A tree of a few small files, each wrong in known ways, is checked by copies of
the scripts; every complaint below has to be made, and nothing else.  So has the
comparison of what several threads print.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import programs  # noqa: E402: found by the line above

LAYERS = {
    "src/base/a.c": '/* a */\n#include <stdlib.h>\n#include <unistd.h>\n#include "sys/sys.h"\n'
                    '// #include <fcntl.h>\n#include "b.h"\n',
    "src/sys/b.c": '/* b */\n#include <sys/epoll.h>\n#include "base/list.h"\n'
                   '#include "await/loop.h"\n',
    "src/core/c.c": '/* c */\n#include "io/io.h"\n#include "await/gone.h"\n',
    "src/sync/d.c": '/* d */\n#include "core/core.h"\n#include "core/task.h"\n',
    "src/other/e.c": "/* e */\n",
    "include/await/loop.h": "/* f */\n#include <stddef.h>\n#include <pthread.h>\n",
    "include/await.h": "/* h */\n",
    "examples/g.c": '/* g */\n#include <await.h>\n#include <unistd.h>\n#include "core/core.h"\n',
}
LAYERS_SAID = """\
examples/g.c:4: examples may not include core/core.h
include/await/loop.h:3: include may not include <pthread.h>: only src/sys has the system's headers
src/base/a.c:3: src/base may not include <unistd.h>: only src/sys has the system's headers
src/base/a.c:4: src/base may not include sys/sys.h
src/base/a.c:6: "b.h": write private headers from src/, as "folder/b.h"
src/core/c.c:3: there is no include/await/gone.h
src/other/e.c:1: this folder has no row in scripts/layers.py
src/sync/d.c:3: src/sync may not include core/task.h
src/sys/b.c:4: src/sys may not include the public header await/loop.h
""".splitlines()

LONG = "static int f(void)\n{\n" + "    g();\n" * 70 + "}\n"
TWISTED = "int h(int a)\n{\n" + "    if (a && a > 1)\n        g();\n" * 8 + "    return a;\n}\n"
TIDY = {
    "src/core/meson.build": "# x\nawait_sources += files('a.c', 'b.c', 'd.c')\n",
    "src/core/a.c": "/* a */\n" + LONG + TWISTED,
    "src/core/b.c": '/* b: strcpy(a, b) */\nint f(void)\n{\n    p->free(x);\n    free(x);\n'
                    '    strcpy(a, b);\n    g("strcat(");\n    h(); // TO' 'DO\n}\n',
    "src/core/c.c": "/* c: listed nowhere */\n",
    "src/core/d.c": "int x;\n" + "\n" * 600 + "/* " + "x" * 100 + " */\n",
    "include/await/a.h": "/* a */\n#ifndef A_H\n#define A_H\n\n"
                         "/* A group. */\nAW_API int aw_a(void);\n"
                         "AW_API int aw_b(void);\n\nAW_API int aw_c(void);\n\n"
                         "typedef struct aw_d_opts {\n    int x;\n} aw_d_opts;\n\n"
                         "/* d. */\n#define aw_d(x) 1\n\n#define AW_E 2\n#define AW_F_ 3\n#endif\n",
    "scripts/tidy-exceptions.txt": "complexity src/core/a.c h needed\n"
                                   "banned src/core/a.c gets outdated\n",
}
TIDY_SAID = """\
include/await/a.h:18: undocumented: AW_E has no comment above it
include/await/a.h:9: undocumented: aw_c has no comment above it
scripts/tidy-exceptions.txt: nothing needs the exception banned src/core/a.c gets
src/core/a.c:2: function-length: f has 73 lines (at most 70)
src/core/b.c:5: system-call: free: only src/sys calls it
src/core/b.c:6: banned: strcpy: use snprintf or memcpy
src/core/b.c:8: unfinished: unfinished work belongs into an issue
src/core/c.c:1: unlisted: src/core/meson.build does not list it
src/core/d.c:1: no-opening: the file does not open with a comment on what it is for
src/core/d.c:602: columns: 106 columns (at most 100)
src/core/d.c:602: file-length: 602 lines (at most 600)
""".splitlines()

BEHAVIOURS = {
    "tests/unit/core/future.c":
        "/* t */\n// FUT-001: it is | pending.\nTEST(FUT_001_pending)\n{\n}\n\n"
        "/* FUT-002: it is\n * over. */\nTEST_REAL_CLOCK(FUT_002_over)\n{\n}\n\n"
        "TEST(FUT_003_silent)\n{\n}\n\n// FUT-900: no.\nTEST(FUT_900_unknown)\n{\n}\n",
    "tests/behaviours.txt": "FUT-002 | safer | | because\nFUT-004 | pending | later | soon\n"
                            "FUT-005 | overridden | other | so\nFUT-006 | odd | x | y\n",
}
BEHAVIOURS_SAID = """\
FUT-003 says nowhere what is promised: // FUT-003: … above its test
FUT-005 is overridden and has no test
FUT-006 has neither a test nor a line in tests/behaviours.txt
tests/behaviours.txt:4: not `ID | status | what is promised | reason`
tests/unit/core/future.c:18: there is no behaviour FUT-900
""".splitlines()
BEHAVIOURS_MADE = """\
| FUT-001 | it is \\| pending. | as asyncio | `core/future.c` `FUT_001_pending` | |
| FUT-002 | it is over. | safer in C | `core/future.c` `FUT_002_over` | because |
""".splitlines()

SECURITY = {
    "docs/security.md": "# x\n\n| danger | what is done | limits | tests |\n"
                        "| --- | --- | --- | --- |\n"
                        "| a | refused | `.max_a`, `aw_a()` | `a_is_*`, `fuzz/a`, `layers` |\n"
                        "| b | it is refused | `.max_b` | `b_is_refused` |\n"
                        "| c | it is refused | – | by hand |\n| d | nothing | – |\n",
    "include/await/a.h": "struct a {\n    int max_a;\n};\nint aw_a(void);\n",
    "tests/unit/a.c": "TEST(a_is_refused)\n{\n}\n\nTEST_IN_LOOP(reliability_e)\n{\n}\n",
    "tests/fuzz/a.c": "/* a */\n",
    "tests/scripts.txt": "layers 30 scripts/layers.py\n",
}
SECURITY_SAID = """\
docs/security.md: reliability_e is in no row
docs/security.md:6: no public header has .max_b
docs/security.md:6: there is no test b_is_refused
docs/security.md:7: c: there is no test
docs/security.md:8: not `| danger | what is done | limits | tests |`
""".splitlines()


def make_tree(folder, files):
    """A tree with the scripts and these files, everything else empty."""
    shutil.copytree(ROOT / "scripts", folder / "scripts",
                    ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "scripts/tidy-exceptions.txt").write_text("")
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def complaints(folder, script):
    """The lines a check prints, without its summary; it must have failed."""
    done = subprocess.run([folder / "scripts" / script], text=True, capture_output=True,
                          check=False)
    if done.returncode != 1:
        sys.exit(f"{script}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return sorted(done.stdout.splitlines()[:-1])


def compare(script, said, expected):
    wrong = [f"- {line}" for line in expected if line not in said]
    wrong += [f"+ {line}" for line in said if line not in expected]
    if wrong:
        sys.exit(f"{script}: missing (-) or too much (+):\n" + "\n".join(wrong))
    print(f"{script}: {len(expected)} complaints as expected")


def check(script, files, expected, keep=lambda line: True):
    """Runs one check over its tree; returns what it may have written."""
    with tempfile.TemporaryDirectory(prefix="await-checks-") as name:
        folder = pathlib.Path(name)
        make_tree(folder, files)
        compare(script, [line for line in complaints(folder, script) if keep(line)], expected)
        made = folder / "docs/behaviours.md"
        return made.read_text() if made.exists() else ""


# What two threads print, and texts that are and are not an order of it.
THREADS = """\
thread time | line
a 0.0 | a begins 0.0
b 0.0 | b begins
a 1.0 | a works
b 1.2 | b works … times
a 2.0 | done
b 2.0 | done
"""
ORDERS = [
    ("a begins 0.0\nb begins\na works\nb works 3 times\ndone\ndone\n", True),
    ("b begins\na begins 0.3\nb works 1.5 times\na works\ndone\ndone\n", True),
    ("a begins 0.0\na works\nb begins\nb works 3 times\ndone\ndone\n", False),  # 1.0 before 0.0
    ("a begins 0.0\nb begins\na works\ndone\nb works 3 times\ndone\n", False),  # 2.0 before 1.2
    ("a works\na begins 0.0\nb begins\nb works 3 times\ndone\ndone\n", False),  # in one thread
    ("a begins 0.5\nb begins\na works\nb works 3 times\ndone\ndone\n", False),  # too late
    ("a begins 0.0\nb begins\na works\nb works 3 times\ndone\n", False),  # one is missing
    ("a begins 0.0\nb begins\na works\nb works 3 times\ndone\ndone\nmore\n", False),
]


def check_orders():
    """The comparison of what several threads print (scripts/programs.py)."""
    failed = 0
    for text, fine in ORDERS:
        if (programs.differences(THREADS, text) == []) != fine:
            print(f"programs.py: {'refused' if fine else 'accepted'}:\n{text}")
            failed += 1
    print(f"programs.py: {len(ORDERS)} orders of two threads, {failed} judged wrongly")
    return failed == 0


def main():
    check("layers.py", LAYERS, LAYERS_SAID)
    check("tidy.py", TIDY, TIDY_SAID)
    check("security.py", SECURITY, SECURITY_SAID)
    made = check("behaviours.py", BEHAVIOURS, BEHAVIOURS_SAID,
                 lambda line: line.startswith("tests/") or line[:7] in
                 [f"FUT-00{n}" for n in range(1, 7)])
    for line in BEHAVIOURS_MADE:
        if line not in made.splitlines():
            sys.exit(f"docs/behaviours.md lacks the row\n{line}\n{made[:2000]}")
    return 0 if check_orders() else 1


if __name__ == "__main__":
    sys.exit(main())
