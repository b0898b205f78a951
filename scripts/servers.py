"""Starts servers of others', and waits for the line with which each says that it listens.

So nobody asks again and again whether it does.  What it prints then is read to the end by a
thread, and dropped: a full pipe would stop it.
"""

import queue
import re
import subprocess
import threading

LIMIT = 120.0  # seconds until a server listens


def follow(output, ready, news):
    """Tells of the first line that is like `ready`, or at the end of all that was said instead."""
    said = []
    for line in output:
        if said is not None:
            said.append(line)
            if re.search(ready, line):
                news.put(None)
                said = None
    output.close()
    if said is not None:
        news.put("".join(said))


def start(command, ready, **options):
    """A process that has printed a line like `ready`; OSError with what it has printed instead."""
    process = subprocess.Popen([str(word) for word in command], text=True, errors="replace",
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, **options)
    news = queue.SimpleQueue()
    threading.Thread(target=follow, args=(process.stdout, ready, news), daemon=True).start()
    try:
        said = news.get(timeout=LIMIT)
    except queue.Empty:
        said = "it does not say that it listens"
    if said is not None:
        process.kill()
        process.wait()
        raise OSError(f"{command[0]} does not start: {said}")
    return process
