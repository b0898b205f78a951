"""Packages of others that tests and benchmarks run beside ours, fetched once, pinned.

What a folder was made of stands in its file `made-of`, which is written last: one that is half
made, or made of other versions, is made anew.  A lock beside the folder lets programs that run at
the same time make it once, and wait until it is whole.
"""

import fcntl
import pathlib
import shutil
import subprocess
import sys

PEERS = pathlib.Path(__file__).resolve().parent.parent / "build/peers"
LIMIT = 300  # seconds that a step of fetching may take


class Missing(Exception):
    """Why packages cannot be had."""


def listed(path):
    """The packages that a file of requirements names."""
    lines = (line.strip() for line in pathlib.Path(path).read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def at_hand(folder, *packages):
    """Whether it is there, whole, and made of these."""
    mark = folder / "made-of"
    return mark.exists() and mark.read_text().split() == list(packages)


def need(command):
    if not shutil.which(command):
        raise Missing(f"no {command}")


def call(*command, timeout=LIMIT, **options):
    """The output of a command; Missing when it fails."""
    try:
        done = subprocess.run(command, text=True, capture_output=True, check=False,
                              timeout=timeout, **options)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{command[0]}: {error}") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "no word why").splitlines()
        raise Missing(f"{pathlib.Path(command[0]).name}: {said[-1].strip()}")
    return done.stdout


def fetched(folder, packages, *steps):
    """The folder, made of the packages by the steps; Missing says why it cannot be."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(f"{folder.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not at_hand(folder, *packages):
            shutil.rmtree(folder, ignore_errors=True)
            for step in steps:
                call(*step)
            (folder / "made-of").write_text("\n".join(packages))
    return folder


def npm_packages(folder, *packages):
    """The folder with these packages of npm's, "name@version", below node_modules."""
    need("node")
    need("npm")
    return fetched(folder, packages, ["npm", "install", "--silent", "--no-audit", "--no-fund",
                                      "--prefix", folder, *packages])


def python_with(folder, *packages):
    """The Python of an environment with these packages of PyPI's."""
    python = folder / "bin/python"
    fetched(folder, packages, [sys.executable, "-m", "venv", folder],
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages])
    return python


def or_none(make, *arguments):
    """What one of the above returns; None, and a line that says why, where it cannot be had."""
    try:
        return make(*arguments)
    except Missing as error:
        print(f"packages: {error}", file=sys.stderr)
        return None
