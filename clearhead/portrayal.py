"""A trace in text, for a terminal, a file or a screen reader: 80 columns, meaning before formula."""

from __future__ import annotations

import html
import math
import re
import textwrap
from typing import Any

import numpy as np
from rich.cells import cell_len
from rich.text import Text

from clearhead.evaluation import Array
from clearhead.numerals import shown

WIDTH, ROWS, MOST_IN_A_ROW, MOST_PARTS = 79, 3, 1000, 4
PARTS = {"forward": "FORWARD", "backward": "BACKWARD", "update": "ONE UPDATE"}
KINDS = {
    "two-layer": "a two-layer network",
    "attention-module": "multi-head self-attention",
    "attention": "a classifier of sequences",
    "language": "a language model",
}
MARKS = {True: "✓", False: "✗"}


def text(trace: Any, step: str | None, cell: Any, *, words: bool, head: int | None = None) -> str:
    """All of a trace, one value of it, or one cell of that. KeyError, IndexError where there is none."""
    if cell is not None:
        if step is None:
            raise ValueError("a cell needs the value that it is in; give step as well.")
        return receipt_text(trace.receipt(step, cell))
    if step is not None:
        return "\n".join(value_lines(trace, trace.full_name(step), words=words, rows=40, head=head))
    lines = textwrap.wrap(f"{KINDS[trace.recording.kind]}: {_lengths(trace)}", WIDTH)
    lines += [line for note in trace.recording.notes for line in textwrap.wrap(note, WIDTH)]
    for part, heading in {"given": "GIVEN", **PARTS}.items():
        names = [name for name in trace.values if part_of(trace, name) == part]
        lines += ["", heading] if names else []
        for name in names:
            lines += value_lines(trace, name, words=words, rows=2 if part == "given" else ROWS)
    return "\n".join(lines)


def part_of(trace: Any, name: str) -> str:
    """given, forward, backward or update."""
    if name in trace.steps:
        return str(trace.steps[name].part)
    return "backward" if trace.values[name].origin == "autograd" else "given"


def value_lines(
    trace: Any, name: str, *, words: bool = False, rows: int = ROWS, head: int | None = None
) -> list[str]:
    """A value: what it means, how it is made, its numbers, how its check stands."""
    value = trace.values[name]
    meaning = value.meaning[0].upper() + value.meaning[1:]
    meaning += "" if meaning.endswith(".") else "."
    if words:
        return textwrap.wrap(f"{name}: {meaning}", WIDTH, subsequent_indent="  ")
    axes, shape = ",".join(value.axes), " × ".join(map(str, trace.shape(name)))
    title = f"{name}[{axes}]"
    if name in trace.steps:
        title += f" = {trace.steps[name].step.formula}"
    if shape:
        room = WIDTH - 4 - len(title)
        title += f"{shape:>{room}}" if room > len(shape) + 1 else f"\n    {shape:>{WIDTH - 4}}"
    lines = [
        *textwrap.wrap(meaning, WIDTH - 2, initial_indent="  ", subsequent_indent="  "),
        *f"    {title}".split("\n"),
    ]
    numbers, masked = value.numbers, _masked(trace, name)
    if head is not None and "A" in value.axes:
        kept = value.heads.index(head) if value.heads is not None else head
        numbers = numbers.take(kept, axis=value.axes.index("A"))
        masked = None if masked is None else masked.take(kept, axis=1)
        lines.append(f"    head {head}")
    names = [trace.recording.names.get(axis) for axis in value.axes[-2:]]
    lines += [f"    {line}" for line in number_lines(numbers, rows, names=names, masked=masked)]
    if check := trace.checks.get(name):
        wrong = (
            "" if check.passed else f": {len(check.wrong) or 'some'} of {value.numbers.size} numbers differ"
        )
        lines.append(f"    {MARKS[check.passed]} {check.by}{wrong}")
    return lines


def _masked(trace: Any, name: str) -> Array | None:
    """Where a share, or the error of a score, is none: where the mask is false."""
    prefix, _, short = name.rpartition(".")
    mask = trace.values.get(f"{prefix}.mask" if prefix else "mask")
    if mask is None or short not in ("weights", "dscores"):
        return None
    return np.asarray(mask.numbers == 0)


def number_lines(
    numbers: Array, rows: int = ROWS, width: int = WIDTH - 4, names: Any = None, masked: Array | None = None
) -> list[str]:
    """The numbers, right-aligned; where they are many, the first ones and … for the rest.

    names: of the places of the last two axes, where they have any. masked: cells to be called so.
    """
    if numbers.ndim == 0:
        return [shown(float(numbers))]
    names = list(names or [])[-numbers.ndim :]
    if numbers.ndim == 1:
        numbers = numbers[np.newaxis]
    masked = np.zeros(numbers.shape, bool) if masked is None else masked.reshape(numbers.shape)
    of_rows, of_columns = [None, None, *names][-2:] if names else (None, None)
    lines: list[str] = []
    for place in np.ndindex(numbers.shape[:-2]):
        if len(lines) >= rows and lines:
            lines.append("…")
            break
        if math.prod(numbers.shape[:-2]) > 1:
            lines.append(f"[{','.join(map(str, place))}]")
        lines += _grid(numbers[place], masked[place], rows, width, of_rows, of_columns, rows > ROWS)
    return lines


