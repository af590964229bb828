"""A forward that takes all its inputs in one dictionary, made one that takes them apart.

Runs inside the sandbox.
"""

import ast
import inspect
from typing import Any

from clearhead.checking.attention_run.arguments import INPUTS
from clearhead.checking.binding import role_of

FEWEST = 2  # keys


def take_apart(kind: Any, tree: ast.AST) -> None:
    """Let a class take the inputs by the names that its forward takes from a dictionary, masks if any.

    >>> code = "class A:\\n  def forward(self, inputs): return inputs['q'], inputs.get('mask')"
    >>> names = {}
    >>> exec(code, names)
    >>> take_apart(names["A"], ast.parse(code))
    >>> names["A"]().forward(q=3), names["A"]().forward({"q": 3, "mask": 4})
    ((3, None), (3, 4))
    """
    node = next((node for node in ast.walk(tree) if getattr(node, "name", "") == kind.__name__), None)
    forward = next(
        (part for part in getattr(node, "body", ()) if getattr(part, "name", "") == "forward"), None
    )
    if not isinstance(forward, ast.FunctionDef) or len(forward.args.args) != 2:  # It and `self`.
        return
    holder = forward.args.args[1].arg
    keys = [key for part in ast.walk(forward) if (key := _key(part, holder))]
    roles = {key: role_of(key, INPUTS) for key in dict.fromkeys(keys)}
    if len(roles) < FEWEST or not all(roles.values()):
        return
    original = kind.forward

    def taking_apart(self: Any, *given: Any, **named: Any) -> Any:
        return original(self, *given) if given else original(self, dict.fromkeys(roles) | named)

    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    rest = [
        inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=None if role == "mask" else own.empty)
        for key, role in roles.items()
    ]
    vars(taking_apart)["__signature__"] = inspect.Signature([own, *rest])
    kind.forward = taking_apart


def _key(part: ast.AST, holder: str) -> str:
    """The key with which code takes something from what an argument holds; "" if it takes nothing."""
    match part:
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str(key))) if name == holder:
            return key
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id=name), attr="get"), args=[ast.Constant(value=str(key)), *_]
        ) if name == holder:
            return key
    return ""
