"""What the sandbox sent, by what it is."""

from collections.abc import Mapping, Sequence
from typing import Any

from clearhead.checking.findings import first, grouped
from clearhead.checking.source_lines import SourceLines

LARGEST = 1 << 21  # Numbers of one array, of which what is judged makes hundreds.


class Answer:
    """The parts of an answer: what was found in the file, and what was understood of it.

    >>> Answer([({"part": "understood", "sizes": {"D": 5}}, {})]).sizes
    {'D': 5}
    """

    def __init__(self, parts: Sequence[tuple[Any, Any]]) -> None:
        self.parts = grouped(parts)
        self.understood: dict[str, Any] = self.part("understood")[0]
        self.found: dict[str, Any] = self.part("found")[0]
        self.lines = SourceLines(self.found)
        self.sizes = {letter: int(size) for letter, size in self.understood.get("sizes", {}).items()}
        if not _are_possible(self.sizes):
            raise ValueError("it has sizes that no probe has")

    def part(self, name: str) -> tuple[Any, Any]:
        """The one part of a kind; an empty one if there is none."""
        return first(self.parts.get(name, []))


def _are_possible(sizes: Mapping[str, int]) -> bool:
    """Whether arrays of such sizes can have been run and sent: these here are as large.

    >>> _are_possible({"D": 784, "H": 2048, "C": 10, "N": 7}), _are_possible({"D": 9999, "H": 9999})
    (True, False)
    """
    first, second = sorted([1, 1, *sizes.values()])[-2:]
    scores = sizes.get("B", 1) * sizes.get("A", 1) * sizes.get("T", 1) ** 2
    return min(sizes.values(), default=1) > 0 and max(first * second, scores) <= LARGEST
