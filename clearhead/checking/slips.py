"""Methods whose name has a slip, or that are called by one.

Runs inside the sandbox, on the syntax tree alone.
"""

import ast
import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any

from clearhead.checking.closure import bases, bound

# The words that names of methods are made of; another one that is close to one of them is a slip.
WORDS = frozenset(
    re.findall(
        r"\w+",
        """
    initialize initialise initialization init parameters parameter params param forward backward compute loss
    train training step evaluate evaluation accuracy predict prediction update gradient gradients
    weights weight biases bias split merge combine concat heads head attention softmax sigmoid derivative
    hidden output input
    layer layers batch batches epoch epochs score scores query queries value values propagation propagate pass
    cross entropy shuffle network neural model linear transpose reshape project projection masked scale scaled
    product multi multihead activation function cost calculate validate validation test report process dropout
    normalize normalise encode decode encoder decoder momentum optimizer optimize learning regularization
    regularisation feedforward backprop backpropagation probabilities likelihood categorical onehot
    """,
    )
)
INTERFACE = {
    "two-layer": (
        "initialize_parameters", "forward", "backward", "compute_loss", "evaluate", "train_step", "train",
    ),
    "attention": ("forward", "split_heads"),
}  # fmt: skip
_CONSTRUCTOR = r"_{1,2}(init|int|inti|intit|ini)_{0,2}|init_{1,2}"
_PLAIN_BASES = {"object", "nn.Module", "torch.nn.Module", "Module"}
# What a module of torch has besides the learner's own methods.
_OF_MODULES = frozenset(
    re.findall(
        r"\w+",
        """
    register_parameter register_buffer register_module add_module apply buffers children cpu cuda
    double eval extra_repr float get_parameter get_buffer get_submodule half load_state_dict modules
    named_buffers named_children named_modules named_parameters parameters register_forward_hook
    register_forward_pre_hook register_full_backward_hook register_state_dict_pre_hook
    requires_grad_ set_submodule share_memory state_dict to to_empty train training type zero_grad
    """,
    )
)
CLOSE_WORD, CLOSE_NAME, SHORTEST, HALF = 0.82, 0.8, 5, 0.6

Found = dict[str, Any]


def slip(name: str, known: Iterable[str] = WORDS) -> str:
    """The name as it was meant, where one of its words is close to a known one but is not; else nothing.

    >>> slip("foward"), slip("compute_los"), slip("forward")
    ('forward', '', '')
    """
    made = "".join(_mended(part, known) for part in re.split(r"(_+)", name))
    return made if made != name else ""


def _mended(part: str, known: Iterable[str]) -> str:
    low = part.lower()
    if len(low) < SHORTEST or not low.isalpha() or {low, low.rstrip("s")} & {*known}:
        return part
    near = difflib.get_close_matches(low, known, 1, CLOSE_WORD)
    is_slip = near and near[0][0] == low[0] and abs(len(near[0]) - len(low)) <= 2
    return near[0] if is_slip else part


def misspelt(body: Sequence[ast.stmt], target: str) -> list[Found]:
    """What is misspelt in the classes of a program; their trees are mended, so that the rest can run."""
    classes = [node for node in body if isinstance(node, ast.ClassDef)]
    return [found for node in classes for found in _misspelt_in(node, classes, INTERFACE[target])]


def _misspelt_in(node: ast.ClassDef, classes: Sequence[ast.ClassDef], wanted: Sequence[str]) -> list[Found]:
    methods = {part.name: part for part in node.body if isinstance(part, ast.FunctionDef)}
    uses: dict[str, list[ast.Attribute]] = {}
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and _is_read_of_self(part):
            uses.setdefault(part.attr, []).append(part)
    found, renamed = _misspelt_uses(node, classes, methods, uses)
    for name, method in methods.items():
        meant = slip(name)
        if "__init__" not in methods and re.fullmatch(_CONSTRUCTOR, name):
            meant = method.name = "__init__"
        elif name in renamed or meant not in wanted or meant in methods:
            continue
        elif meant == "forward" and name not in uses:
            method.name = meant
        found.append(_finding(method.lineno, name, meant))
    return found


def _misspelt_uses(
    node: ast.ClassDef,
    classes: Sequence[ast.ClassDef],
    methods: dict[str, ast.FunctionDef],
    uses: dict[str, list[ast.Attribute]],
) -> tuple[list[Found], set[str]]:
    """Calls of methods that are not there but nearly so, and the methods that are meant."""
    found: list[Found] = []
    renamed: set[str] = set()
    if _inherits(node, classes):
        return found, renamed
    known = _attributes(node, classes) | (_OF_MODULES if bases(node) - {"object"} else set())
    called = {id(part.func) for part in ast.walk(node) if isinstance(part, ast.Call)}
    for wanted, places in uses.items():
        if wanted in methods or wanted in known or wanted.startswith("__"):
            continue
        defined = max(methods, key=lambda name: _likeness(wanted, name), default="")
        if _likeness(wanted, defined) < CLOSE_NAME:
            defined = _unused(wanted, methods, uses)
        if not defined or not called & set(map(id, places)):
            continue
        # Which of the two is the slip: the one that a known word mends.
        if slip(defined) and not slip(wanted):
            found.append(_finding(methods[defined].lineno, defined, wanted))
        else:
            found.append(_finding(places[0].lineno, wanted, defined))
        renamed.add(defined)
        for place in places:
            place.attr = defined
    return found, renamed


def _unused(wanted: str, methods: Iterable[str], uses: Iterable[str]) -> str:
    """The one method that nothing uses, if it has a word in common with one that is wanted; else nothing."""
    called_from_outside = {word for names in INTERFACE.values() for word in names}
    left = [
        name for name in methods if name not in (*uses, *called_from_outside) and not name.startswith("__")
    ]
    words = {*wanted.split("_")} - {""}
    alike = [name for name in left if words & {*name.split("_")} or _likeness(wanted, name) > HALF]
    return alike[0] if len(alike) == 1 else ""


def _finding(line: int, name: str, meant: str) -> Found:
    return {"id": "method_misspelt", "line": line, "name": name, "meant": meant}


def _is_read_of_self(part: ast.Attribute) -> bool:
    return isinstance(part.ctx, ast.Load) and isinstance(part.value, ast.Name) and part.value.id == "self"


def _likeness(wanted: str, name: str) -> float:
    return difflib.SequenceMatcher(None, wanted, name).ratio()


def _inherits(node: ast.ClassDef, classes: Sequence[ast.ClassDef]) -> bool:
    """Whether a base that is not seen here may have methods of its own."""
    return bool(bases(node) - _PLAIN_BASES) and not bases(node) <= {base.name for base in classes}


def _attributes(node: ast.ClassDef, classes: Sequence[ast.ClassDef]) -> set[str]:
    """What the class and its bases here have besides methods of the class."""
    known = {
        part.attr
        for part in ast.walk(node)
        if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store)
    }
    known |= {name for part in node.body if not isinstance(part, ast.FunctionDef) for name in bound(part)}
    for base in classes:
        if base.name in bases(node):
            known |= {name for part in base.body for name in bound(part)}
            known |= {part.attr for part in ast.walk(base) if isinstance(part, ast.Attribute)}
    return known
