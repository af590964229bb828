"""A class that trains the network which it is handed, read as the function that it stands for.

Runs inside the sandbox, on the syntax tree alone.
"""

import ast
import re
from collections.abc import Iterator

MODEL = r"(my_?)?(net|network|model|nn|mlp|classifier|clf)"
_TRAINS = r"train|fit|learn|run"


def with_trainers(tree: ast.Module) -> ast.Module:
    """The same program, with a function behind each class that makes an instance and has it train.

    >>> code = "class T:\\n def __init__(self, net, X): self.net = net\\n def fit(self, n=3): self.net.go()"
    >>> print(ast.unparse(with_trainers(ast.parse(code)).body[1]))
    def fit(net, *, X, n=3):
        return T(net=net, X=X).fit(n=n)
    """
    taken = {getattr(node, "name", "") for node in tree.body}
    body: list[ast.stmt] = []
    for node in tree.body:
        body.append(node)
        if isinstance(node, ast.ClassDef):
            made = [function for function in _functions(node) if function.name not in taken]
            body += made[:1]
            taken |= {function.name for function in made[:1]}
    return ast.Module(body=body, type_ignores=tree.type_ignores)


def _functions(node: ast.ClassDef) -> Iterator[ast.FunctionDef]:
    methods = {part.name: part for part in node.body if isinstance(part, ast.FunctionDef)}
    making = methods.get("__init__")
    model = _model(node, making) if making is not None else ""
    for name, method in methods.items():
        if making is not None and model and re.fullmatch(_TRAINS, name) and _is_plain(making, method):
            yield _function(node.name, making, method, model)


def _model(node: ast.ClassDef, making: ast.FunctionDef) -> str:
    """The argument that is a network, of which something is called later; "" if there is none."""
    called = {
        ast.unparse(part.func.value)
        for part in ast.walk(node)
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute)
    }
    kept = {
        part.value.id: ast.unparse(part.targets[0])
        for part in ast.walk(making)
        if isinstance(part, ast.Assign) and isinstance(part.value, ast.Name)
    }
    names = (each.arg for each in making.args.args if re.fullmatch(MODEL, each.arg, re.I))
    return next((name for name in names if kept.get(name) in called), "")


def _is_plain(*functions: ast.FunctionDef) -> bool:
    """Whether functions take arguments by name, and no others."""
    return not any(each.args.vararg or each.args.kwarg or each.args.posonlyargs for each in functions)


def _function(kind: str, making: ast.FunctionDef, method: ast.FunctionDef, model: str) -> ast.FunctionDef:
    told = [dict(_with_defaults(each.args)) for each in (making, method)]
    inner = [", ".join(f"{name}={name}" for name in names) for names in told]
    call = f"{kind}({inner[0]}).{method.name}({inner[1]})"
    made = ast.parse(f"def {method.name}({model}): return {call}").body[0]
    assert isinstance(made, ast.FunctionDef)
    others = {**told[0], **told[1]}
    others.pop(model)
    made.args.kwonlyargs, made.args.kw_defaults = [ast.arg(name) for name in others], [*others.values()]
    for part in ast.walk(made):
        if "lineno" in part._attributes:
            ast.copy_location(part, method)
    return made


def _with_defaults(arguments: ast.arguments) -> Iterator[tuple[str, ast.expr | None]]:
    """The arguments behind `self`, each with its default."""
    plain = [each.arg for each in arguments.args]
    missing: list[ast.expr | None] = [None] * (len(plain) - len(arguments.defaults))
    yield from list(zip(plain, [*missing, *arguments.defaults], strict=True))[1:]
    yield from zip((each.arg for each in arguments.kwonlyargs), arguments.kw_defaults, strict=True)
