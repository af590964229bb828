"""Tables: CSV, TSV and Parquet, through polars, which is imported when one is read."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clearhead.raw import Array, Raw, Where, decoded, label_names, listed

if TYPE_CHECKING:
    import polars as pl

PARQUET_MARK = b"PAR1"
TRUTHS = {"true": "1", "false": "0"}
MISSING = ("", "na", "n/a", "nan", "null", "?")


def read_table(
    content: bytes, name: str, target: str | None, columns: Sequence[str] | None, labelled: bool
) -> Raw:
    """A table: `target` names the label column, `columns` the features (all others if None)."""
    frame, where = _parquet(content, name) if content.startswith(PARQUET_MARK) else _csv(content, name)
    if labelled and target is None:
        raise ValueError(
            f"{name} is a table, so target (--target) must name its label column, "
            f"one of: {listed(frame.columns)}."
        )
    if target is not None and target not in frame.columns:
        raise ValueError(
            f"target={target!r} is not a column of {name}; choose one of: {listed(frame.columns)}."
            if labelled
            else f"target={target!r} is not a column of {name}, which has {listed(frame.columns)}; if one "
            "of these holds the labels, name it with target (--target), else read it without a target."
        )
    lacking = [column for column in columns or () if column not in frame.columns]
    if lacking:
        raise ValueError(
            f"{name} lacks columns that the model was trained on: {listed(map(repr, lacking))}; "
            f"it has {listed(frame.columns)}."
        )
    features = list(columns or (column for column in frame.columns if column != target))
    if not features or not frame.height:
        what = "rows below its header" if features else f"feature columns beside {target!r}"
        raise ValueError(f"{name} has no {what}; there is nothing to learn from.")
    if "" in features:
        raise ValueError(
            f"{name} has a column without a name, often row numbers that a program added; "
            "name it or export the table without it."
        )
    X = np.column_stack([_column_numbers(frame[column], where) for column in features])
    Y = None if target is None else _column_labels(frame[target], where)
    return Raw(X, Y, tuple(features))


def _parquet(content: bytes, name: str) -> tuple[pl.DataFrame, Where]:
    import polars as pl

    try:
        frame = pl.read_parquet(io.BytesIO(content))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ValueError(f"{name} is a damaged Parquet file ({_first_line(error)}).") from error
    return frame, lambda row: f"row {row + 1} of {name}"


def _csv(content: bytes, name: str) -> tuple[pl.DataFrame, Where]:
    """Every cell as text, and where a row stands. Lines with nothing on them are no rows."""
    import polars as pl

    text = decoded(content, name).rstrip("\n")
    line = text.lstrip("\n").partition("\n")[0]
    separator = max(",;\t", key=lambda mark: len(next(_csv_rows(line, mark, name), (0, []))[1]))
    header = [cell.strip() for cell in next(_csv_rows(text, separator, name), (0, []))[1]]
    twice = [column for column in dict.fromkeys(header) if header.count(column) > 1]
    if twice or not header:
        raise ValueError(
            f"{name} has two columns named {twice[0]!r}; rename one."
            if twice
            else f"{name} is empty; a table begins with a line of column names."
        )
    try:
        frame = pl.read_csv(text.encode(), separator=separator, infer_schema_length=0)
        frame.columns = header
    except pl.exceptions.PolarsError as error:
        _refuse_uneven(text, separator, len(header), name)
        raise ValueError(
            f"{name} is not a table of {len(header)} columns in every row "
            f"({_first_line(error)}); check its separators and quotes."
        ) from error
    # A row that lacks cells is filled up without a word: its last cell, at least, is then null.
    if frame[header[-1]].null_count():
        _refuse_uneven(text, separator, len(header), name)
    empty = frame.select(pl.all_horizontal(pl.all().is_null())).to_series()
    return frame.filter(~empty), lambda row: _csv_row(text, separator, row, name)


def _csv_rows(text: str, separator: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """The header and the rows, each with the line that it ends on. Lines with nothing are left out."""
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    try:
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        raise ValueError(
            f"{name} cannot be read as a table ({error}); check its separators and quotes."
        ) from error


def _refuse_uneven(text: str, separator: str, num_columns: int, name: str) -> None:
    row = -1
    for line, cells in _csv_rows(text, separator, name):
        uneven = len(cells) > num_columns or (len(cells) < num_columns and any(cells))
        row += uneven or any(cells)
        if uneven:
            raise ValueError(
                f"row {row} (line {line}) of {name} has {len(cells)} instead of {num_columns} cells; "
                "check its separators and quotes."
            )


def _csv_row(text: str, separator: str, row: int, name: str) -> str:
    lines = [line for line, cells in _csv_rows(text, separator, name) if any(cells)]
    return f"row {row + 1} (line {lines[row + 1]}) of {name}"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _known_text(column: pl.Series) -> pl.Series:
    """A column as stripped text, null where its value is missing."""
    import polars as pl

    try:
        text = column.cast(pl.String, strict=False).str.strip_chars()
    except pl.exceptions.PolarsError as error:
        raise ValueError(
            f"column {column.name!r} holds {column.dtype}; it must be numbers or text."
        ) from error
    return text.set(text.str.to_lowercase().is_in(MISSING), None)


def _refuse_missing(column: str, rows: Array, where: Where, word: str = "is missing") -> None:
    if len(rows):
        others = f" ({len(rows)} such rows)" if len(rows) > 1 else ""
        raise ValueError(
            f"column {column!r} {word} in {where(int(rows[0]))}{others}; fill the value in or remove the row."
        )


def _column_numbers(column: pl.Series, where: Where) -> NDArray[np.float64]:
    import polars as pl

    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        numbers = column.cast(pl.Float64)
    else:
        text = _known_text(column)
        numbers = text.str.to_lowercase().replace(TRUTHS).cast(pl.Float64, strict=False)
        words = (numbers.is_null() & text.is_not_null()).arg_true()
        if len(words):
            raise ValueError(
                f"column {column.name!r} holds {column[words[0]]!r} in {where(words[0])}; features "
                "must be numbers: leave the column out or turn its words into numbers."
            )
    values: NDArray[np.float64] = numbers.to_numpy()
    _refuse_missing(column.name, np.flatnonzero(np.isnan(values)), where)
    _refuse_missing(column.name, np.flatnonzero(np.isinf(values)), where, "is infinite")
    return values


def _column_labels(column: pl.Series, where: Where) -> NDArray[np.str_]:
    text = _known_text(column)
    _refuse_missing(column.name, text.is_null().arg_true().to_numpy(), where)
    return label_names(text.to_numpy().astype(str), f"target {column.name!r}", where)
