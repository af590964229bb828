"""What a learner's own code hands from one of its functions on to another: read in the source, never run.

Runs inside the sandbox.
"""

import ast
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
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


def pairs_in(tree: ast.AST, calls: Sequence[Call]) -> dict[str, dict[str, str]]:
    """By function the arguments that it, or what it hands them to, takes apart: examples and their labels.

    A "pair" is one of both, "pairs" are many, each of one example.

    >>> code = "def loss(w, batch):\\n    x, t = batch\\ndef fit(s):\\n    for x, t in s: pass"
    >>> pairs_in(ast.parse(code), [])
    {'loss': {'batch': 'pair'}, 'fit': {'s': 'pairs'}}
    """
    definitions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    arguments = {node.name: _arguments(node) for node in definitions}
    origins = {node.name: dict(filter(None, map(_part_of, ast.walk(node)))) for node in definitions}

    def handed(function: str, taken: Iterable[tuple[str, str]]) -> dict[str, str]:
        roles = {_first_name(name, origins.get(function, {})): role for name, role in taken}
        return {name: role for name, role in roles.items() if name in arguments.get(function, ())}

    found = {
        node.name: handed(node.name, filter(None, map(_taken_apart, ast.walk(node)))) for node in definitions
    }
    for _ in range(_DEEPEST):
        for call in calls:
            roles = found.get(call.function, {})
            given = [(origin.variable, roles[name]) for name, origin in call.origins.items() if name in roles]
            found[call.caller] = {**handed(call.caller, given), **found.get(call.caller, {})}
    return found


def hands_singles(tree: ast.AST, functions: Container[str], is_data: Callable[[str], bool]) -> bool:
    """Whether a loop hands one of the functions single examples with their labels, one pair after the other.

    >>> loop = "for i in range(len(X)):\\n    net.learn(X[i], Y[i])"
    >>> hands_singles(ast.parse(loop), {"learn"}, lambda name: True)
    True
    """
    for loop in (node for node in ast.walk(tree) if isinstance(node, ast.For)):
        singles = _singles(loop, is_data)
        for call in (part for part in ast.walk(loop) if isinstance(part, ast.Call)):
            name = getattr(call.func, "attr", getattr(call.func, "id", ""))
            if name in functions and sum(ast.unparse(part) in singles for part in call.args) > 1:
                return True
    return False


def _singles(loop: ast.For, is_data: Callable[[str], bool]) -> set[str]:
    """What stands for single examples or labels in a loop over them, or over their places."""
    if not isinstance(loop.iter, ast.Call):
        return set()
    over, given = ast.unparse(loop.iter.func).rpartition(".")[2], loop.iter.args
    if over == "zip" and all(isinstance(part, ast.Name) and is_data(part.id) for part in given):
        return {part.id for part in ast.walk(loop.target) if isinstance(part, ast.Name)}
    if over not in ("range", "permutation") or len(given) != 1:
        return set()
    items = (part for part in ast.walk(loop) if isinstance(part, ast.Subscript))
    return {
        ast.unparse(part)
        for part in items
        if ast.unparse(part.slice) == ast.unparse(loop.target) and is_data(ast.unparse(part.value))
    }


def _taken_apart(part: ast.AST) -> tuple[str, str] | None:
    """The name of a thing whose two parts, or those of all that it holds, get a name each; and its role.

    Its parts may be arguments, too: f(*pair), f(pair[0], pair[1]).
    """
    if isinstance(part, ast.Call):
        name = re.fullmatch(r"\*(\w+)|(\w+)\[0\], (\w+)\[1\]", ", ".join(map(ast.unparse, part.args)))
        named = {*filter(None, name.groups())} if name else set()
        return (named.pop(), "pair") if len(named) == 1 else None
    if isinstance(part, ast.Assign):
        target, value, role = part.targets[0], part.value, "pair"
    elif isinstance(part, ast.For | ast.comprehension):
        target, value, role = part.target, part.iter, "pairs"
    else:
        return None
    is_pair = isinstance(target, ast.Tuple) and len(target.elts) == 2
    return (value.id, role) if is_pair and isinstance(value, ast.Name) else None


def _part_of(part: ast.AST) -> tuple[str, str] | None:
    """A name, and that of the list which it is, or of which it is a part."""
    if isinstance(part, ast.Assign) and isinstance(part.targets[0], ast.Name):
        target, value = part.targets[0], part.value
    elif isinstance(part, ast.For) and isinstance(part.target, ast.Name):
        target, value = part.target, part.iter
    else:
        return None
    if isinstance(value, ast.ListComp):
        value = value.elt
    if isinstance(value, ast.Call) and getattr(value.func, "id", "") == "list" and value.args:
        value = value.args[0]
    if isinstance(value, ast.Subscript) and isinstance(value.slice, ast.Slice):
        value = value.value
    return (target.id, value.id) if isinstance(value, ast.Name) else None


def _first_name(name: str, origins: Mapping[str, str]) -> str:
    """The name of the list that a name is a part of, be it through others."""
    for _ in range(_DEEPEST):
        name = origins.get(name, name)
    return name


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
            whole = None if isinstance(node, ast.Name) else self._origin(node.value)
            place = getattr(node, "slice", None)
            if isinstance(place, ast.Constant) and whole is not None and whole.function:
                return whole._replace(path=(*whole.path, place.value))
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
