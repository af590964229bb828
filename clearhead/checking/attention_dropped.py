"""Statements that make something of a mask, and keep nothing of it.

Runs inside the sandbox, on the syntax tree alone.
"""

import ast
import re
from collections.abc import Iterable, Iterator

_KEEPS = (
    r"register_\w+|append|extend|insert|update|add|print|setattr|warn\w*|__init__|check\w*|assert\w*|\w*[^_]_"
)
_WORDS = r"mask|where"


def dropped(body: Iterable[ast.stmt]) -> list[int]:
    """The lines of such statements.

    >>> dropped(ast.parse("s.masked_fill(m, 0)\\ns.masked_fill_(m, 0)\\ns = s.masked_fill(m, 0)").body)
    [1]
    """
    return sorted(set(_lines(body)))


def _lines(body: Iterable[ast.stmt]) -> Iterator[int]:
    for node in (part for statement in body for part in ast.walk(statement)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            function = node.value.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            if re.search(_WORDS, ast.unparse(node.value)) and not re.fullmatch(_KEEPS, name):
                yield node.lineno
