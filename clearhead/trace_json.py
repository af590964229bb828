"""A trace as JSON, for a page or another program.

Version 1 of the schema:

format, version    "clearhead trace", 1
kind               two-layer, attention-module, attention or language
lengths, names     of axes: how long, and what its places are called where they have names
values             a list in order: name, axes, meaning, origin (given, step, autograd), heads (those
                   kept of axis A, or null), dtype (NumPy's, little-endian) and data: the numbers in
                   reading order, zlib-compressed, base64. thumbnails: of every head, where heads
                   leaves some out: (heads, T, S) in 8 bits, heads, data and shape, 255 for 1
steps              name, formula, shape, reads (inputs' names to values' names), part (forward,
                   backward, update), tree: (word, axes, parts...) as lists
checks             by name of the gradient: by, passed, wrong (cells in reading order)
target             what is differentiated
tiny, epsilon      of the model's dtype: its smallest normal number, and how finely it tells numbers apart
image, notes       which value is an image, of what shape; sentences for whoever looks
"""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np

from clearhead.evaluation import Array

VERSION = 1
LARGEST_PAGE = 7_500_000  # Characters of JSON, so that a file stays under 8 MB.
THUMBNAIL = 128
ALWAYS = ("x", "q", "k", "v", "scores", "mask", "weights", "heads")


def packed(array: Array) -> dict[str, Any]:
    """The numbers of an array in its own dtype, little-endian: dtype and data.

    >>> packed(np.ones(2, ">f4"))
    {'dtype': '<f4', 'data': 'eJxjYGiwZwBiAAWCAX8='}
    """
    array = np.ascontiguousarray(array)
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return {"dtype": little.dtype.str, "data": base64.b64encode(zlib.compress(little.tobytes(), 6)).decode()}


def unpacked(value: dict[str, Any], shape: tuple[int, ...]) -> Array:
    """The array that `packed` packed."""
    return np.frombuffer(zlib.decompress(base64.b64decode(value["data"])), value["dtype"]).reshape(shape)


def document(trace: Any, values: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """A `Trace` as what JSON can carry; `values` are packed already where they are not all of it."""
    recording = trace.recording
    if values is None:
        values = [_value(name, value, value.numbers, value.heads) for name, value in trace.values.items()]
    return {
        "format": "clearhead trace",
        "version": VERSION,
        "kind": recording.kind,
        "lengths": recording.lengths,
        "names": recording.names,
        "values": values,
        "steps": [
            {
                "name": traced.name,
                "formula": traced.step.formula,
                "shape": traced.step.shape,
                "reads": traced.reads,
                "part": traced.part,
                "tree": trace.tree(traced.name),
            }
            for traced in recording.steps
        ],
        "checks": {
            name: {"by": check.by, "passed": check.passed, "wrong": check.wrong.tolist()}
            for name, check in trace.checks.items()
        },
        "target": recording.target,
        "tiny": trace.tiny,
        "epsilon": trace.epsilon,
        "image": recording.image,
        "notes": recording.notes,
    }


def fitted(trace: Any, head: int) -> dict[str, Any]:
    """The document, cut to what one file holds: one head exact, the others as thumbnails, and of the
    rest what has room, the smallest first. What is left out is named in the notes.
    """
    if trace.nbytes < LARGEST_PAGE:  # Numbers hardly compress, and base64 adds a third.
        made = document(trace)
        if _size(made["values"]) < LARGEST_PAGE:
            return made
    num_heads = trace.lengths.get("A", 1)
    everyone = tuple(range(num_heads))
    there = next((value.heads for value in trace.values.values() if value.heads is not None), everyone)
    if head not in there:
        raise ValueError(f"head={head} must be one of {', '.join(map(str, there))}.")
    values, left_out = [], []
    for name, value in trace.values.items():
        numbers, heads = value.numbers, value.heads
        if "A" in value.axes:
            numbers = numbers.take([there.index(head)], axis=value.axes.index("A"))
            heads = (head,)
        entry = _value(name, value, numbers, heads)
        if name.rpartition(".")[2] == "weights" and len(value.numbers):
            entry["thumbnails"] = {"heads": there, **_thumbnails(value.numbers[0])}
        values.append(entry)
    total = 0
    for entry in sorted(
        values, key=lambda one: (one["name"].rpartition(".")[2] not in ALWAYS, len(one["data"]))
    ):
        total += _size([entry])
        if total > LARGEST_PAGE:
            left_out.append(entry["name"])
    slim = document(trace, [entry for entry in values if entry["name"] not in left_out])
    slim["notes"] = list(trace.recording.notes)
    if "A" in trace.lengths:
        slim["notes"].append(f"Head {head} is exact here; the others are thumbnails.")
    if left_out:
        slim["notes"].append(f"Left out, as the file would be over 8 MB: {', '.join(left_out)}.")
    return slim


def _value(name: str, value: Any, numbers: Array, heads: tuple[int, ...] | None) -> dict[str, Any]:
    return {
        "name": name,
        "axes": value.axes,
        "meaning": value.meaning,
        "origin": value.origin,
        "heads": heads,
        **packed(numbers),
    }


def _size(values: list[dict[str, Any]]) -> int:
    return sum(len(one["data"]) + len(one.get("thumbnails", {}).get("data", "")) + 200 for one in values)


def _thumbnails(weights: Array) -> dict[str, Any]:
    """The weights (A,T,S) in 8 bits; of many tokens the largest of each square of neighbours."""
    num_heads, rows, columns = weights.shape
    side = -(-max(rows, columns) // THUMBNAIL)
    padded = np.pad(weights, ((0, 0), (0, -rows % side), (0, -columns % side)))
    tiles = padded.reshape(num_heads, padded.shape[1] // side, side, padded.shape[2] // side, side).max(
        axis=(2, 4)
    )
    bits = np.rint(255 * np.clip(tiles, 0, 1)).astype(np.uint8)
    return {"shape": bits.shape, **packed(bits)}
