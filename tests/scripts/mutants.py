#!/usr/bin/env python3
"""Breaks the library in known ways, and fails unless a named test notices each.

tests/mutants/*.patch are small patches of the library, each a mistake that could
be made; the line `Caught-by: BINARY TEST` in its head names the test that fails
then.  The sources are copied to a folder of their own and built there once; each
mutant is applied, compiled, tried and taken back.  Unmutated, every named test
passes; a mutant whose test is skipped here (no io_uring) is left out, by name.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPIED = ("include", "sim", "src", "tests", "meson.build", "meson_options.txt")
SETUP = ["--buildtype=debug", "-Dexamples=false", "-Dtests=enabled", "-Dwarning_level=0"]
LEAST = 80  # mutants
SKIPPED = 77
BUILD_SECONDS, TEST_SECONDS, MUTANT_SECONDS = 600, 60, 5
SLOWER = 5  # times as long as without it a test with a mutant may take, and those seconds


class Mutant:
    """A patch and the test that catches it."""

    def __init__(self, path):
        self.path, self.name = path, path.stem
        match = re.search(r"^Caught-by: (\w+) (\w+)$", path.read_text(), re.M)
        if not match:
            sys.exit(f"{path.name}: no line `Caught-by: BINARY TEST` in its head")
        self.binary, self.test = match.groups()
        self.limit = MUTANT_SECONDS


def run(command, folder, limit):
    """(exit status, output); a command that takes too long has failed."""
    try:
        done = subprocess.run([str(word) for word in command], cwd=folder, text=True,
                              timeout=limit, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False, errors="replace",
                              env=dict(os.environ, CC="gcc", GIT_CEILING_DIRECTORIES="/"))
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired:
        return "too slow", ""


def must(command, folder, limit, what):
    status, output = run(command, folder, limit)
    if status != 0:
        sys.exit(f"{what}: {status}\n{output}")


class Tree:
    """A copy of the sources, with a build."""

    def __init__(self, folder):
        self.sources, self.out = folder / "sources", folder / "out"
        self.sources.mkdir()
        for name in COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
            copy(ROOT / name, self.sources / name)
        must(["meson", "setup", self.out, self.sources, *SETUP], folder, BUILD_SECONDS, "setup")

    def build(self, binaries, what):
        targets = [f"tests/{binary}" for binary in sorted(binaries)]
        must(["ninja", "-C", self.out, *targets], self.sources, BUILD_SECONDS, f"{what}: building")

    def status(self, mutant, limit):
        """The exit status of the test that is to catch this mutant, in so many seconds."""
        status, output = run([self.out / "tests" / mutant.binary, "--run", mutant.test],
                             self.sources, limit)
        if "no test named" in output:
            sys.exit(f"{mutant.path.name}: {mutant.binary} has no test {mutant.test}")
        return status

    def can_try(self, mutant):
        """Whether its test passes here without any mutant; False where it is skipped."""
        begin = time.monotonic()
        status = self.status(mutant, TEST_SECONDS)
        mutant.limit += SLOWER * (time.monotonic() - begin)
        if status not in (0, SKIPPED):
            sys.exit(f"{mutant.test} fails without any mutant")
        if status == SKIPPED:
            print(f"left out {mutant.name}: {mutant.test} is skipped here")
        return status == 0

    def patch(self, mutant, *options):
        must(["git", "apply", "-p1", "-C1", *options, mutant.path], self.sources, 10,
             f"{mutant.path.name} does not apply")


def try_one(tree, mutant):
    """Whether the mutant is caught; the tree is whole again afterwards."""
    begin = time.monotonic()
    tree.patch(mutant)
    tree.build({mutant.binary}, mutant.path.name)
    caught = tree.status(mutant, mutant.limit) != 0
    tree.patch(mutant, "-R")
    print(f"{'caught' if caught else 'SURVIVES'}  {mutant.name:34} {mutant.test} "
          f"{time.monotonic() - begin:.1f} s", flush=True)
    return caught


def main():
    missing = [tool for tool in ("gcc", "git", "meson", "ninja") if not shutil.which(tool)]
    if missing:
        print(f"skip: {' '.join(missing)} not there")
        return 77
    paths = sorted((ROOT / "tests/mutants").glob("*.patch"))
    mutants = [Mutant(p) for p in paths if not sys.argv[1:] or p.stem in sys.argv[1:]]
    with tempfile.TemporaryDirectory(prefix="await-mutants-") as name:
        tree = Tree(pathlib.Path(name))
        tree.build({m.binary for m in mutants}, "unmutated")
        mutants = [m for m in mutants if tree.can_try(m)]
        survivors = [m.name for m in mutants if not try_one(tree, m)]
    few = len(paths) < LEAST
    print(f"mutants: {len(mutants)}, {len(survivors)} survive" + (", too few" if few else ""))
    return 1 if survivors or few else 0


if __name__ == "__main__":
    sys.exit(main())
