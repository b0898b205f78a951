"""Figures in words: the table on the terminal, and the one in docs/performance.md."""
import json

import rows as table

BEGIN, END = "<!-- figures: begin, written by make bench RECORD=1 -->", "<!-- figures: end -->"


def number(value):
    """Three digits that count, and the thousands apart."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def goal_line(figure, regime, data):
    """The goals of this figure, and whether they were met: [(text, met)]"""
    found, who = [], data["who"]
    for where, against, bound in figure.goals:
        if where != regime or "ours" not in who:
            continue
        if against == "value":
            value, text = who["ours"]["median"], f"{number(bound)} {figure.unit}"
        elif who.get(against, {}).get("ours_over_it"):
            value, text = who[against]["ours_over_it"], f"{bound} × {against}"
        else:
            continue
        met = value >= bound if figure.more else value <= bound
        found.append((f"{'≥' if figure.more else '≤'} {text}", met))
    return found


def best(data):
    name = data["best_peer"]
    return (name, data["who"][name]) if name else (None, None)


def heading(title):
    return (f"\n{title}\n{'':52} {'ours':>9} {'':4} {'(min … max)':>19} {'raw':>9} {'ratio':>6}"
            f"  {'best peer':24} {'ratio':>6}  goal")


def line(row, figure, regime, data):
    who, (peer, of_peer) = data["who"], best(data)
    ours, raw = who.get("ours"), who.get("raw")
    title = figure.title + (", one CPU" if regime == "one CPU" else "")
    spread = f"({number(ours['min'])} … {number(ours['max'])})" if ours else ""
    peer_text = f"{peer} {number(of_peer['median'])}" if peer else ""
    peer_text += "*" if peer and table.note(peer, row.name) else ""
    goals = ", ".join(f"{text} {'met' if met else 'MISSED'}"
                      for text, met in goal_line(figure, regime, data))
    return (f"{title:52.52} {number(ours and ours['median']):>9} {figure.unit:4} {spread:>19} "
            f"{number(raw and raw['median']):>9} {number(raw and raw.get('ours_over_it')):>6}  "
            f"{peer_text:24} {number(of_peer and of_peer.get('ours_over_it')):>6}  {goals}")


# ---- the page ----

def cell(data, name):
    one = data["who"].get(name)
    return number(one["median"]) if one else "-"


def group_table(data):
    """A table of Markdown for one group, a line per figure and regime."""
    every = ("go", "tokio", "libuv", "asyncio", "uvloop", "State Threads", "Boost.Context", "nginx",
             "uvicorn", "aiohttp", "ws", "websockets", "socket.io", "python-socketio", "boto3",
             "client-sqs")
    there = taking_part(data)
    names = [n for n in every if n in there]
    titles = ["", "unit", "ours", "raw", "ours / raw", *names, "goal"]
    lines = ["| " + " | ".join(titles) + " |", "| --- " * len(titles) + "|"]
    notes = []
    for row in (r for r in table.ROWS if r.group == data["group"]):
        for regime in row.regimes:
            for figure in row.figures:
                one = data["figures"].get(regime, {}).get(figure.name)
                if one:
                    lines.append(page_line(row, figure, regime, one, names, notes))
    text = "\n".join(lines)
    if notes:
        text += "\n\n" + "\n".join(f"{i + 1}. {n}" for i, n in enumerate(notes))
    return text


def page_line(row, figure, regime, one, names, notes):
    def marked(name):
        text, words = cell(one, name), table.note(name, row.name)
        if text == "-" or not words:
            return text
        said = f"{name}: {words}"
        if said not in notes:
            notes.append(said)
        return f"{text} [{notes.index(said) + 1}]"
    title = figure.title + (", one CPU" if regime == "one CPU" else "")
    goals = "; ".join(f"{text}: {'met' if met else '**missed**'}"
                      for text, met in goal_line(figure, regime, one))
    against = one["who"].get("raw", {}).get("ours_over_it")
    cells = [title, figure.unit, cell(one, "ours"), marked("raw"), number(against),
             *(marked(n) for n in names), goals]
    return "| " + " | ".join(cells) + " |"


def taking_part(data):
    return {name for by in data["figures"].values() for f in by.values() for name in f["who"]}


def rounds(data):
    """How often each figure was measured: rows that take long have a share of the rounds."""
    times = {one["n"] for by in data["figures"].values() for figure in by.values()
             for one in figure["who"].values()}
    return f"{min(times)} to {max(times)}" if len(times) > 1 else f"{max(times, default=0)}"


def page(results):
    """Everything between the markers."""
    parts = []
    for group, title in table.GROUPS.items():
        path = results / f"{group}.json"
        if not path.exists():
            continue
        data = json.loads(path.read_text())
        about = data["machine"]
        parts.append(f"### {title}\n\n![{title}](charts/{group}.svg)\n")
        if group != "flat":
            parts.append(group_table(data) + "\n")
        there = taking_part(data)
        peers = ", ".join(f"{n} {v}" for n, v in about["peers"].items() if n in there)
        parts.append(f"{about['cpu']}, {about['cpus']} CPUs, {about['memory_gib']} GiB, Linux "
                     f"{about['kernel']}, gcc {about['gcc']}; medians of {rounds(data)} "
                     f"rounds{'; ' + peers if peers else ''}.\n")
    return "\n".join(parts)


def into_page(path, results):
    text = path.read_text()
    head, rest = text.split(BEGIN, 1)
    tail = rest.split(END, 1)[1]
    path.write_text(f"{head}{BEGIN}\n\n{page(results)}\n{END}{tail}")
