"""Names that nothing in a file defines.

Runs inside the sandbox, on the syntax tree alone.
"""

import ast
import builtins
import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from clearhead.checking.closure import Definition, TopLevel, bound, stored

# With what Python 2 had: a file for it is not wrong.
_BUILT_IN = frozenset(dir(builtins)) | {"__file__", "__name__", "__class__", "xrange", "unicode", "raw_input"}
# And what a notebook has.
_BUILT_IN |= {"display", "get_ipython", "In", "Out", "_"}
_FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_COMPREHENSION = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def undefined(body: Sequence[ast.stmt], top: TopLevel) -> list[dict[str, Any]]:
    """Names that nothing defines, each once with its first line, and the known name that is near.

    >>> from clearhead.checking.source import read
    >>> source = read("net.py", b"rate = 1\\ndef f():\\n    return rte\\n")
    >>> undefined(source.tree.body, TopLevel(source))
    [{'id': 'name_undefined', 'line': 3, 'name': 'rte', 'near': 'rate'}]
    """
    definitions = [node for node in body if isinstance(node, Definition)]
    return _found(definitions, [*top.all, *_made_global(body)], top)


def undefined_beside(top: TopLevel) -> list[dict[str, Any]]:
    """The same of the statements of a file that trains at its top level."""
    text, body = top.source.text, top.source.tree.body
    statements = [node for node in body if not isinstance(node, Definition)]
    by_magic = re.search(r"^\s*%(pylab|run|load|store)|\b(exec|globals|locals)\(", text, re.M)
    return [] if by_magic else _found(statements, [name for node in body for name in bound(node)], top)


def _found(nodes: Sequence[ast.stmt], known: Sequence[str], top: TopLevel) -> list[dict[str, Any]]:
    if top.wild:
        return []
    visitor = _Visitor(known)
    for node in nodes:
        visitor.visit(node)
    # What stands in a part that does not parse may well be defined there.
    lost = {name for broken in top.source.broken for name in broken.names}
    found = []
    for name, line in visitor.lines.items():
        if name not in lost:
            likely = sorted({*known} - _BUILT_IN)
            near = [other for other in likely if other.lower() == name.lower()]
            near = near[:1] or difflib.get_close_matches(name, likely, 1, 0.7)
            found.append({"id": "name_undefined", "line": line, "name": name, "near": "".join(near)})
    return found


def _made_global(body: Sequence[ast.stmt]) -> Iterator[str]:
    """The names that functions declare to be global, and give a value."""
    for node in (part for each in body for part in ast.walk(each) if isinstance(part, _FUNCTION)):
        made = {*stored(node)}
        yield from (
            name
            for part in ast.walk(node)
            if isinstance(part, ast.Global)
            for name in part.names
            if name in made
        )


class _Visitor(ast.NodeVisitor):
    """Goes through a definition with the names that are bound where it stands."""

    def __init__(self, known: Iterable[str]) -> None:
        self.bound = _BUILT_IN | {*known}
        self.lines: dict[str, int] = {}

    def generic_visit(self, node: ast.AST) -> None:
        """Look at a name; go into everything else."""
        if isinstance(node, ast.ClassDef):
            # Names of a class body are seen by its own statements, not inside its methods.
            own = {name for part in node.body if not isinstance(part, _FUNCTION) for name in bound(part)}
            for part in ast.iter_child_nodes(node):
                if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):  # Its signature is one of these.
                    self._inside([part.args, *part.decorator_list], own | set(bound(part)))
                    self._inside(part.body, set(bound(part)))
                else:
                    self._inside([part], own)
        elif isinstance(node, _FUNCTION | _COMPREHENSION):
            self._inside(ast.iter_child_nodes(node), set(bound(node)))
        elif isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load) and node.id not in self.bound:
                self.lines[node.id] = min(self.lines.get(node.id, node.lineno), node.lineno)
        else:
            super().generic_visit(node)

    def _inside(self, nodes: Iterable[ast.AST], more: set[str]) -> None:
        outer, self.bound = self.bound, self.bound | more
        for node in nodes:
            self.visit(node)
        self.bound = outer
