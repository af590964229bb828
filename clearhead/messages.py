"""What goes between a sandbox and its parent: JSON and arrays of numbers, which neither runs nor is trusted.

A message is a header, JSON and the bytes of its arrays, whose names, kinds and shapes the JSON has. Nothing
is compressed and nothing is pickled, so that a length says what a message costs.
"""

from __future__ import annotations

import json
import math
import os
import re
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
Part = tuple[dict[str, Any], dict[str, NDArray[Any]]]

HEADER = struct.Struct("<cIQ")  # What a message is, the bytes of its JSON, the bytes of its arrays.
JOB, PART, FINISHED, RAISED = b"J", b"P", b"F", b"R"
MOST_JSON = 4 << 20  # Parsed, text takes many times its length.
TEXT_COSTS = 8  # What a byte of it counts for, therefore.
LEAST_PART = 1 << 10  # What a part counts for at least, as each takes memory here.
DTYPE = re.compile(r"[<>|]?[biufc]\d{1,2}")


def packed(kind: bytes, data: dict[str, Any], arrays: Arrays) -> bytes:
    """One message, as bytes; TypeError for an array of anything but numbers.

    >>> answer = Answer(1 << 20)
    >>> answer.feed(packed(PART, {"loss": 0.5}, {"x": np.eye(2)}) + packed(FINISHED, {}, {}))
    >>> answer.parts[0][0], answer.parts[0][1]["x"].shape, answer.ended == FINISHED
    ({'loss': 0.5}, (2, 2), True)
    """
    described, bodies = [], []
    for name, value in arrays.items():
        array = np.asarray(value)
        if array.dtype.kind not in "biufc":
            raise TypeError(f"{name} must hold numbers, got {array.dtype}; convert it first.")
        described.append([name, array.dtype.str, array.shape])
        bodies.append(array.tobytes())
    text = json.dumps([data, described]).encode()
    return HEADER.pack(kind, len(text), sum(map(len, bodies))) + text + b"".join(bodies)


def unpacked(text: bytes, body: bytes) -> Part:
    """The data and arrays of a message; ValueError where they are not what `packed` makes."""
    try:
        data, described = json.loads(text)
        if not isinstance(data, dict):
            raise ValueError("its data is no object")
        json.dumps(data, ensure_ascii=False).encode()  # Half a surrogate could be printed nowhere.
        arrays, start = {}, 0
        for name, kind, shape in described:
            if not (isinstance(name, str) and name not in arrays and DTYPE.fullmatch(kind)):
                raise ValueError("an array has no proper name or kind")
            if not all(type(length) is int and length >= 0 for length in shape) or len(shape) > 32:
                raise ValueError("an array has no proper shape")
            dtype = np.dtype(kind)
            end = start + math.prod(shape) * dtype.itemsize
            if end > len(body):
                raise ValueError("an array is shorter than its shape")
            flat = np.frombuffer(body[start:end], dtype)
            # A byte that is neither 0 nor 1 is no bool; another machine's order of bytes is slow.
            native = flat.view(np.uint8) != 0 if dtype.kind == "b" else flat.astype(dtype.newbyteorder("="))
            arrays[name], start = native.reshape(shape), end
        if start != len(body):
            raise ValueError("more bytes came than its arrays have")
    except (ValueError, TypeError, RecursionError, OverflowError, MemoryError) as error:
        raise ValueError(f"{error}"[:200]) from None
    return data, arrays


class Answer:
    """What came from a child so far; believes nothing, keeps no more than `most` bytes, and never raises.

    `ended` is the kind of the message that ended it, `text` what the function raised, and `trouble` says
    what is wrong with what came.
    """

    def __init__(self, most: int) -> None:
        self.parts: list[Part] = []
        self.ended = b""
        self.text = ""
        self.trouble = ""
        self._left = self._most = most
        self._buffer = bytearray()

    def feed(self, received: bytes) -> None:
        """Take these bytes, which may hold a piece of a message, or several."""
        self._buffer += received
        while not self.trouble and len(self._buffer) >= HEADER.size:
            kind, text, body = HEADER.unpack_from(self._buffer)
            if kind not in (PART, FINISHED, RAISED) or self.ended:
                self.trouble = "It sent back what is no answer: the beginning of a message is none."
            elif text > MOST_JSON or _cost(text, body) > self._left:
                self.trouble = f"It sent back more than the {size(self._most)} that are allowed."
            elif len(self._buffer) < HEADER.size + text + body:
                return
            else:
                self._left -= _cost(text, body)
                self._take(kind, HEADER.size + text, HEADER.size + text + body)
        if self.trouble:
            self._buffer.clear()

    def _take(self, kind: bytes, middle: int, end: int) -> None:
        try:
            part = unpacked(bytes(self._buffer[HEADER.size : middle]), bytes(self._buffer[middle:end]))
        except ValueError as error:
            self.trouble = f"It sent back what is no answer: {error}."
            return
        del self._buffer[:end]
        if kind == PART:
            self.parts.append(part)
        else:
            self.ended, self.text = kind, str(part[0].get("text", ""))[:2000]


def _cost(text: int, body: int) -> int:
    """What a part counts for: about what it takes here, so that many small ones are no way round it."""
    return max(HEADER.size + TEXT_COSTS * text + body, LEAST_PART)


def size(count: int) -> str:
    """As it is read.

    >>> size(64 << 20), size(500)
    ('64 MB', '500 bytes')
    """
    return f"{count / (1 << 20):g} MB" if count >= 1 << 20 else f"{count} bytes"


def read_exactly(file: int, count: int) -> bytes:
    """So many bytes; EOFError where there are fewer."""
    received = bytearray()
    while len(received) < count:
        piece = os.read(file, min(count - len(received), 1 << 20))
        if not piece:
            raise EOFError("the job did not come")
        received += piece
    return bytes(received)


def write_all(file: int, message: bytes) -> None:
    """Write it, in as many pieces as it takes."""
    left = memoryview(message)
    while left:
        left = left[os.write(file, left) :]
