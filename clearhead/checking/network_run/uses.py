"""What arguments and attributes are, by how a program uses them: for names that tell nothing.

Numbers, generators and labels that may be left out are told so; all else is found out by trying.
"""

import ast
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from clearhead.checking.flows import Call

Roles = dict[str, str]
_DRAWS = {"normal", "standard_normal", "randn", "permutation", "shuffle", "random", "uniform", "choice"}
_SEEDS = {"seed", "default_rng", "RandomState", "manual_seed"}
_FEW = 3  # parameters that have a penalty at most: all four have a rate


def uses_in(tree: ast.Module, calls: Sequence[Call]) -> tuple[dict[str, Roles], Roles]:
    """By function the roles of its arguments, by class those of its constructor's; and of attributes.

    >>> code = "class A:\\n def __init__(self, a, b): self.c = b\\n def f(self, d): self.w -= self.c * d"
    >>> uses_in(ast.parse(code), [])
    ({'A': {'b': 'lr'}}, {'c': 'lr'})
    """
    functions = [(_key(node, owner), node) for node, owner in _functions(tree)]
    used = {key: _roles(node) for key, node in functions}
    attributes = {
        text.removeprefix("self."): role
        for roles in used.values() for text, role in roles.items() if text.startswith("self.")
    }  # fmt: skip
    arguments = {
        key: {part.arg for part in ast.walk(node.args) if isinstance(part, ast.arg)}
        for key, node in functions
    }
    for key, node in functions:
        for name, kept in _keeps(node):
            if kept in attributes:
                used[key].setdefault(name, attributes[kept])
    for _ in range(3):  # What is handed on is what it is there.
        for call in calls:
            inner = used.get(call.function, {})
            for argument, origin in call.origins.items():
                if argument in inner and call.caller in used:
                    used[call.caller].setdefault(origin.variable, inner[argument])
    told = {key: {n: role for n, role in used[key].items() if n in arguments[key]} for key, _ in functions}
    return {key: roles for key, roles in told.items() if roles}, attributes


def called_in(tree: ast.Module) -> dict[str, set[str]]:
    """By function the names of all that it calls.

    >>> called_in(ast.parse("def f(x): return np.log(g(x))"))["f"] == {"log", "g"}
    True
    """
    found: dict[str, set[str]] = {}
    for node, _ in _functions(tree):
        calls = (part.func for part in ast.walk(node) if isinstance(part, ast.Call))
        named = {getattr(function, "attr", getattr(function, "id", "")) for function in calls}
        found[node.name] = found.get(node.name, set()) | named
    return found


