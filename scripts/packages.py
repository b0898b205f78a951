"""Packages of others that tests run beside ours, fetched once into folders of build/peers.

What cannot be had is None: its test is skipped by name.
"""

import pathlib
import shutil
import subprocess
import sys

PEERS = pathlib.Path(__file__).resolve().parent.parent / "build/peers"
LIMIT = 100  # seconds that fetching may take


def fetched(folder, probes, command):
    """The folder when all that is probed for is there, after trying to fetch it; None."""
    if not all((folder / probe).exists() for probe in probes):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=LIMIT)
        except (OSError, subprocess.SubprocessError):
            return None
    return folder if all((folder / probe).exists() for probe in probes) else None


def npm_packages(folder, *packages):
    """The folder with these packages of npm's, "name@version", below node_modules; None."""
    if not shutil.which("node"):
        return None
    names = [package.rpartition("@")[0] for package in packages]
    return fetched(folder, [f"node_modules/{name}/package.json" for name in names],
                   ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder,
                    *packages])


def pip_packages(folder, module, *packages):
    """The folder, for PYTHONPATH, with these packages of PyPI's and the module of one; None."""
    return fetched(folder, [module],
                   [sys.executable, "-m", "pip", "install", "--quiet", "--target", folder,
                    *packages])
