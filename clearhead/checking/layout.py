"""The pieces of a report laid out: in lines for a terminal, in HTML for a notebook."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.cells import cell_len
from rich.text import Text

from clearhead.checking.wording import Wording, padded, wrapped
from clearhead.portrayal import number_lines

WIDTH = 79
MARKS = {"pass": "✓", "fail": "✗", "warning": "!", "not_checked": "–", "not_written": "…"}
COLOURS = {
    "pass": "green",
    "fail": "bold red",
    "warning": "yellow",
    "not_checked": "bright_black",
    "not_written": "cyan",
}
MOST_ROWS = 6
INDENTS = {"line": 6, "sentence": 6, "formula": 8, "numbers": 8, "note": 2}


@dataclass(frozen=True)
class Row:
    """A piece of a report: `kind` says how it is laid out.

    title, note, sentence and last are text alone; check has a name and a status, line the place of a
    learner's line, formula a label, numbers a small table.
    """

    kind: str
    text: str
    name: str = ""
    status: str = ""


def laid_out(rows: Iterable[Row], words: Wording, width: int = WIDTH) -> list[str]:
    """Lines of at most `width` columns: names under names, and each thing under what it belongs to.

    >>> print("\\n".join(laid_out([Row("check", "infinite", "loss", "warning")], Wording("en"))))
      ! loss   infinite
    """
    pieces = list(rows)
    names = max((cell_len(row.name) for row in pieces if row.kind == "check"), default=0)
    labels = max((cell_len(row.name) for row in pieces if row.kind == "formula"), default=0)
    marks = {row.status: words.plain(MARKS[row.status]) for row in pieces if row.kind == "check"}
    widest = max(map(cell_len, marks.values()), default=1)
    lines: list[str] = []
    for row in pieces:
        lead = " " * INDENTS.get(row.kind, 0)
        if row.kind == "check":
            lead = f"  {padded(marks[row.status], widest)} {padded(row.name, names)}   "
        elif row.kind == "formula":
            lead += f"{padded(row.name, labels)}  "
        if row.kind == "line":
            lines.append(_short(f"{lead}{row.name}   {row.text}".rstrip(), width, words))
        elif row.kind == "numbers":
            lines += [lead + line for line in row.text.split("\n")]
        else:
            lines += wrapped(row.text, width, lead, " " * cell_len(lead))
    return lines


def _short(text: str, width: int, words: Wording) -> str:
    if cell_len(text) <= width:
        return text
    more = words.plain("…")
    while cell_len(text) > width - len(more):
        text = text[:-1]
    return text + more


def coloured(lines: str, words: Wording) -> Text:
    """The text of a report with its marks in colour."""
    made = Text(lines)
    for status, mark in MARKS.items():
        made.highlight_regex(rf"(?m)^  {re.escape(words.plain(mark))} +\w+", COLOURS[status])
    made.highlight_regex(r"(?m)^\S.*$", "bold")
    return made


def tables(shown: Mapping[str, Any], words: Wording) -> Iterator[Row]:
    """The input, and what should have and did come out, as small tables."""
    name = str(shown.get("name", ""))
    for key in ("input", "expected", "actual"):
        if key in shown:
            value = np.asarray(shown[key])
            size = f" ({' × '.join(map(str, value.shape))})" if value.ndim else ""
            lines = [words.word(f"values_{key}", name=name) + size, *(f"  {line}" for line in _table(value))]
            yield Row("numbers", "\n".join(map(words.plain, lines)))


def _table(value: Any) -> list[str]:
    if value.dtype.kind not in "fiub":
        return [str(value)[: WIDTH - 12]]
    return number_lines(value.astype(float), MOST_ROWS, WIDTH - 12)


def listed(value: Any) -> Any:
    """Numbers as JSON has them: those that it lacks by name.

    >>> listed(np.array([1.5, np.nan]))
    [1.5, 'nan']
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [listed(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


# A notebook that is not trusted keeps no style sheets, so that each piece has its own style.
STYLES = {
    "title": "font-weight:bold",
    "note": "margin-left:1em;opacity:.75",
    "check": "margin-left:1em",
    "line": "margin-left:2.5em",
    "sentence": "margin-left:2.5em",
    "formula": "margin-left:4em",
    "numbers": "margin:0 0 0 4em;overflow-x:auto",
    "last": "margin-top:.4em;font-weight:bold",
}
HUES = {
    "pass": "#2e8540",
    "fail": "#d83933",
    "warning": "#b06a00",
    "not_checked": "#808080",
    "not_written": "#2a7ab0",
}
_WHOLE = "line-height:1.5;overflow-wrap:anywhere"


def as_html(rows: Iterable[Row]) -> str:
    """The pieces as HTML that needs no script, no style sheet and no network.

    >>> as_html([Row("sentence", "X < Y")]).partition("<div ")[2].partition("<div ")[2]
    'style="margin-left:2.5em">X &lt; Y</div></div>'
    """
    pieces = list(rows)
    names = max((cell_len(row.name) for row in pieces if row.kind == "check"), default=0)
    labels = max((cell_len(row.name) for row in pieces if row.kind == "formula"), default=0)
    made = []
    for row in pieces:
        text, name = html.escape(row.text), html.escape(row.name)
        if row.kind == "check":
            mark = f'<b style="color:{HUES[row.status]}">{MARKS[row.status]}</b>'
            text = _beside(_box(mark, "1.5em"), _box(name, f"{names + 2}ch", "code"), text)
        elif row.kind == "line":
            text = _beside(
                f'<span style="white-space:nowrap;padding-right:1em">{name}</span>', f"<code>{text}</code>"
            )
        elif row.kind == "formula":
            text = _beside(_box(name, f"{labels + 2}ch"), f"<code>{text}</code>")
        tag = "pre" if row.kind == "numbers" else "div"
        made.append(f'<{tag} style="{STYLES[row.kind]}">{text}</{tag}>')
    return f'<div style="{_WHOLE}">{"".join(made)}</div>'


def _beside(*cells: str) -> str:
    """Pieces beside one another, so that a long one goes on under its own beginning."""
    made = (f'<span style="display:table-cell;vertical-align:baseline">{cell}</span>' for cell in cells)
    return "".join(made)


def _box(content: str, width: str, tag: str = "span") -> str:
    return f'<{tag} style="display:inline-block;min-width:{width}">{content}</{tag}>'