def _functions(tree: ast.Module) -> Iterator[tuple[ast.FunctionDef, str]]:
    """Every function, with the class that it belongs to."""
    owners = {
        part: node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for part in node.body
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            yield node, owners.get(node, "")


def _key(node: ast.FunctionDef, owner: str) -> str:
    return owner if node.name == "__init__" else node.name


def _keeps(node: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    """The variables that become attributes, with the names of these."""
    for part in ast.walk(node):
        if isinstance(part, ast.Assign) and isinstance(part.value, ast.Name):
            for target in part.targets:
                if isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self":
                    yield part.value.id, target.attr


def _roles(node: ast.FunctionDef) -> Roles:
    """What variables and attributes are used as in a function; what is used as two things is neither."""
    factors = Counter(_factors(node, ast.Sub))
    found = dict.fromkeys((text for text, count in factors.items() if count > 1), "lr")
    penal = {*_factors(node, ast.Add, of_squares=True)}
    for text, count in (Counter(_factors(node, ast.Add)) | Counter(penal)).items():
        found.setdefault(text, "reg" if text in penal or count <= _FEW else "lr")
    twice = set()
    counters = {ast.unparse(part.target) for part in ast.walk(node) if isinstance(part, ast.For)}
    for part in ast.walk(node):
        for value, role in _told(part, counters):
            text = ast.unparse(value)
            if found.setdefault(text, role) != role:
                twice.add(text)
    return {text: role for text, role in found.items() if text not in twice}


def _told(node: ast.AST, counters: set[str]) -> Iterator[tuple[ast.expr, str]]:
    """What one piece of code says of the names in it, in a function whose loops have these counters."""
    match node:
        case ast.For(target=ast.Name(id=counter), iter=ast.Call(func=ast.Name(id="range"), args=[amount])):
            if not _is_index(counter, node):
                yield amount, "epochs"
        case ast.If(test=ast.Compare(left=labels, ops=[ast.Is()], comparators=[ast.Constant(None)])):
            if isinstance(node.body[-1], ast.Return):  # Without labels there is no loss.
                yield labels, "Y"
        case ast.For(target=ast.Name(id=key), iter=ast.Name(id=name) as whole, body=body):
            parts = (part for each in body for part in ast.walk(each) if isinstance(part, ast.Subscript))
            stored = (ast.unparse(part) for part in parts if isinstance(part.ctx, ast.Store))
            if f"{name}[{key}]" in stored:  # Each of its values gets another one.
                yield whole, "params"
        case ast.Subscript(value=ast.Name() as whole, slice=ast.Constant(value=str(key))):
            if re.fullmatch(r"(w|b|weights?|bias)_?\d", key, re.I):
                yield whole, "params"
        case ast.Call(func=ast.Name(id="range"), args=[_, _, step]):
            yield step, "batch"
        case (
            ast.Slice(upper=ast.BinOp(op=ast.Add(), right=size))
            | ast.Slice(lower=ast.BinOp(op=ast.Mult(), right=size))
        ):
            yield size, "batch"
        case ast.BinOp(op=ast.FloorDiv(), right=size):
            yield size, "batch"
        case ast.BinOp(op=ast.Mod(), left=ast.Name(id=counter), right=interval) if counter in counters:
            yield interval, "log"
        case ast.AugAssign(op=ast.Sub(), value=value):
            yield from ((factor, "lr") for factor in _product(value)[:1])
        case ast.Call(func=ast.Attribute(value=generator, attr=name)) if name in _DRAWS:
            yield generator, "rng"
        case ast.Call(func=ast.Attribute(attr=name), args=[seed]) if name in _SEEDS:
            yield seed, "seed"


def _is_index(counter: str, loop: ast.For) -> bool:
    """Whether a loop takes parts of something by its counter."""
    names = (
        name.id
        for part in ast.walk(loop) if isinstance(part, ast.Subscript)
        for name in ast.walk(part.slice) if isinstance(name, ast.Name)
    )  # fmt: skip
    return counter in names


def _factors(node: ast.FunctionDef, kind: type[ast.operator], of_squares: bool = False) -> Iterator[str]:
    """The number in each product that is added to something, or taken from it.

    If need be only of squares, and of those also what is given a name before it is added.
    """
    arrays = set(_arrays(node))
    repeated = (part for part in ast.walk(node) if _is_repeated(part))
    loops = (part for part in ast.walk(node) if isinstance(part, ast.For))
    looped = {added for loop in loops for part in ast.walk(loop) for added in _added_to(part)}
    for part in itertools.chain(ast.walk(node), *map(ast.walk, repeated)):
        match part:
            case ast.BinOp(op=operator, right=value) | ast.AugAssign(op=operator, value=value):
                is_one = isinstance(operator, kind)
            case ast.Assign(value=value):
                is_one = of_squares
            case _:
                continue
        if not is_one or (of_squares and not any(map(_is_square, ast.walk(value)))):
            continue
        if kind is ast.Add and part in looped and not of_squares:
            continue  # A penalty's gradient, or a step up the slope: one cannot tell.
        yield from [text for text in map(ast.unparse, _product(value)) if text not in arrays][:1]


def _added_to(node: ast.AST) -> Iterator[ast.AST]:
    """What adds to something that is there already: t += a * b, t = t + a * b."""
    match node:
        case ast.AugAssign():
            yield node
        case ast.Assign(targets=[target], value=ast.BinOp(left=left) as value):
            if ast.unparse(target) == ast.unparse(left):
                yield value


def _is_repeated(node: ast.AST) -> bool:
    """Whether what is in a piece of code is done for several parameters, side by side or by their names."""
    if isinstance(node, ast.For) and isinstance(node.iter, ast.Call):
        return getattr(node.iter.func, "attr", getattr(node.iter.func, "id", "")) in ("zip", "items", "keys")
    return isinstance(node, ast.GeneratorExp | ast.ListComp | ast.DictComp)


def _arrays(node: ast.FunctionDef) -> Iterator[str]:
    """What is no number: it has parts or a shape, is a factor of a matrix product or squared."""
    for part in ast.walk(node):
        match part:
            case ast.Subscript(value=value) | ast.Attribute(value=value, attr="T" | "shape" | "dot"):
                yield ast.unparse(value)
            case ast.BinOp(op=ast.MatMult(), left=left, right=right):
                yield from (ast.unparse(side) for side in (left, right))
            case ast.BinOp(left=left) if _is_square(part):
                yield ast.unparse(left)
            case ast.Call(func=ast.Attribute(attr="dot" | "matmul" | "outer"), args=factors):
                yield from map(ast.unparse, factors)


def _is_square(node: ast.AST) -> bool:
    """Whether code squares something, or raises it to some power.

    >>> [_is_square(ast.parse(code, mode="eval").body) for code in ("a ** 2", "a * a", "a * b")]
    [True, True, False]
    """
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Pow | ast.Mult):
        return False
    return isinstance(node.op, ast.Pow) or ast.unparse(node.left) == ast.unparse(node.right)


def _product(value: ast.expr) -> list[ast.expr]:
    """The names that are factors of a product, in their order; none of what is no product.

    >>> [ast.unparse(part) for part in _product(ast.parse("0.5 * a * b.c / n", mode="eval").body)]
    ['a', 'b.c']
    """
    match value:
        case ast.BinOp(op=ast.Div() | ast.MatMult(), left=left):
            return _product(left)
        case ast.BinOp(op=ast.Mult(), left=left, right=right):
            return [*_names(left), *_names(right)]
    return []


def _names(factor: ast.expr) -> list[ast.expr]:
    match factor:
        case ast.Name() | ast.Attribute():
            return [factor]
        case ast.BinOp(op=ast.Div(), left=left):
            return _names(left)
    return _product(factor)
