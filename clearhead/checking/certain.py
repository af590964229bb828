"""Exceptions that come of the code alone, whatever it is called with.

Runs inside the sandbox, on the syntax tree alone.
"""

import ast
import difflib
import re
from collections.abc import Iterator

CLOSE = 0.8  # how near a name comes to the one that is meant
_UNPACKED = r"(not enough|too many) values to unpack"
_MISSED = r"'(\w+)' object has no attribute '(\w+)'"

Function = ast.FunctionDef | ast.AsyncFunctionDef


def certain(tree: ast.AST, line: int, message: str) -> bool:
    """Whether an exception on a line is sure to come again: what is called there is the file's own.

    >>> tree = ast.parse("def two(x): return x, x\\na, b, c = two(1)")
    >>> certain(tree, 2, "ValueError: not enough values to unpack (expected 3, got 2)")
    True
    """
    missed = re.search(_MISSED, message)
    if missed:
        return _is_misspelt(tree, missed[1], missed[2])
    if not re.search(_UNPACKED, message):
        return False
    counts = {name: found for name, found in _counts(tree).items() if found}
    return any(
        not _fits(target, counts[name])
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and node.lineno <= line <= (node.end_lineno or line)
        for target in node.targets
        if (name := _called(node.value)) in counts
    )


def _is_misspelt(tree: ast.AST, owner: str, name: str) -> bool:
    """Whether a class has no attribute of a name that it nearly has a method of."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == owner]
    stored = {getattr(part, "attr", "") for part in ast.walk(tree) if _is_stored(part)}
    methods = [part.name for node in nodes for part in node.body if isinstance(part, Function)]
    return name not in stored and bool(difflib.get_close_matches(name, methods, 1, CLOSE))


def _is_stored(part: ast.AST) -> bool:
    return isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store)


def _called(value: ast.expr) -> str:
    """The name of the function or method whose call a value is; empty if it is none."""
    function = value.func if isinstance(value, ast.Call) else None
    return getattr(function, "attr", getattr(function, "id", ""))


def _counts(tree: ast.AST) -> dict[str, list[ast.Tuple]]:
    """The tuples that functions return, by their names; none of those that return anything else as well."""
    found: dict[str, list[ast.Tuple]] = {}
    for node in ast.walk(tree):
        if isinstance(node, Function):
            returns = [part.value for part in _returns(node)]
            tuples = [value for value in returns if isinstance(value, ast.Tuple)]
            whole = len(tuples) == len(returns) and node.name not in found
            found[node.name] = tuples if whole and not _is_generator(node) else []
    return found


def _returns(node: ast.AST) -> Iterator[ast.Return]:
    """The returns of a function itself, not those of functions in it."""
    for part in ast.iter_child_nodes(node):
        if isinstance(part, ast.Return):
            yield part
        elif not isinstance(part, Function | ast.Lambda | ast.ClassDef):
            yield from _returns(part)


def _is_generator(node: ast.AST) -> bool:
    return any(isinstance(part, ast.Yield | ast.YieldFrom) for part in ast.walk(node))


def _fits(target: ast.expr, returned: list[ast.Tuple]) -> bool:
    """Whether names can take one of the tuples apart, as far as it is written out."""
    if not isinstance(target, ast.Tuple | ast.List):
        return True
    return any(_fits_one(target, value) for value in returned)


def _fits_one(target: ast.expr, value: ast.expr) -> bool:
    if not isinstance(target, ast.Tuple | ast.List) or not isinstance(value, ast.Tuple):
        return True
    if any(isinstance(part, ast.Starred) for part in (*target.elts, *value.elts)):
        return True
    return len(target.elts) == len(value.elts) and all(map(_fits_one, target.elts, value.elts))
