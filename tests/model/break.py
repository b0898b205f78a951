#!/usr/bin/env python3
"""Writes a source with one line of it changed for the worse: break.py SOURCE BUG OUTPUT.

A bug is a file that says in words what is wrong, then what is there (lines that
begin with `- `) and what takes its place (`+ `; may be none).  What is there
has to be found exactly once, so that a bug cannot silently come to nothing.
"""

import pathlib
import sys


def main():
    source, bug, output = map(pathlib.Path, sys.argv[1:])
    lines = bug.read_text().splitlines()
    old = "\n".join(line[2:] for line in lines if line.startswith("- "))
    new = "\n".join(line[2:] for line in lines if line.startswith("+ "))
    text = source.read_text()
    if not old or text.count(old) != 1:
        sys.exit(f"{bug}: what it changes is found {text.count(old)} times in {source}")
    output.write_text(f'#line 1 "{source.name}"\n' + text.replace(old, new))


if __name__ == "__main__":
    main()
