"""Classes of a file whose instances the implementation is handed: an optimiser, a loss, what makes batches.

Runs inside the sandbox, on the syntax tree alone.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_OF_ARRAYS = frozenset(("shape", "T", "size", "ndim", "dtype", "data"))
Companions = dict[str, dict[str, str]]  # by function and argument the class


def companions(body: Iterable[ast.stmt], classes: Mapping[str, ast.ClassDef]) -> Companions:
    """By function the arguments that are used as only instances of one of the classes can be.

    >>> tree = ast.parse("class SGD:\\n  def step(self): pass\\ndef train(X, optimizer): optimizer.step()")
    >>> companions(tree.body, {"SGD": tree.body[0]})
    {'train': {'optimizer': 'SGD'}}
    """
    statements = list(body)
    parts = {getattr(node, "name", "") for node in statements}
    # What the implementation makes itself comes last.
    ordered = sorted(classes, key=lambda name: name in parts)
    methods = {name: _offered(classes[name], classes) for name in ordered}
    found: Companions = {}
    for node in (part for statement in statements for part in ast.walk(statement)):
        if isinstance(node, ast.FunctionDef):
            for argument, wanted in _uses(node).items():
                kind = next((name for name, known in methods.items() if wanted <= known), "")
                if kind:
                    found.setdefault(node.name, {})[argument] = kind
    return found


def _offered(node: ast.ClassDef, classes: Mapping[str, ast.ClassDef]) -> set[str]:
    """The methods and attributes of a class and of its bases in the file."""
    own = {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
    own |= {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute) and _is_kept(part)}
    bases = (classes[base.id] for base in node.bases if isinstance(base, ast.Name) and base.id in classes)
    return own.union(*(_offered(base, classes) for base in bases if base is not node))


def _is_kept(part: Any) -> bool:
    return isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store)


def _uses(function: ast.FunctionDef) -> dict[str, set[str]]:
    """By argument what is asked of it, where that is more than an array has."""
    names = {part.arg for part in (*function.args.args, *function.args.kwonlyargs)} - {"self", "cls"}
    used: dict[str, set[str]] = {}
    for part in ast.walk(function):
        for name, method in _use(part):
            if name in names:
                used.setdefault(name, set()).add(method)
    return {name: wanted for name, wanted in used.items() if wanted - _OF_ARRAYS}


def _use(part: Any) -> Iterator[tuple[str, str]]:
    """The name and what is asked of it, where a part of the tree asks something of one."""
    if isinstance(part, ast.Call) and isinstance(part.func, ast.Name):
        yield part.func.id, "__call__"
    elif isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
        yield part.value.id, part.attr
    elif isinstance(part, ast.For | ast.comprehension) and isinstance(part.iter, ast.Name):
        yield part.iter.id, "__iter__"
