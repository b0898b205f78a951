"""Charts as SVG, written by hand: no library, readable on light and dark pages.

Two kinds.  A comparison has a line for each figure and a dot for each program,
at its ratio to the raw one (or to ours, where there is no raw one), so that
nanoseconds and megabytes fit in one picture; to the right is slower or more
costly.  A course shows a cost against n.
"""
import html
import math

import rows as table

STYLE = """<style>
svg { font: 13px system-ui, sans-serif; }
text { fill: #1f2328; } .dim { fill: #59636e; font-size: 11px; }
.axis { stroke: #d1d9e0; } .one { stroke: #59636e; stroke-dasharray: 3 3; }
.background { fill: #ffffff; } .line { fill: none; stroke-width: 2; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; } .dim { fill: #9198a1; } .axis { stroke: #3d444d; }
  .one { stroke: #9198a1; } .background { fill: #0d1117; }
}
</style>"""
COLOURS = {"ours": "#e5484d", "raw": "#8b949e", "go": "#00add8", "tokio": "#d97706",
           "libuv": "#6e9b34", "asyncio": "#4584b6", "uvloop": "#a371f7",
           "State Threads": "#b08968", "Boost.Context": "#2da44e", "nginx": "#1f883d",
           "uvicorn": "#bf3989", "ws": "#b8860b", "websockets": "#8c564b",
           "aiohttp": "#2c5bb4", "socket.io": "#5c6b73", "python-socketio": "#4584b6",
           "boto3": "#ff9900", "client-sqs": "#6e9b34"}
LEFT, WIDTH, RIGHT, LINE = 380, 520, 30, 26


def text(x, y, words, anchor="start", kind=""):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
            f'{f" class={chr(34)}{kind}{chr(34)}" if kind else ""}>{html.escape(words)}</text>')


def svg(width, height, title, parts):
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{html.escape(title)}">', STYLE,
        f'<rect class="background" width="{width}" height="{height}"/>',
        text(12, 22, title), *parts, "</svg>", ""])


class Log:
    """A logarithmic axis from `low` to `high`, drawn from `at` over `size` pixels."""

    def __init__(self, low, high, at, size):
        self.low, self.span = math.log10(low), math.log10(high) - math.log10(low) or 1
        self.at, self.size, self.range = at, size, (low, high)

    def __call__(self, value):
        return self.at + (math.log10(value) - self.low) / self.span * self.size

    def ticks(self):
        first, last = math.floor(self.low), math.ceil(self.low + self.span)
        steps = (1,) if last - first > 4 else (1, 2, 5)
        every = [m * 10.0 ** e for e in range(first, last + 1) for m in steps]
        return [t for t in every if self.range[0] * 0.999 <= t <= self.range[1] * 1.001]


def plain(value):
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


# ---- comparisons ----

def costs(data, group):
    """[(title, {who: cost as a multiple of the base's})], in the table's order."""
    found = []
    for row in (r for r in table.ROWS if r.group == group):
        for regime in row.regimes:
            for figure in row.figures:
                one = data["figures"].get(regime, {}).get(figure.name)
                if one and one["who"].get("ours", {}).get("median", 0) > 0:  # else too short a run
                    title = figure.title + (", one CPU" if regime == "one CPU" else "")
                    found.append((title, relative(one, figure.more)))
    return found


def relative(one, more):
    medians = {name: w["median"] for name, w in one["who"].items() if w["median"] > 0}
    base = medians.get("raw") or medians["ours"]
    return {name: base / m if more else m / base for name, m in medians.items()}


def legend(names, y):
    parts, x = [], 12.0
    for name in names:
        parts.append(f'<circle cx="{x + 5:.1f}" cy="{y - 4}" r="5" fill="{COLOURS[name]}"/>')
        parts.append(text(x + 14, y, name))
        x += 34 + 7.2 * len(name)
    return parts


def comparison(data, group):
    lines = costs(data, group)
    every = [v for _, by in lines for v in by.values()]
    if not every:
        return None
    axis = Log(min(0.5, *every), max(2, *every), LEFT, WIDTH)
    top, bottom = 74, 74 + LINE * len(lines)
    parts = legend([n for n in COLOURS if any(n in by for _, by in lines)], 46)
    for tick in axis.ticks():
        x = axis(tick)
        parts.append(f'<line class="{"one" if tick == 1 else "axis"}" x1="{x:.1f}" y1="{top - 8}" '
                     f'x2="{x:.1f}" y2="{bottom}"/>')
        parts.append(text(x, bottom + 16, f"{plain(tick)}×", "middle", "dim"))
    for i, (title, by) in enumerate(lines):
        y = top + LINE * i + 12
        parts.append(text(LEFT - 12, y, title[:58], "end"))
        for name in sorted(by, key=lambda n: n == "ours"):
            parts.append(f'<circle cx="{axis(by[name]):.1f}" cy="{y - 4}" '
                         f'r="{6 if name == "ours" else 4.5}" fill="{COLOURS[name]}">'
                         f"<title>{html.escape(name)}: {by[name]:.2f}×</title></circle>")
    parts.append(text(LEFT, bottom + 34, "cost as a multiple of the raw program's (without one: "
                      "of ours); less is better", "start", "dim"))
    return svg(LEFT + WIDTH + RIGHT, bottom + 46, table.GROUPS[group], parts)


# ---- courses ----

COURSE_COLOURS = {"task": "#e5484d", "timer": "#00add8", "wake": "#d97706"}


def course_points(data, kind, who):
    figures = data["figures"].get("free", {})
    return [(n, figures[f"flat-{kind}-{n}"]["who"][who]["median"]) for n in table.SIZES
            if who in figures.get(f"flat-{kind}-{n}", {"who": {}})["who"]]


def course(data):
    """Cost against n: ours with a full line, the raw program's dashed."""
    lines = [(kind, who, course_points(data, kind, who))
             for kind in table.FLAT_KINDS for who in ("ours", "raw")]
    every = [v for _, _, points in lines for _, v in points]
    if not every:
        return None
    x = Log(table.SIZES[0], table.SIZES[-1], 70, 600)
    y = Log(min(5, *every), max(1000, *every) * 1.2, 340, -270)
    parts = []
    for tick in x.ticks():
        parts.append(text(x(tick), 360, plain(tick), "middle", "dim"))
    for tick in y.ticks():
        parts.append(f'<line class="axis" x1="70" x2="670" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        parts.append(text(62, y(tick) + 4, f"{plain(tick)} ns", "end", "dim"))
    for kind, who, points in lines:
        where = " ".join(f"{x(n):.1f},{y(v):.1f}" for n, v in points)
        dash = ' stroke-dasharray="5 4" opacity="0.7"' if who == "raw" else ""
        if points:
            parts.append(f'<polyline class="line" points="{where}" '
                         f'stroke="{COURSE_COLOURS[kind]}"{dash}/>')
    for i, (kind, title) in enumerate(table.FLAT_KINDS.items()):
        parts.append(f'<circle cx="82" cy="{386 + 20 * i}" r="5" fill="{COURSE_COLOURS[kind]}"/>')
        parts.append(text(94, 390 + 20 * i, f"{title} (dashed: the raw program)"))
    return svg(700, 442, f"{table.GROUPS['flat']}: what one costs", parts)


def charts(data):
    """name -> SVG"""
    group = data["group"]
    drawn = course(data) if group == "flat" else comparison(data, group)
    return {group: drawn} if drawn else {}
