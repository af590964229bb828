"""Rewrites code so that every expression hands its value to a recorder; places stay those of the file.

Runs inside the sandbox.
"""

import ast
import copy
from collections.abc import Iterable
from typing import Any

RECORD = "__record__"  # the recorder's name in the rewritten code: called with a place's number and a value
_UNTOUCHED = (
    ast.JoinedStr, ast.FormattedValue, ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal, ast.Delete,
    ast.Match,
)  # fmt: skip
_WRAPPED = (ast.Call, ast.BinOp, ast.UnaryOp, ast.IfExp)
_NO_VALUES = ("super", "range", "len", "locals", "globals", "vars")  # functions whose results are not kept
_GROUPS = (ast.Dict, ast.List, ast.Tuple)


class Site:
    """A place in the source whose values are kept."""

    def __init__(self, node: Any, target: str, function: str, file: str, kind: str) -> None:
        self.line, self.column = node.lineno, node.col_offset
        self.end = (node.end_lineno, node.end_col_offset)
        self.target, self.function, self.file, self.kind = target, function, file, kind

    def row(self) -> list[Any]:
        """What the parent is told of it."""
        return [self.line, self.column, *self.end, self.target, self.function, self.file, self.kind]


def rewritten(node: ast.stmt, sites: list[Site], file: str) -> list[ast.stmt]:
    """A statement that records, from a copy of one that does not; its places are added to `sites`.

    >>> sites = []
    >>> [ast.unparse(node) for node in rewritten(ast.parse("z = x @ W").body[0], sites, "net.py")]
    ['z = __record__(0, x @ W)']
    >>> sites[0].row()
    [1, 4, 1, 9, 'z', '', 'net.py', '']
    """
    return _flat([_Rewriter(sites, file).visit(copy.deepcopy(node))])


class _Rewriter(ast.NodeTransformer):
    """Wraps expressions in calls of the recorder."""

    def __init__(self, sites: list[Site], file: str) -> None:
        self.sites, self.file = sites, file
        self.where: list[str] = []

    def _wrapped(self, node: Any, target: str = "", kind: str = "", at: Any = None) -> ast.expr:
        self.sites.append(Site(at or node, target, ".".join(self.where), self.file, kind))
        call = ast.Call(ast.Name(RECORD, ast.Load()), [ast.Constant(len(self.sites) - 1), node], [])
        for part in (call, call.func, call.args[0]):
            ast.copy_location(part, node)
        return call

    def _handed_on(self, target: Any, at: Any, kind: str = "") -> ast.stmt:
        """A statement that hands on what a target now holds."""
        value = ast.parse(ast.unparse(target), mode="eval").body
        for part in ast.walk(value):
            ast.copy_location(part, at)
        return ast.copy_location(ast.Expr(self._wrapped(value, ast.unparse(target), kind, at)), at)

    def _named(self, value: Any, target: str) -> Any:
        """An expression whose value gets a name: its place is called so."""
        made = self.visit(value)
        if isinstance(made, ast.Call) and isinstance(made.func, ast.Name) and made.func.id == RECORD:
            number = made.args[0]
            assert isinstance(number, ast.Constant)
            assert isinstance(number.value, int)
            self.sites[number.value].target = target
            return made
        return (
            made if isinstance(value, (ast.Constant, ast.Lambda, *_GROUPS)) else self._wrapped(made, target)
        )

    # Expressions

    def generic_visit(self, node: Any) -> Any:
        if isinstance(node, _UNTOUCHED):
            return node
        made = super().generic_visit(node)
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple):  # Such as of labels.
            node.slice.elts = [self._place(part) for part in node.slice.elts]
        is_read = isinstance(getattr(node, "ctx", None), ast.Load) and (
            isinstance(node, ast.Subscript)
            or (isinstance(node, ast.Attribute) and node.attr in ("T", "mT", "data"))
        )
        return self._wrapped(made) if is_read or isinstance(node, _WRAPPED) else made

    def _place(self, node: ast.expr) -> ast.expr:
        """A name that tells places of an array, which is known as what a function is handed."""
        return self._wrapped(node, kind="argument") if isinstance(node, ast.Name) else node

    def visit_Call(self, node: ast.Call) -> Any:
        if isinstance(node.func, ast.Attribute):
            node.func.value = self.visit(node.func.value)
        elif not isinstance(node.func, ast.Name):
            node.func = self.visit(node.func)
        node.args = [self.visit(part) for part in node.args]
        for word in node.keywords:
            word.value = self.visit(word.value)
        if isinstance(node.func, ast.Name) and node.func.id in _NO_VALUES:
            return node
        return self._wrapped(node)

    def visit_Lambda(self, node: ast.Lambda) -> Any:
        node.body = self.visit(node.body)
        return node

    # Statements

    def visit_Assign(self, node: ast.Assign) -> Any:
        target, value = node.targets[0], node.value
        if (
            isinstance(target, ast.Tuple)
            and isinstance(value, ast.Tuple)
            and len(target.elts) == len(value.elts)
        ):
            pairs = zip(value.elts, target.elts, strict=True)
            value.elts = [self._named(part, ast.unparse(name)) for part, name in pairs]
            return node
        if isinstance(target, ast.Tuple | ast.List):
            node.value = self.visit(value)
            held = (ast.Name, ast.Attribute, ast.Subscript)
            return [node, *(self._handed_on(part, node) for part in target.elts if isinstance(part, held))]
        node.value = self._named(value, ast.unparse(target))
        root = _root(target)
        return node if root is target else [node, self._handed_on(root, node)]

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        if node.value is not None:
            node.value = self._named(node.value, ast.unparse(node.target))
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        node.value = self.visit(node.value)
        root = _root(node.target)
        sliced = any(isinstance(part, ast.Slice) for part in ast.walk(node.target))
        parts = [root] if root is node.target or sliced else [node.target, root]
        return [node, *(self._handed_on(part, node) for part in parts)]

    def visit_Return(self, node: ast.Return) -> Any:
        if isinstance(node.value, _GROUPS):
            node.value = self.visit(node.value)
        elif node.value is not None and not isinstance(node.value, ast.Constant):
            node.value = self._named(node.value, "return")
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> Any:
        return self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Any:
        self.where.append(node.name)
        node.body = _flat(self.visit(part) for part in node.body)
        arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        names = [part.arg for part in arguments if part.arg not in ("self", "cls")]
        # What came in is known too; after a docstring, which stays the first statement.
        lead = 1 if ast.get_docstring(node, clean=False) is not None else 0
        node.body[lead:lead] = [
            self._handed_on(ast.Name(name, ast.Load()), node, "argument") for name in names
        ]
        self.where.pop()
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        self.where.append(node.name)
        node.body = _flat(self.visit(part) for part in node.body)
        self.where.pop()
        return node


def _root(target: Any) -> Any:
    """What is changed by giving one of its places a value; one with a fixed name is a thing of its own."""
    while isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Constant):
        target = target.value
    return target


def _flat(parts: Iterable[Any]) -> list[Any]:
    return [each for part in parts for each in (part if isinstance(part, list) else [part])]
