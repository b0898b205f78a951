#!/usr/bin/env python3
"""Makes docs/behaviours.md from the tests, so that the table cannot drift from them.

A test of a behaviour carries its id in its name, FUT_001_…, and says in the
comment directly above it what is promised, `// FUT-001: …`.  What has no plain
test, or differs from asyncio, has a line in tests/behaviours.txt.  A claimed
area fails the script while one of its ids has neither.

Without arguments the file is written; --check compares it with what would be.
"""

import re
import sys

from csource import ROOT, relative, sources

# How many behaviours each area has; those claimed must be complete.
AREAS = {"FUT": 28, "TASK": 60, "LOOP": 30, "GRP": 24, "TMO": 19, "RUN": 14, "SYNC": 42,
         "QUE": 26, "THR": 18, "CONC": 30, "STRM": 25, "PROC": 15, "SIG": 12, "NET": 12}
CLAIMED = ['FUT', 'TASK', 'LOOP', 'GRP', 'TMO', 'RUN', 'SYNC', 'QUE', 'THR', 'CONC',
           'STRM', 'NET']
TITLES = {"FUT": "Futures", "TASK": "Tasks, waiting and cancellation", "LOOP": "The loop",
          "GRP": "Task groups", "TMO": "Time limits", "RUN": "Runner and run",
          "SYNC": "Synchronisation", "QUE": "Queues", "THR": "Threads",
          "CONC": "Concurrent futures and executors", "STRM": "Streams", "PROC": "Subprocesses",
          "SIG": "Signals", "NET": "Network"}

# The status word of tests/behaviours.txt: what the table shows, whether a test is required.
STATUS = {"overridden": ("overridden", True), "safer": ("safer in C", True),
          "meaningless": ("meaningless in C", False), "pending": ("pending", False)}

TEST = re.compile(r"^TEST(?:_[A-Z_]+)?\(\s*(([A-Z]+)_(\d{3})_\w+)\s*[,)]", re.M)
STATEMENT = re.compile(r"\b([A-Z]+-\d{3}):\s*(.*?)(?=\s\b[A-Z]+-\d{3}:|$)", re.S)
TARGET = ROOT / "docs/behaviours.md"

HEAD = """<!-- Made from the tests by scripts/behaviours.py; edit those, not this file. -->
# Behaviours: what is promised, and the test that holds it

Each line is one observable outcome of asyncio's, by an id of its own, and the test that has the
id in its name. *as asyncio*: the same here. *overridden*, *safer in C*: deliberately different,
for the reason given, and tested as it is here. *meaningless in C*: there is nothing to observe.
*pending*: comes with the part of the library that it needs.

"""


class Behaviour:
    """All that is known about one id."""

    def __init__(self, ident):
        self.ident, self.statement, self.status, self.reason = ident, "", "", ""
        self.tests = []  # (file, name)

    @property
    def word(self):
        """What the table shows as its status."""
        if self.status:
            return STATUS[self.status][0]
        return "as asyncio" if self.tests else "untested"


def comment_above(text, offset):
    """The words of the comment that ends on the line before `offset`."""
    lines = text[:offset].splitlines()
    block = []
    while lines and re.match(r"\s*(//|/\*|\*)|.*\*/\s*$", lines[-1]):
        block.insert(0, lines.pop())
        if block[0].lstrip().startswith("/*"):
            break
    words = [re.sub(r"^\s*(//+|/\*+|\*(?!/))\s?|\s*\*/\s*$", "", line) for line in block]
    return " ".join(" ".join(words).split())


def read_tests(known, complaints):
    """Enters every test with an id; its statement too, where the comment has one."""
    for path in sources("tests/unit", suffixes=(".c",)):
        text = path.read_text()
        for match in TEST.finditer(text):
            name, area, number = match.groups()
            ident = f"{area}-{number}"
            line = text.count("\n", 0, match.start()) + 1
            if ident not in known:
                complaints.append(f"{relative(path)}:{line}: there is no behaviour {ident}")
                continue
            known[ident].tests.append((relative(path), name))
            for said, statement in STATEMENT.findall(comment_above(text, match.start())):
                if said == ident and not known[ident].statement:
                    known[ident].statement = statement


def read_list(known, complaints):
    """Enters the lines `ID | status | what is promised | reason` of tests/behaviours.txt."""
    path = ROOT / "tests/behaviours.txt"
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = [field.strip() for field in line.split("|")]
        place = f"{relative(path)}:{number}"
        if len(fields) != 4 or fields[0] not in known or fields[1] not in STATUS:
            complaints.append(f"{place}: not `ID | status | what is promised | reason`")
            continue
        entry = known[fields[0]]
        if entry.status:
            complaints.append(f"{place}: {fields[0]} has a line already")
        entry.status, entry.reason = fields[1], fields[3]
        entry.statement = fields[2] or entry.statement


def check(entry):
    """What is wrong with one claimed behaviour, or None."""
    if not entry.tests and not entry.status:
        return f"{entry.ident} has neither a test nor a line in tests/behaviours.txt"
    if not entry.statement:
        return f"{entry.ident} says nowhere what is promised: // {entry.ident}: … above its test"
    if entry.status and STATUS[entry.status][1] and not entry.tests:
        return f"{entry.ident} is {entry.status} and has no test"
    if entry.status and not entry.reason:
        return f"{entry.ident} is {entry.status} without a reason"
    return None


def cell(text):
    return text.replace("|", "\\|")


def table_row(entry):
    tests = "<br>".join(f"`{file.removeprefix('tests/unit/')}` `{name}`"
                        for file, name in sorted(entry.tests))
    fields = (entry.ident, cell(entry.statement), entry.word, tests or "–", cell(entry.reason))
    return "| " + " | ".join(fields).rstrip() + " |\n"


def table(known):
    """The whole file's text."""
    text = HEAD
    for area in CLAIMED:
        entries = [e for e in known.values() if e.ident.startswith(area + "-")]
        counts = {}
        for entry in entries:
            counts[entry.word] = counts.get(entry.word, 0) + 1
        text += f"## {TITLES[area]} ({area})\n\n"
        text += f"{len(entries)} behaviours: "
        text += ", ".join(f"{n} {word}" for word, n in counts.items()) + ".\n\n"
        text += "| id | what is promised | status | test | reason |\n"
        text += "| --- | --- | --- | --- | --- |\n"
        text += "".join(table_row(entry) for entry in entries) + "\n"
    return text.rstrip("\n") + "\n"


def main():
    known = {ident: Behaviour(ident) for area, count in AREAS.items()
             for ident in (f"{area}-{n:03}" for n in range(1, count + 1))}
    complaints = []
    read_tests(known, complaints)
    read_list(known, complaints)
    claimed = [e for e in known.values() if e.ident.split("-")[0] in CLAIMED]
    complaints += [said for said in map(check, claimed) if said]
    text = table(known)
    if "--check" not in sys.argv[1:]:
        TARGET.parent.mkdir(exist_ok=True)
        TARGET.write_text(text)
    elif not TARGET.exists() or TARGET.read_text() != text:
        complaints.append(f"{relative(TARGET)} is not what scripts/behaviours.py makes: run it")
    print("".join(line + "\n" for line in complaints), end="")
    tested = sum(bool(e.tests) for e in claimed)
    print(f"behaviours: {len(claimed)} claimed, {tested} tested, {len(complaints)} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
