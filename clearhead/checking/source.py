"""A learner's file as text and syntax tree, whatever its encoding, and without running it.

Runs inside the sandbox, because a source can exhaust a parser.
"""

import ast
import json
import re
import tokenize
import warnings
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

_MAGIC = re.compile(r"^\s*(?:[%!?]|[\w.]+\?{1,2}\s*$)")
_OTHER_LANGUAGE = re.compile(r"^\s*%%(?!time|capture|timeit)\w+")
_TIMED = re.compile(r"^(\s*)%{1,2}(?:time|timeit|prun)\s+(?!-)(?=\S)")
_DEFINES = re.compile(r"(?:def|class)\s+(\w+)|^(\w+)\s*=", re.M)
_SHELL = re.compile(r"^(\s*)(\w+\s*=\s*)[!%].*$")


@dataclass
class Broken:
    """A part that does not parse, and is left out."""

    line: int
    message: str
    names: list[str] = field(default_factory=list)  # that it would have defined


@dataclass
class Source:
    """A file that was read: its text, the tree of what parses, and where each line stands."""

    name: str
    text: str
    tree: ast.Module
    cells: list[tuple[int, int]] = field(default_factory=list)  # of a notebook: first line, cell number
    broken: list[Broken] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def line(self, number: int) -> str:
        """The text of a line, which counts from 1."""
        lines = self.text.splitlines()
        return lines[number - 1].strip() if 0 < number <= len(lines) else ""

    def place(self, number: int) -> str:
        """Where a reader finds a line: `line 41`, or `cell 7, line 3`.

        >>> Source("a.py", "x = 1", ast.parse("x = 1")).place(1)
        'line 1'
        """
        inside = [(first, cell) for first, cell in self.cells if first <= number]
        return f"cell {inside[-1][1]}, line {number - inside[-1][0] + 1}" if inside else f"line {number}"


def read(name: str, content: bytes) -> Source:
    """The source in a file's bytes; what does not parse is left out, and said.

    >>> read("net.py", b"x = 1\\ndef f(:\\n    pass\\ny = 2\\n").broken[0].line
    2
    """
    notes: list[str] = []
    cells: list[tuple[int, int]] = []
    if name.lower().endswith(".ipynb"):
        text, cells = _joined(json.loads(_decoded(content, notes)))
    else:
        text = _decoded(content, notes)
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    if not _parses(text):
        text = "\n".join(
            "" if _MAGIC.match(line) and not _parses(line.strip()) else line for line in text.split("\n")
        )
    tree, broken = _parsed(text)
    return Source(name, text, tree, cells, broken, notes)


def _decoded(content: bytes, notes: list[str]) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    try:
        encoding, _ = tokenize.detect_encoding(BytesIO(content).readline)
        return content.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError):
        pass
    try:
        text = content.decode("cp949")
        notes.append("read as cp949, since it is not UTF-8; save it as UTF-8")
    except UnicodeDecodeError:
        text = content.decode("utf-8", "replace")
        notes.append("some bytes are not text in UTF-8 or cp949; save it as UTF-8")
    return text


def _joined(notebook: Any) -> tuple[str, list[tuple[int, int]]]:
    """The code cells of a notebook one below the other; numbers count all of its cells from 1."""
    worksheets = notebook.get("worksheets") or [notebook]
    lines: list[str] = []
    cells = []
    for number, cell in enumerate((cell for sheet in worksheets for cell in sheet.get("cells", ())), 1):
        if cell.get("cell_type") != "code":
            continue
        text = cell.get("source", cell.get("input", ""))
        text = text if isinstance(text, str) else "".join(text)
        cells.append((len(lines) + 1, number))
        if _OTHER_LANGUAGE.match(text):
            text = "\n" * text.count("\n")
        text = "\n".join(_SHELL.sub(r"\1\2None", _TIMED.sub(r"\1", line)) for line in text.split("\n"))
        lines += text.split("\n")
    return "\n".join(lines), cells


def _parses(text: str) -> bool:
    try:
        _parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


def _parse(text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


def _parsed(text: str) -> tuple[ast.Module, list[Broken]]:
    """The tree, after taking out, one by one, the smallest blocks that do not parse."""
    broken: list[Broken] = []
    lines = text.split("\n")
    for _ in range(20):
        try:
            return _parse("\n".join(lines)), broken
        except (SyntaxError, ValueError) as error:
            at = min(max(getattr(error, "lineno", None) or 1, 1), len(lines))
            message = str(getattr(error, "msg", error))
            left = _without(lines, at)
            gone = "\n".join(line for line, other in zip(lines, left, strict=False) if line != other)
            names = [a or b for a, b in _DEFINES.findall(gone)]
            broken.append(Broken(at, message, names))
            lines = left
    return ast.Module([], []), broken


def _without(lines: list[str], at: int) -> list[str]:
    """The lines, less the innermost function (or top-level statement) around one that does not parse."""
    here = at - 1
    while here > 0 and not _is_code(lines[here]):
        here -= 1
    begin = _begin(lines, here)
    end = begin + 1
    while end < len(lines) and _continues(lines[end], lines[begin]):
        end += 1
    end = max(end, here + 1)
    while begin > 0 and lines[begin - 1].lstrip().startswith("@"):
        begin -= 1
    made = lines[:begin] + [""] * (end - begin) + lines[end:]
    # A class or an `if` whose whole body went needs something in its place.
    above = next((line for line in reversed(made[:begin]) if line.strip()), "")
    after = next((line for line in made[end:] if line.strip()), "")
    if above.rstrip().endswith(":") and _depth(after) <= _depth(above):
        made[begin] = " " * (_depth(above) + 4) + "pass"
    return made


def _begin(lines: list[str], here: int) -> int:
    """Where the function or the top-level statement around a line begins."""
    limit = _depth(lines[here]) + 1
    for index in (index for index in range(here, -1, -1) if _is_code(lines[index])):
        depth = _depth(lines[index])
        if depth < limit and (depth == 0 or re.match(r"\s*(async\s+)?def\s", lines[index])):
            return index
        if index != here:
            limit = min(limit, depth)
    return here


def _continues(line: str, first: str) -> bool:
    """Whether a line belongs to the block that another one begins."""
    return not _is_code(line) or _depth(line) > _depth(first) or line.lstrip().startswith(")")


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())


def _is_code(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")
