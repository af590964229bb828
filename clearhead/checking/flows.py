"""What a learner's own code hands from one of its functions on to another: read in the source, never run.

Runs inside the sandbox.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

Path = tuple[Any, ...]
_DEEPEST = 3  # calls within calls through which an argument is followed


class Origin(NamedTuple):
    """Where a value comes from: a part of what a function returned, or else a variable."""

    function: str
    path: Path = ()
    variable: str = ""


class Call(NamedTuple):
    """One call of a function: where the values of its arguments come from, in which scope."""

    function: str
    scope: int
    origins: dict[str, Origin]
    caller: str = ""  # the function that it stands in


def calls_in(tree: ast.Module, functions: Mapping[str, Sequence[str]]) -> list[Call]:
    """The calls of functions, given with the names of their arguments, that a program makes.

    >>> tree = ast.parse("y, kept = f(x)\\ng = b(kept, x)")
    >>> calls_in(tree, {"f": ["x"], "b": ["cache", "X"]})[1].origins["cache"]
    Origin(function='f', path=(1,), variable='')
    """
    definitions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    scopes: list[ast.Module | ast.FunctionDef] = [tree, *definitions]
    calls: list[Call] = []
    for number, scope in enumerate(scopes):
        reader = _Scope(number, functions, scope)
        for statement in _statements(scope.body):
            reader.read(statement)
        calls += reader.calls
    return calls


def pairs_in(tree: ast.AST, calls: Sequence[Call]) -> dict[str, set[str]]:
    """By function the arguments that it, or what it hands them to, takes apart: examples and their labels.

    >>> pairs_in(ast.parse("def loss(w, batch):\\n    x, t = batch"), [])
    {'loss': {'batch'}}
    """
    definitions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    arguments = {node.name: _arguments(node) for node in definitions}
    found = {
        node.name: set(filter(None, map(_taken_apart, ast.walk(node)))) & arguments[node.name]
        for node in definitions
    }
    for _ in range(_DEEPEST):
        for call in calls:
            pairs = found.get(call.function, set())
            handed = {origin.variable for name, origin in call.origins.items() if name in pairs}
            found.setdefault(call.caller, set()).update(handed & arguments.get(call.caller, set()))
    return found


def _taken_apart(part: ast.AST) -> str:
    """The name of a thing of which a statement gives two parts a name each; "" if it does not."""
    if not isinstance(part, ast.Assign) or not isinstance(part.value, ast.Name):
        return ""
    target = part.targets[0]
    return part.value.id if isinstance(target, ast.Tuple) and len(target.elts) == 2 else ""


def _arguments(node: ast.FunctionDef) -> set[str]:
    return {part.arg for part in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)}


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a scope in their order; those of definitions within it are of another one."""
    for node in body:
        yield node
        if not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            for name in ("body", "orelse", "finalbody"):
                yield from _statements(getattr(node, name, []))


class _Scope:
    """What variables hold, statement by statement."""

    def __init__(
        self, number: int, functions: Mapping[str, Sequence[str]], scope: ast.Module | ast.FunctionDef
    ) -> None:
        self.number, self.functions, self.name = number, functions, getattr(scope, "name", "")
        self.arguments = _arguments(scope) if isinstance(scope, ast.FunctionDef) else set()
        self.held: dict[str, Origin] = {}
        self.calls: list[Call] = []

    def read(self, node: ast.stmt) -> None:
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            return
        value = getattr(node, "value", None)
        origin = self._origin(value) if isinstance(value, ast.expr) else None
        for part in (getattr(node, name, None) for name in ("test", "iter")):
            if isinstance(part, ast.expr):
                self._origin(part)
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self._hold(target, origin)
        elif isinstance(node, ast.AnnAssign | ast.AugAssign):
            self._hold(node.target, origin if isinstance(node, ast.AnnAssign) else None)

    def _hold(self, target: ast.expr, origin: Origin | None) -> None:
        if isinstance(target, ast.Tuple | ast.List):
            for place, part in enumerate(target.elts):
                known = origin is not None and origin.function
                self._hold(part, origin._replace(path=(*origin.path, place)) if origin and known else None)
        elif origin is not None and origin.function:
            self.held[ast.unparse(target)] = origin
        elif not isinstance(target, ast.Subscript):
            self.held.pop(ast.unparse(target), None)

    def _origin(self, node: ast.expr) -> Origin | None:
        """Where the value of an expression comes from; all calls in it are kept."""
        if isinstance(node, ast.Call):
            return self._called(node)
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
            text = ast.unparse(node)
            if text in self.held:
                return self.held[text]
            if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
                whole = self._origin(node.value)
                if whole is not None and whole.function:
                    return whole._replace(path=(*whole.path, node.slice.value))
            return Origin("", variable=text)
        for part in ast.iter_child_nodes(node):
            if isinstance(part, ast.expr):
                self._origin(part)
        return None

    def _called(self, node: ast.Call) -> Origin | None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if isinstance(node.func, ast.Name) and name in self.arguments:
            name = "forward" if "forward" in self.functions else "__call__"  # An instance.
        values = [self._origin(argument) for argument in node.args]
        named = {key.arg: self._origin(key.value) for key in node.keywords if key.arg}
        if name not in self.functions:
            return None
        given = {**dict(zip(self.functions[name], values, strict=False)), **named}
        origins = {argument: origin for argument, origin in given.items() if origin is not None}
        self.calls.append(Call(name, self.number, origins, self.name))
        return Origin(name)
