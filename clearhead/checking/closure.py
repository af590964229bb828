"""What a name of a file needs: the statements that define it, and all that those build on.

Runs inside the sandbox, on the syntax tree alone; nothing of the file is executed here.
"""

import ast
from collections.abc import Iterable, Iterator
from typing import Any

from clearhead.checking.source import Source

Import = ast.Import | ast.ImportFrom
_Shared = ast.Global | ast.Nonlocal
Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


class TopLevel:
    """The top level of a file: what defines each name, and what that needs.

    >>> from clearhead.checking.source import read
    >>> top = TopLevel(read("net.py", b"import numpy as np\\nrate = 1\\ndef f(x): return np.exp(x)\\n"))
    >>> [ast.unparse(node) for node in top.closure(["f"])][0]
    'import numpy as np'
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.all: dict[str, list[Any]] = {}  # the statements that bind a name, in their order
        self.patches: dict[str, list[ast.stmt]] = {}  # what changes it later: Net.forward = forward
        self.wild = False  # whether there is an import of everything
        self.order: dict[int, int] = {}
        self.own: set[str] = set()
        self.twice: set[str] = set()
        for node in source.tree.body:
            self._read(node)

    def _read(self, node: ast.stmt) -> None:
        if isinstance(node, Definition):
            self._read_definition(node)
        elif isinstance(node, Import):
            self.wild = self.wild or any(alias.name == "*" for alias in node.names)
            self._add(node, _bound_by(node))
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            self._read_assignment(node)
        elif isinstance(node, ast.If | ast.Try | ast.With):
            inner = list(_blocks(node))
            if isinstance(node, ast.Try) and any(isinstance(part, Import) for part in node.body):
                # One that tries an import is one statement: the import, or what stands for it.
                self._add(node, (name for part in inner for name in bound(part)))
            else:
                for part in inner:
                    self._read(part)

    def _read_definition(self, node: Definition) -> None:
        before = any(type(old) is type(node) for old in self.all.get(node.name, []))
        if before and not node.decorator_list and node.name not in bases(node):
            self.twice.add(node.name)
        self._add(node, [node.name])
        for decorator in node.decorator_list:
            for name in names(decorator):
                self.patches.setdefault(name, []).append(node)
        self.own.add(node.name)

    def _read_assignment(self, node: ast.Assign | ast.AnnAssign) -> None:
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            self._add(node, stored(target))
            if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
                self.patches.setdefault(target.value.id, []).append(node)

    def _add(self, node: ast.stmt, bound_names: Iterable[str]) -> None:
        for name in bound_names:
            self.all.setdefault(name, []).append(node)
            self.order.setdefault(id(node), len(self.order))

    def definitions(self, name: str) -> list[Any]:
        """The statements that make a name: the last one, and those before that it builds on."""
        kept: list[Any] = []
        for node in reversed(self.all.get(name, [])):
            kept.append(node)
            if name not in bases(node):
                break
        return [*kept, *self.patches.get(name, [])]

    def closure(self, roots: Iterable[str]) -> list[ast.stmt]:
        """All statements that the roots need, in the order of the file."""
        wanted, seen = list(roots), set[str]()
        nodes: dict[int, ast.stmt] = {}
        while wanted:
            name = wanted.pop()
            if name in seen:
                continue
            seen.add(name)
            for node in self.definitions(name):
                if id(node) not in nodes:
                    nodes[id(node)] = node
                    wanted += free(node)
        nodes |= {id(node): node for node in self.all.get("*", [])}
        return sorted(nodes.values(), key=lambda node: self.order.get(id(node), len(self.order)))


def _blocks(node: Any) -> Iterator[ast.stmt]:
    for part in ("body", "orelse", "finalbody"):
        yield from getattr(node, part, [])
    for handler in getattr(node, "handlers", ()):
        yield from handler.body


def bases(node: ast.AST) -> set[str]:
    """What a class is based on, as it is written; of anything else nothing.

    >>> bases(ast.parse("class Net(nn.Module): pass").body[0])
    {'nn.Module'}
    """
    return {ast.unparse(base) for base in node.bases} if isinstance(node, ast.ClassDef) else set()


def names(node: ast.AST) -> set[str]:
    """Every name in a tree.

    >>> sorted(names(ast.parse("y = np.exp(x)")))
    ['np', 'x', 'y']
    """
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def free(node: ast.AST) -> set[str]:
    """The names that a statement takes from outside, but for those that a function has for itself.

    >>> sorted(free(ast.parse("def f(x, n=size):\\n    y = x + rate\\n    return y").body[0]))
    ['rate', 'size']
    """
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        shared = {name for part in ast.walk(node) if isinstance(part, _Shared) for name in part.names}
        own = {name for part in ast.walk(node) for name in _bound_by(part)} - shared
        head = [node.args, *node.decorator_list, *([node.returns] if node.returns else [])]
        return {name for part in head for name in names(part)} | (names(node) | shared) - own
    if isinstance(node, ast.ClassDef):
        return {name for part in ast.iter_child_nodes(node) for name in free(part)}
    return names(node)


def bound(node: ast.AST) -> Iterator[str]:
    """Every name that a statement binds, anywhere in it.

    >>> sorted(bound(ast.parse("def f(x):\\n    y = x")))
    ['f', 'x', 'y']
    """
    for part in ast.walk(node):
        yield from _bound_by(part)


def _bound_by(part: ast.AST) -> Iterable[str]:
    if isinstance(part, ast.Name):
        return [part.id] if isinstance(part.ctx, ast.Store | ast.Del) else []
    if isinstance(part, Import):
        return [(alias.asname or alias.name).partition(".")[0] for alias in part.names]
    if isinstance(part, ast.Global | ast.Nonlocal):
        return part.names
    if isinstance(part, ast.arg):
        return [part.arg]
    if isinstance(part, Definition | ast.ExceptHandler):
        return [part.name] if part.name else []
    return []


def stored(node: ast.AST) -> Iterator[str]:
    """The variables that a statement gives a value.

    >>> sorted(stored(ast.parse("a, b.c = d")))
    ['a']
    """
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            yield part.id


def functions(body: Iterable[ast.stmt]) -> Iterator[tuple[str, Any]]:
    """Each function and method with its owner, `Class.` or nothing.

    >>> [owner for owner, _ in functions(ast.parse("class Net:\\n    def forward(self): pass").body)]
    ['Net.']
    """
    for node in body:
        owner, inside = (f"{node.name}.", node.body) if isinstance(node, ast.ClassDef) else ("", [node])
        for part in inside:
            if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
                yield owner, part
