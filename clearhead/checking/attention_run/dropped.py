"""Where a mask gets lost: what is made of it is not kept, or a function that takes one is not given it.

Runs inside the sandbox, on the syntax tree alone.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Sequence

_KEEPS = (
    r"register_\w+|append|extend|insert|update|add|print|setattr|warn\w*|__init__|check\w*|assert\w*|\w*[^_]_"
)


def dropped(body: Sequence[ast.stmt]) -> list[int]:
    """The lines of statements that make something of a mask and keep nothing, then of calls without one.

    >>> dropped(ast.parse("s.masked_fill(m, 0)\\ns.masked_fill_(m, 0)\\ns = s.masked_fill(m, 0)").body)
    [1]
    >>> dropped(ast.parse("s + m\\ns += m").body)
    [1]
    >>> dropped(ast.parse("def f(x, mask=None): pass\\ny = f(x)\\nz = f(x, m)").body)
    [2]
    """
    return [*_thrown_away(body), *_not_handed_on(body)]


def filled_in_vain(body: Iterable[ast.stmt]) -> list[int]:
    """The lines of statements that fill where a mask says so, and keep nothing.

    >>> filled_in_vain(ast.parse("s.masked_fill(m, 0)\\nshow(mask)").body)
    [1]
    """
    parts = (part for statement in body for part in ast.walk(statement))
    calls = (node.value for node in parts if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call))
    return [call.lineno for call in calls if re.fullmatch("masked_fill|masked_scatter|where", _called(call))]


def _thrown_away(body: Iterable[ast.stmt]) -> Iterator[int]:
    for node in (part for statement in body for part in ast.walk(statement)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.BinOp):
            yield node.lineno  # Whatever it adds, nothing has it.
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            is_masking = re.search("mask|where", ast.unparse(node.value))
            if is_masking and not re.fullmatch(_KEEPS, _called(node.value)):
                yield node.lineno


def _not_handed_on(body: Iterable[ast.stmt]) -> Iterator[int]:
    parts = [part for statement in body for part in ast.walk(statement)]
    takers = {part.name: _place(part) for part in parts if isinstance(part, ast.FunctionDef)}
    for node in parts:
        if isinstance(node, ast.Call) and node.func and takers.get(_called(node), -1) >= 0:
            given = len(node.args) > takers[_called(node)] or node.keywords
            if not given and not any(isinstance(argument, ast.Starred) for argument in node.args):
                yield node.lineno


def _called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _place(function: ast.FunctionDef) -> int:
    """The place of a function's argument that may be a mask, among those that are handed over; else -1."""
    names = [argument.arg for argument in function.args.args if argument.arg != "self"]
    optional = names[len(names) - len(function.args.defaults) :]
    return next((place for place, name in enumerate(names) if "mask" in name and name in optional), -1)
