#!/usr/bin/env python3
"""Checks docs/security.md: every danger that it names has its tests, and its limits are there.

A row of a table is `| danger | what is done | limits | tests |`.  In the last cell stand names of
tests (`*` for any letters), of scripts in tests/scripts.txt or of targets in tests/fuzz; in the one
before, options as `.name` and functions as `aw_name()`, which a public header has to have.  And
every test that is named after a danger has to be in the table.
"""

import fnmatch
import re
import sys

from csource import ROOT, relative, sources

TEST = re.compile(r"^TEST(?:_[A-Z_]+)?\(\s*(\w+)\s*[,)]", re.M)
NAMED_AFTER_A_DANGER = re.compile(r"reliability_|client_class_")
TABLE = ROOT / "docs/security.md"


def known_tests():
    """The names of all tests: of units, of scripts, of fuzzers."""
    names = set()
    for path in sources("tests/unit", "tests/fault", suffixes=(".c",)):
        names.update(TEST.findall(path.read_text()))
    for line in (ROOT / "tests/scripts.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            names.add(line.split()[0])
    names.update(f"fuzz/{path.stem}" for path in sources("tests/fuzz", suffixes=(".c",)))
    return names


def rows(text):
    """(line, cells) of every row below a table's head."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("|") or set(line) <= set("| -"):
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells[-1] != "tests":
            yield number, cells


def words(cell):
    return re.findall(r"`([^`]+)`", cell)


def check_row(cells, tests, headers, covered):
    """What is wrong with a row; the tests that it names are added to `covered`."""
    if len(cells) != 4 or not all(cells):
        return ["not `| danger | what is done | limits | tests |`"]
    found = []
    for word in words(cells[2]):
        name = word.removesuffix("()").removeprefix(".")
        if not re.search(rf"\b{re.escape(name)}\b", headers):
            found.append(f"no public header has {word}")
    named = words(cells[3])
    if not named:
        found.append(f"{cells[0]}: there is no test")
    for pattern in named:
        matching = fnmatch.filter(tests, pattern)
        if not matching:
            found.append(f"there is no test {pattern}")
        covered.update(matching)
    return found


def main():
    tests, covered, found, n = known_tests(), set(), [], 0
    headers = "".join(path.read_text() for path in sources("include"))
    for line, cells in rows(TABLE.read_text()):
        n += 1
        found += [f"{relative(TABLE)}:{line}: {why}"
                  for why in check_row(cells, tests, headers, covered)]
    found += [f"{relative(TABLE)}: {name} is in no row" for name in sorted(tests - covered)
              if NAMED_AFTER_A_DANGER.search(name)]
    print("".join(line + "\n" for line in found), end="")
    print(f"security: {n} dangers, {len(covered)} tests, {len(found)} complaints")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
