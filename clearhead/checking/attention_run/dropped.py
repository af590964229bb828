"""Where a mask gets lost: what is made of it is not kept, or a function that takes one is not given it.

Runs inside the sandbox, on the syntax tree alone.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Sequence

_KEEPS = (
    r"register_\w+|append|extend|insert|update|add|print|setattr|warn\w*|__init__|check\w*|assert\w*|\w*[^_]_"
)


def thrown_away(body: Iterable[ast.stmt]) -> list[int]:
    """The lines of statements that make something of a mask and keep nothing.

    >>> thrown_away(ast.parse("s.masked_fill(m, 0)\\ns.masked_fill_(m, 0)\\ns = s.masked_fill(m, 0)").body)
    [1]
    >>> thrown_away(ast.parse("s + m\\ns += m").body)
    [1]
    """
    return [*_thrown_away(body)]


def left_out(body: Sequence[ast.stmt]) -> list[int]:
    """The lines of calls without a mask, of functions that take one.

    >>> left_out(ast.parse("def f(x, mask=None): pass\\ny = f(x)\\nz = f(x, m)\\nf(x, None)").body)
    [2, 4]
    """
    return [*_not_handed_on(body)]


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
    takers |= _parts_that_take(parts)
    for node in parts:
        if isinstance(node, ast.Call) and takers.get(_called(node), -1) >= 0 and not node.keywords:
            given = node.args[takers[_called(node)] :][:1]
            is_nothing = not given or (isinstance(given[0], ast.Constant) and given[0].value is None)
            if is_nothing and not any(isinstance(argument, ast.Starred) for argument in node.args):
                yield node.lineno


def _parts_that_take(parts: Iterable[ast.AST]) -> dict[str, int]:
    """Attributes that are modules of the file's own classes, with the place of the mask in their forward."""
    forwards = {
        node.name: _place(method)
        for node in parts if isinstance(node, ast.ClassDef)
        for method in node.body if isinstance(method, ast.FunctionDef) and method.name == "forward"
    }  # fmt: skip
    return {
        target.attr: forwards[_called(node.value)]
        for node in parts if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        for target in node.targets if isinstance(target, ast.Attribute) and _called(node.value) in forwards
    }  # fmt: skip


def _called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _place(function: ast.FunctionDef) -> int:
    """The place of a function's argument that may be a mask, among those that are handed over; else -1."""
    names = [argument.arg for argument in function.args.args if argument.arg != "self"]
    return next((place for place, name in enumerate(names) if "mask" in name or name == "m"), -1)
