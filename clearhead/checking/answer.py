"""What the sandbox sent, by what it is."""

from collections.abc import Sequence
from typing import Any

from clearhead.checking.findings import first, grouped
from clearhead.checking.source_lines import SourceLines


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

    def part(self, name: str) -> tuple[Any, Any]:
        """The one part of a kind; an empty one if there is none."""
        return first(self.parts.get(name, []))
