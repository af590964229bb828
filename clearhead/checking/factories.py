"""Functions that share variables, read as the methods of the class that they stand for.

Runs inside the sandbox.
"""

import ast
import copy
from typing import TypeGuard, TypeVar

from clearhead.checking.closure import names, stored

Node = TypeVar("Node", bound=ast.AST)
SHARED = ast.Global | ast.Nonlocal
WHOLE = "network"  # the class of functions that share a file's variables


def as_classes(tree: ast.Module) -> ast.Module:
    """The same program with a class for each function that returns several which share its variables.

    Another one is for functions that share the file's global variables, unless its top level uses them too.
    The variables become attributes; lines and columns stay.

    >>> code = "def net(n):\\n  w = n\\n  def f(x): return w * x\\n  def g(): return f(w)\\n  return f, g"
    >>> print(ast.unparse(as_classes(ast.parse(code))))
    class net:
    <BLANKLINE>
        def __init__(self, n):
            self.w = n
    <BLANKLINE>
        def f(self, x):
            return self.w * x
    <BLANKLINE>
        def g(self):
            return self.f(self.w)
    """
    body = [_class_of(node) if _is_factory(node) else node for node in tree.body]
    return ast.Module(body=_with_globals_owned(body), type_ignores=tree.type_ignores)


def _with_globals_owned(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements of a file with a class for those that make, or use, what functions declare global."""
    functions = [node for node in body if isinstance(node, ast.FunctionDef)]
    shared = {
        name
        for node in functions
        for part in ast.walk(node)
        if isinstance(part, ast.Global)
        for name in part.names
    }
    methods = _sharing(functions, shared)
    first = [node for node in body if isinstance(node, ast.Assign) and shared & {*stored(node)}]
    others = [node for node in body if node not in methods and node not in first]
    owned = shared | {part.name for part in methods}
    if len(methods) < 2 or not first or any(owned & names(node) for node in others if not _is_guard(node)):
        return body
    made = ast.parse("def __init__(self): pass").body[0]
    assert isinstance(made, ast.FunctionDef)
    made.body = [_Sharing(shared).visit(node) for node in first]
    whole = ast.parse(f"class {WHOLE}: pass").body[0]
    assert isinstance(whole, ast.ClassDef)
    whole.body = [_at(first[0], made), *(_method(part, owned) for part in methods)]
    return [*others, _at(methods[0], whole)]


def _is_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "__name__" in names(node.test)


def _sharing(functions: list[ast.FunctionDef], shared: set[str]) -> list[ast.FunctionDef]:
    """The functions that use shared variables, be it through one another."""
    owned = {*shared}
    while more := {node.name for node in functions if owned & names(node)} - owned:
        owned |= more
    return [node for node in functions if node.name in owned]


def _is_factory(node: ast.stmt) -> TypeGuard[ast.FunctionDef]:
    """Whether what a function returns are at least two of the functions defined in it."""
    if not isinstance(node, ast.FunctionDef) or not isinstance(node.body[-1], ast.Return):
        return False
    own = {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
    returned = {part.id for part in ast.walk(node.body[-1]) if isinstance(part, ast.Name)}
    named = {part.arg for part in ast.walk(node) if isinstance(part, ast.arg)}
    return len(own & returned) > 1 and not node.decorator_list and "self" not in named


def _class_of(factory: ast.FunctionDef) -> ast.ClassDef:
    methods = [part for part in factory.body if isinstance(part, ast.FunctionDef)]
    others = [part for part in factory.body[:-1] if not isinstance(part, ast.FunctionDef)]
    arguments = {part.arg for part in ast.walk(factory.args) if isinstance(part, ast.arg)}
    shared = {name for part in others for name in stored(part)} | {part.name for part in methods}
    used = {name for method in methods for name in names(method)}
    made = copy.copy(factory)
    made.name, made.args = "__init__", _with_self(factory.args)
    kept = [ast.parse(f"self.{name} = {name}").body[0] for name in sorted(arguments & used)]
    made.body = [*kept, *(_Sharing(shared - arguments).visit(part) for part in others)] or [ast.Pass()]
    whole = ast.parse(f"class {factory.name}: pass").body[0]
    assert isinstance(whole, ast.ClassDef)
    whole.body = [made, *(_method(part, shared | arguments) for part in methods)]
    return _at(factory, whole)


def _method(function: ast.FunctionDef, shared: set[str]) -> ast.FunctionDef:
    """A function with `self` before its arguments, and what it shares with others as attributes."""
    outer = {name for part in ast.walk(function) if isinstance(part, SHARED) for name in part.names}
    own = {part.arg for part in ast.walk(function) if isinstance(part, ast.arg)} | {*stored(function)}
    sharing = _Sharing(shared - (own - outer))
    made = copy.copy(function)
    made.args, made.body = _with_self(function.args), [sharing.visit(part) for part in function.body]
    return made


def _at(place: ast.AST, node: Node) -> Node:
    """A new node, with all in it that has no place yet, where another one stands."""
    return ast.fix_missing_locations(ast.copy_location(node, place))


def _with_self(arguments: ast.arguments) -> ast.arguments:
    made = copy.copy(arguments)
    first = ast.arg("self")
    if arguments.posonlyargs:
        made.posonlyargs = [first, *arguments.posonlyargs]
    else:
        made.args = [first, *arguments.args]
    return made


class _Sharing(ast.NodeTransformer):
    """Makes attributes of names that functions share."""

    def __init__(self, shared: set[str]) -> None:
        self.shared = shared

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """An attribute in the place of a shared name."""
        if node.id not in self.shared:
            return node
        return _at(node, ast.Attribute(ast.Name("self", ast.Load()), node.id, node.ctx))

    def visit_Nonlocal(self, node: ast.Nonlocal | ast.Global) -> ast.stmt:
        """Nothing: an attribute needs no such word."""
        return _at(node, ast.Pass())

    def visit_Global(self, node: ast.Global) -> ast.stmt:
        """Nothing, too."""
        return self.visit_Nonlocal(node)