def _grid(
    numbers: Array, masked: Array, rows: int, width: int, of_rows: Any, of_columns: Any, whole: bool
) -> list[str]:
    most = MOST_IN_A_ROW if whole else width // 3
    table = [
        [
            "masked" if hidden else shown(float(number))
            for number, hidden in zip(row[:most], out[:most], strict=True)
        ]
        for row, out in zip(numbers[:rows], masked[:rows], strict=True)
    ]
    if whole and len(numbers) == 1 and not of_columns:
        of_columns = [f"[{place}]" for place in range(min(most, numbers.shape[-1]))]
    if of_columns and numbers.shape[-1] > 1:
        table.insert(0, [_short(name) for name in of_columns[:most]])
    lead = [_short(name) for name in of_rows[:rows]] if of_rows and len(of_rows) == len(numbers) else []
    margin = max(map(cell_len, lead), default=-2) + 2
    longest = max((cell_len(word) for row in table for word in row), default=1)
    fit = max(1, (width - margin + 2) // (longest + 2))
    if numbers.shape[-1] > fit and not whole:
        fit = max(1, (width - margin - 1) // (longest + 2))
    head = [""] if lead and len(table) > len(lead) else []
    lines: list[str] = []
    # Asked for alone, a single row is shown to its end, and a matrix in up to four parts.
    wraps = whole and (len(numbers) == 1 or numbers.shape[-1] <= MOST_PARTS * fit)
    last = min(numbers.shape[-1], most) if wraps else fit
    for start in range(0, last, fit):
        for name, row in zip([*head, *lead] if lead else [""] * len(table), table, strict=True):
            cells = "  ".join(" " * (longest - cell_len(word)) + word for word in row[start : start + fit])
            more = "  …" if last == fit and numbers.shape[-1] > fit else ""
            lines.append((name + " " * (margin - cell_len(name)) if margin > 0 else "") + cells + more)
    return lines + (["…"] if numbers.shape[-2] > rows else [])


def _short(name: str) -> str:
    return name if len(name) <= 10 else f"{name[:9]}…"


def receipt_text(receipt: Any) -> str:
    """One cell: meaning, formula in symbols and in numbers, its inputs, its use, its check."""
    place = f"[{','.join(map(str, receipt.cell))}]" if receipt.cell else ""
    name, number = f"{receipt.name}{place}", "masked" if receipt.masked else shown(receipt.value)
    meaning = receipt.meaning[0].upper() + receipt.meaning[1:]
    lines = textwrap.wrap(meaning, WIDTH)
    if not receipt.shown:
        lines.append(f"{name} = {number}{f', by {receipt.symbols}' if receipt.symbols else ''}")
    else:
        indent = " " * len(name)
        for sign, arithmetic in ((name, receipt.symbols), (indent, receipt.shown), (indent, number)):
            lines += textwrap.wrap(
                f"{sign} = {arithmetic}", WIDTH, subsequent_indent=f"{indent}   ", drop_whitespace=True
            )
        if receipt.check:
            by, other, agrees = receipt.check
            apart = agrees and abs(receipt.value - other) > 2e-3 * abs(other)
            rounded = " but for rounding" if apart else ""
            lines.append(f"analytic {number}   {by} {shown(other)} {MARKS[agrees]}{rounded}")
        cells = ", ".join(
            f"{source}[{','.join(map(str, at))}]" if at else source for source, at in receipt.inputs
        )
        made = "made from, of all the largest" if "…" in receipt.shown else "made from"
        lines += textwrap.wrap(f"{made}: {cells}", WIDTH, subsequent_indent="  ") if cells else []
    if receipt.used_in:
        lines += textwrap.wrap(f"used in: {', '.join(receipt.used_in)}", WIDTH, subsequent_indent="  ")
    return "\n".join(lines)


# One hue for each role, as on the page: q, k, v after Okabe and Ito.
HUES = {
    "q": "#0072b2",
    "queries": "#0072b2",
    "k": "#d55e00",
    "keys": "#d55e00",
    "v": "#009e73",
    "values": "#009e73",
}


def coloured(lines: str) -> Text:
    """The same text with names of queries, keys, values and weights in their hues, marks in theirs."""
    made = Text(lines)
    for name, hue in HUES.items():
        made.highlight_regex(rf"\b(?<![/-])d?{name}(?=\[| |ᵀ|\))(?=[^a-z]*$|\[|ᵀ)", hue)
    made.highlight_regex(r"^[A-Z ]{5,}$", "bold")
    made.highlight_regex(r"(?m)^[A-Z][A-Z ]+$", "bold")
    made.highlight_regex("✓", "green")
    made.highlight_regex("✗.*", "bold red")
    return made


def table(trace: Any) -> str:
    """The values as a plain HTML table: all that a notebook shows of what it does not trust."""
    rows = []
    for name, value in trace.values.items():
        formula = trace.steps[name].step.formula if name in trace.steps else value.origin
        first = number_lines(value.numbers.reshape(-1)[:4] if value.numbers.ndim else value.numbers, 1)[0]
        if value.numbers.size > 4:
            first = re.sub(r"( …)?$", " …", first)
        check = trace.checks.get(name)
        cells = (
            f"{name}[{','.join(value.axes)}]",
            formula,
            " × ".join(map(str, trace.shape(name))),
            value.meaning,
            re.sub(" +", " ", first),
            f"{MARKS[check.passed]} {check.by}" if check else "",
        )
        rows.append("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>")
    heads = "".join(
        f"<th>{head}</th>" for head in ("value", "formula", "shape", "meaning", "first numbers", "check")
    )
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _lengths(trace: Any) -> str:
    used = {axis for value in trace.values.values() for axis in value.axes}
    return ", ".join(f"{axis} = {length}" for axis, length in trace.lengths.items() if axis in used)
