"""The lines of a learner's file, to look in for the one that says something."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_STRING = r'"""(.*?)"""|\'\'\'(.*?)\'\'\''


class SourceLines:
    """A file's lines, counted from 1; `where` is the line of each function that takes part.

    >>> lines = SourceLines({"lines": ["import torch", "x = torch.tril(y)"]})
    >>> lines.first(r"\\btril\\b"), lines.first("triu")
    (2, 0)
    """

    def __init__(self, found: Mapping[str, Any]) -> None:
        self.all: list[str] = found.get("lines", [])
        self.text = "\n".join(self.all)
        own = set(found.get("where", {}).values())
        self.code = ["" if text.lstrip().startswith("#") else text for text in self.all]
        # Docstrings, comments and functions that take no part are left empty.
        self.own = list(_own(self.all, own, self._strings()))

    def _strings(self) -> set[int]:
        """The lines on which docstrings and other long strings stand."""
        found: set[int] = set()
        for string in re.finditer(_STRING, self.text, re.S):
            first = self.text.count("\n", 0, string.start()) + 1
            found.update(range(first, first + string[0].count("\n") + 1))
        return found

    def at(self, number: int) -> str:
        """The text of a line; empty where there is none."""
        return self.all[number - 1] if 0 < number <= len(self.all) else ""

    def first(self, pattern: str, after: int = 0) -> int:
        """The first line of code that has a pattern; 0 if none."""
        return _first(self.code, pattern, after)

    def first_own(self, pattern: str) -> int:
        """The first such line among those of functions that take part."""
        return _first(self.own, pattern, 0)

    def always(self, pattern: str) -> int:
        """The first such line that runs whatever the arguments are: none of those under an `if`.

        >>> text = ["def f(causal):", "  if causal:", "    m = tril(x)", "  n = tril(y)"]
        >>> SourceLines({"lines": text, "where": {"f": 1}}).always("tril")
        4
        """
        places = (n for n, text in enumerate(self.own, 1) if re.search(pattern, text))
        return next((n for n in places if not self._depends(n)), 0)

    def _depends(self, number: int) -> bool:
        depth = _depth(self.own[number - 1])
        for text in reversed(self.own[: number - 1]):
            if text.strip() and _depth(text) < depth:
                depth = _depth(text)
                if re.match(r"\s*(if|elif|else)\b", text):
                    return True
        return False

    def body(self, begin: int) -> Iterator[tuple[int, str]]:
        """The numbered lines of what a line begins; those that are remarks are empty.

        >>> list(SourceLines({"lines": ["def f():", "  g()", "h()"]}).body(1))
        [(2, '  g()')]
        """
        depth = _depth(self.all[begin - 1]) if begin else 0
        for number, text in enumerate(self.all[begin:] if begin else (), begin + 1):
            if text.strip() and _depth(text) <= depth and not text.lstrip().startswith((")", "#")):
                return
            yield number, self.code[number - 1]

    def assigned(self, attribute: str) -> int:
        """Where an attribute of `self` is given its value."""
        name = re.escape(attribute)
        return self.first(rf"self\.{name}\s*(=(?!=)|:)|setattr\(.*{name}|register_\w+\(.{name}")

    def remarks(self) -> Iterator[str]:
        """Comments, and the lines of docstrings.

        >>> list(SourceLines({"lines": ["x = 1  # one", "'''Two", "three.'''"]}).remarks())
        [' one', 'Two', 'three.']
        """
        yield from (line.partition("#")[2] for line in self.all if "#" in line)
        for found in re.finditer(_STRING, self.text, re.S):
            yield from (found[1] or found[2] or "").split("\n")


def _depth(text: str) -> int:
    return len(text) - len(text.lstrip())


def _first(lines: list[str], pattern: str, after: int) -> int:
    return next((n for n, text in enumerate(lines, 1) if n > after and re.search(pattern, text)), 0)


def _own(lines: list[str], own: set[int], strings: set[int]) -> Iterator[str]:
    inside, depth = False, 0
    for number, text in enumerate(lines, 1):
        is_within = inside and _depth(text) > depth
        if re.match(r"\s*(async\s+)?def\b", text) and not is_within:
            inside, depth = number in own, _depth(text)
        elif re.match(r"\S", text):
            inside = False
        is_said = text.lstrip().startswith("#") or number in strings
        yield text if inside and not is_said else ""
