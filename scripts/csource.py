"""What the checks need to know about C: text without comments, functions, includes.

This is no parser.  Comments, literals and preprocessor lines are blanked with
every newline kept, so that what remains can be searched by regular expressions
and an offset still gives the line.  A function is then a brace at depth zero
whose text before it ends with a closing parenthesis.
"""

import bisect
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent

_TOKEN = re.compile(
    r'(?P<comment>/\*.*?\*/|//[^\n]*)'
    r'|(?P<literal>"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\')', re.S)
_DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", re.M)
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^">]+)[">]', re.M)
_BRANCH = re.compile(r"\b(?:if|for|while|case)\b|&&|\|\||\?")


def _blank(text):
    return re.sub(r"[^\n]", " ", text)


def without_comments(text, literals=True):
    """The text with comments blanked, and the insides of literals too unless kept."""
    def replace(match):
        if match.group("comment"):
            return _blank(match.group())
        word = match.group()
        return word if literals else word[0] + _blank(word[1:-1]) + word[-1]
    return _TOKEN.sub(replace, text)


def code_only(text):
    """Comments, the insides of literals and preprocessor lines blanked."""
    return _DIRECTIVE.sub(lambda m: _blank(m.group()), without_comments(text, literals=False))


def includes(text):
    """(line, "<" or '"', name) of each include directive."""
    text = without_comments(text)
    return [(text.count("\n", 0, m.start()) + 1, m.group(1), m.group(2))
            for m in _INCLUDE.finditer(text)]


class Lines:
    """Turns offsets of a text into line numbers."""

    def __init__(self, text):
        self.starts = [0] + [m.end() for m in re.finditer("\n", text)]

    def of(self, offset):
        return bisect.bisect_right(self.starts, offset)


class Function:
    """A function definition: its name, its lines, and its body's text."""

    def __init__(self, name, first, last, body):
        self.name, self.first, self.last, self.body = name, first, last, body

    @property
    def length(self):
        return self.last - self.first + 1

    @property
    def complexity(self):
        return 1 + len(_BRANCH.findall(self.body))


def _function_name(head):
    """The declared name in the text before a body, or None if that is no function."""
    head = re.sub(r"__attribute__\s*\(\(.*?\)\)", " ", head, flags=re.S).rstrip()
    if not head.endswith(")"):
        return None
    match = re.search(r"(\w+)\s*\(\s*(\w*)", head)
    if match is None or "=" in head[:match.start()]:
        return None
    return match.group(2) if re.match(r"TEST(_[A-Z_]+)?$", match.group(1)) else match.group(1)


def functions(text):
    """The function definitions of a C file, in order."""
    code = code_only(text)
    lines, found = Lines(code), []
    depth, head, begin = 0, 0, 0
    for match in re.finditer(r"[{};]", code):
        char, at = match.group(), match.start()
        if char == "{":
            if depth == 0 and re.search(r'extern\s+"\s*"\s*$', code[head:at]):
                head = at + 1  # a linkage block, closed by a brace that is not counted either
                continue
            if depth == 0:
                begin = at
            depth += 1
        elif char == "}" and depth > 0:
            depth -= 1
            if depth == 0:
                text_before = code[head:begin]
                name = _function_name(text_before)
                if name:
                    first = head + len(text_before) - len(text_before.lstrip())
                    found.append(Function(name, lines.of(first), lines.of(at), code[begin:at]))
                head = at + 1
        elif depth == 0:
            head = at + 1
    return found


def sources(*folders, suffixes=(".c", ".h", ".S", ".cpp")):
    """The C files below some folders of the project, sorted."""
    return sorted(p for folder in folders for p in (ROOT / folder).rglob("*")
                  if p.suffix in suffixes and p.is_file())


def public_functions(text):
    """The names that a public header declares with AW_API."""
    return re.findall(r"\bAW_API\b[^;{]*?\b(aw_\w+)\s*(?=\(|;|\[)", code_only(text))


def relative(path):
    return str(pathlib.Path(path).relative_to(ROOT))
