"""What a function of attention does with its arguments, for names that tell nothing: weights, biases, heads.

Runs inside the sandbox, on the syntax tree alone.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence

ENOUGH = 3  # queries, keys and values
_PRODUCTS = ("matmul", "mm", "linear", "bmm")
Functions = Mapping[str, ast.FunctionDef]


def handed(function: ast.FunctionDef, functions: Functions) -> dict[str, str]:
    """The roles of arguments by their uses: a weight, all weights, a bias, or A, the number of heads.

    A product has its weight on the right, or as a field of what holds them all.

    >>> code = "def f(a, b, c, d, e, h): return g(a @ b + e, h), a @ c, a @ d\\ndef g(x, y): x // y"
    >>> tree = {node.name: node for node in ast.parse(code).body}
    >>> handed(tree["f"], tree)
    {'b': 'weight', 'c': 'weight', 'd': 'weight', 'e': 'bias', 'h': 'A'}
    >>> handed(ast.parse("def f(x, p): return x @ p.a, x @ p['b'], x @ p.c").body[0], {})
    {'p': 'weights'}
    """
    given = [argument.arg for argument in function.args.args]
    fields: dict[str, set[str]] = {}
    asked: set[str] = set()
    for left, right in _products(function):
        asked |= {left} & {*given}
        if right[0] in given:
            fields.setdefault(right[0], set()).add(right[1])
    weights = {name: parts for name, parts in fields.items() if name not in asked}
    if sum(map(len, weights.values())) < ENOUGH:
        return {}
    made = {name: "weight" if weights[name] == {""} else "weights" for name in given if name in weights}
    made |= {name: "bias" for name in _biases(function) if name in given and name not in {*made, *asked}}
    made |= {
        name: "A" for name in given if name not in {*made, *asked} and _divides(name, function, functions)
    }
    return made


def _products(function: ast.FunctionDef) -> Iterator[tuple[str, tuple[str, str]]]:
    """The left side's name, and the right side's with its field, of each product of matrices."""
    for node in ast.walk(function):
        match node:
            case ast.BinOp(op=ast.MatMult(), left=left, right=right):
                yield _field(left)[0], _field(right)
            case ast.Call(func=ast.Attribute(attr=name), args=[left, right, *_]) if name in _PRODUCTS:
                yield _field(left)[0], _field(right)


def _field(part: ast.expr) -> tuple[str, str]:
    match part:
        case ast.Attribute(value=value, attr="T" | "mT"):
            return _field(value)
        case ast.Name(id=name):
            return name, ""
        case ast.Attribute(value=ast.Name(id=name), attr=field):
            return name, field
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=field)):
            return name, str(field)
    return "", ""


def _biases(function: ast.FunctionDef) -> Iterator[str]:
    """What is added to a product, or given to a linear function beside its weight."""
    for node in ast.walk(function):
        match node:
            case ast.BinOp(op=ast.Add(), left=ast.BinOp(op=ast.MatMult()), right=ast.Name(id=name)):
                yield name
            case ast.Call(func=ast.Attribute(attr="linear"), args=[_, _, ast.Name(id=name)]):
                yield name


def _divides(name: str, function: ast.FunctionDef, functions: Functions, depth: int = 2) -> bool:
    """Whether a length is divided by what has this name, here or in a function that it is handed to."""
    for node in ast.walk(function):
        match node:
            case ast.BinOp(op=ast.FloorDiv() | ast.Mod(), right=ast.Name(id=other)) if other == name:
                return True
            case ast.Call(func=ast.Name(id=called), args=args) if depth and called in functions:
                taken: Sequence[ast.arg] = functions[called].args.args
                for argument, taker in zip(args, taken, strict=False):
                    is_it = isinstance(argument, ast.Name) and argument.id == name
                    if is_it and _divides(taker.arg, functions[called], functions, depth - 1):
                        return True
    return False
