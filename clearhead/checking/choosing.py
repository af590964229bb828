"""Which class of a file is the implementation, and of which kind: told from what its code does.

Runs inside the sandbox, on the syntax tree alone.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from clearhead.checking.closure import TopLevel, bases
from clearhead.checking.handed import handed
from clearhead.checking.unwritten import is_unwritten

_FEATURES = {
    "product": r"dot|matmul|mm|bmm|einsum|baddbmm|tensordot|inner|add_product|(as)?matrix",
    "torch": r"torch(\.\w+)*",
    "softmax": r"softmax|log_softmax|Softmax|masked_softmax|logsumexp",
    "exp": r"exp|expit|tanh|expm1|exp2",
    "ready": r"scaled_dot_product_attention|MultiheadAttention|multi_head_attention_forward",
    "wide": r"Embedding|ReLU|GELU|relu|gelu|FeedForward|CrossEntropyLoss|Sequential"
            r"|BatchNorm1d|Conv2d|LSTM|GRU",
    "norm": r"LayerNorm|RMSNorm",
    "transpose": r"T|transpose|swapaxes|mT|permute|t|movedim|einsum",
    "sqrt": r"sqrt|rsqrt",
    "heads": r".*head.*|.*attn.*|.*attention.*",
    "keras": r"tensorflow|keras|tf|jax|jnp|mxnet|paddle",
}  # fmt: skip

_KINDS = re.compile(r"forw|feed|backw|backp|grad|loss|cost|train|fit|init\w*_?param|update")
# Arguments of functions: a weight of attention, or all of them.
ONE_WEIGHT = (
    r"(w|b|weights?|bias|kernel)_?(q|k|v|o|qkv|out|query|key|value|output)(_?proj\w*)?"
    r"|(q|k|v|o|qkv|out|query|key|value|output)(_proj)?_?(w|b|weights?|bias|kernel|mat|matrix)"
)
ALL_WEIGHTS = r"w|ws|weights?|weight_dict|params?|param_dict|parameters|p|theta|state(_dict)?"
_MAKES = r"init|make|create|build|new|random|weight|param"

_NOTHING = "no class and no function was found; check needs an implementation, written as one of them"
_OTHER = "written for another framework; check takes a network in NumPy, or attention in PyTorch"
_TORCH = "a network in PyTorch is not checked yet; check takes a network in NumPy, or attention in PyTorch"
_ALONE = "attention without projections is not checked yet; add what makes queries, keys and values of x"
_NUMPY = "attention in NumPy is not checked yet; check takes attention in PyTorch, or a network in NumPy"
_ABSENT = "no class and no function {name} is in it"
_NEITHER = "neither a two-layer network nor multi-head attention was found; name one with --target"

_PROJECTIONS = 2  # lines that make what attention has itself
_LEAST = 0.1  # the score of what attends, however little it looks like the whole


class Choice(NamedTuple):
    """What was chosen: a class by name, or bare functions; else why not."""

    target: str = ""
    name: str = ""
    functions: tuple[str, ...] = ()
    refusal: str = ""
    others: tuple[str, ...] = ()  # Classes that may be meant as well.


def choice(top: TopLevel, target: str, only: str) -> Choice:
    """The likeliest implementation in a file.

    >>> from clearhead.checking.source import read
    >>> text = b"import numpy as np\\nclass Net:\\n  def forward(self, X): return np.exp(X @ self.W)\\n"
    >>> choice(TopLevel(read("net.py", text)), "", "")[:2]
    ('two-layer', 'Net')
    """
    last = {name: nodes[-1] for name, nodes in top.all.items() if name in top.own}
    classes = {
        name: node for name, node in last.items() if isinstance(node, ast.ClassDef) and only in ("", name)
    }
    if only and only not in last:
        return Choice(refusal=_ABSENT)
    scored = []
    for place, (name, node) in enumerate(classes.items()):
        body = top.closure([name])
        for kind, score in _scores(node, body):
            if score > 0 and target in ("", kind):
                scored.append((score, len(body), place, kind, name))
    if scored:
        _, _, _, kind, name = max(scored)
        name = _completed(top, classes, name) if not only else name
        return Choice(kind, name, others=_others(top, name, [each[-1] for each in scored]))
    functions = tuple(name for name, node in last.items() if isinstance(node, ast.FunctionDef))
    if target in ("", "attention") and (attending := _attending(top, functions, only)):
        return Choice("attention", attending, _makers(top, functions, attending))
    if only in ("", *functions) and target in ("", "two-layer") and _is_network(top, functions):
        return Choice("two-layer", "", functions)
    if only in functions:
        return choice(top, target, "")  # It works with a class, which is checked with it.
    if only == "" and target in ("", "two-layer") and _is_script(top):
        return Choice("two-layer", "", functions)
    form = _form(top, [*classes.values(), *(last[name] for name in functions)], target)
    return form or Choice(refusal=_refusal(top, bool(classes or functions), target))


def _completed(top: TopLevel, classes: Mapping[str, ast.ClassDef], name: str) -> str:
    """The last class that writes what the named one leaves to those that are built on it; else that itself.

    >>> from clearhead.checking.source import read
    >>> text = b"class A:\\n  def f(self): ...\\nclass B(A):\\n  def f(self): return 1\\n"
    >>> top = TopLevel(read("net.py", text))
    >>> _completed(top, {name: nodes[-1] for name, nodes in top.all.items()}, "A")
    'B'
    """
    functions = [part for part in classes[name].body if isinstance(part, ast.FunctionDef)]
    left = {part.name for part in functions if is_unwritten(part, top.source)}
    heirs = [
        heir for heir, node in classes.items()
        if name in bases(node) and left & {getattr(part, "name", "") for part in node.body}
    ]  # fmt: skip
    return _completed(top, classes, heirs[-1]) if heirs else name


def _others(top: TopLevel, chosen: str, names: Sequence[str]) -> tuple[str, ...]:
    """What of the names stands for itself: is no part of what was chosen, and is not built on it."""
    parts = {getattr(node, "name", "") for node in top.closure([chosen])}
    free = (name for name in dict.fromkeys(names) if name not in parts)
    return tuple(name for name in free if top.all[chosen][-1] not in top.closure([name]))


def _form(top: TopLevel, nodes: Iterable[ast.ClassDef | ast.FunctionDef], target: str) -> Choice | None:
    """A form that is still to be filled in, or broken, told from its names alone; None if there is none."""
    functions, broken = [], [name for part in top.source.broken for name in part.names]
    for node in nodes:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        own = [part for part in inner if isinstance(part, ast.FunctionDef)]
        empty = [part for part in own if broken or is_unwritten(part, top.source)]
        if isinstance(node, ast.FunctionDef):
            functions += [part.name for part in empty]
            continue
        words = " ".join([part.name for part in empty] + broken)
        is_module = any(re.search("Module", base) for base in bases(node))
        if is_module and empty and "heads" in features([node]) | features(_named(node)):
            found = Choice("attention", node.name)
        elif not is_module and len(set(_KINDS.findall(words))) > 1:
            found = Choice("two-layer", node.name)
        else:
            continue
        if target in ("", found.target):
            return found
    is_network = len(set(_KINDS.findall(" ".join(functions)))) > 1 and target in ("", "two-layer")
    return Choice("two-layer", "", tuple(functions)) if is_network else None


def _named(node: ast.ClassDef) -> Iterator[ast.Name]:
    """The names of a class and of the arguments of its methods."""
    yield ast.Name(node.name.lower())
    yield from (ast.Name(part.arg) for part in ast.walk(node) if isinstance(part, ast.arg))


def _is_network(top: TopLevel, functions: tuple[str, ...]) -> bool:
    used = features(top.closure(functions))
    return {"product", "exp"} <= used and not {"torch", "keras"} & used


def _attending(top: TopLevel, functions: Iterable[str], only: str) -> str:
    """The function that is attention of several heads, given its weights; "" if there is none."""
    found: list[tuple[int, str]] = []
    whole = features(top.source.tree.body)  # A softmax may be there, and be forgotten.
    for name in functions if "torch" in whole else ():
        node, body = top.all[name][-1], top.closure([name])
        used = features(body)
        given = [part.arg for part in ast.walk(node.args) if isinstance(part, ast.arg)]
        has_heads = any(re.search(r"head|^n?h$", argument, re.I) for argument in given) or _counts_heads(body)
        has_weights = any(re.fullmatch(f"{ONE_WEIGHT}|{ALL_WEIGHTS}", each, re.I) for each in given)
        if handed(node, {}):  # Whatever they are called.
            has_heads = has_weights = True
        attends = {"product", "transpose"} <= used and whole & {"softmax", "exp"}
        if only in ("", name) and attends and has_heads and has_weights and not {"wide", "norm"} & used:
            found.append((len(body), name))
    return max(found, default=(0, ""))[1]


def _makers(top: TopLevel, functions: Sequence[str], attending: str) -> tuple[str, ...]:
    """The functions that may make the weights: by name, else all that attention does not need."""
    needed = top.closure([attending])
    named = [name for name in functions if re.search(_MAKES, name, re.I) and name != attending]
    return tuple(named or (name for name in functions if top.all[name][-1] not in needed))


def _counts_heads(body: Iterable[ast.stmt]) -> bool:
    """Whether code speaks of how many heads there are, be it in a field of an argument."""
    words = (_word(part) for node in body for part in ast.walk(node))
    return any(re.fullmatch(r"(n|num)_?(attention_)?heads?", word, re.I) for word in words)


def _is_script(top: TopLevel) -> bool:
    """Whether the top level is a network: it draws weights, multiplies with them and takes exponentials."""
    used = features(top.source.tree.body)
    is_network = {"product", "exp"} <= used and not {"torch", "keras", "heads"} & used
    return is_network and any(isinstance(node, ast.For | ast.While) for node in top.source.tree.body)


def features(nodes: Iterable[ast.AST]) -> set[str]:
    """What code does, told from the names of libraries' functions and from operators.

    >>> sorted(features([ast.parse("np.exp(X @ W)")]))
    ['exp', 'product']
    """
    found = set()
    for part in (part for node in nodes for part in ast.walk(node)):
        word = _word(part)
        found |= {name for name, pattern in _FEATURES.items() if re.fullmatch(pattern, word)}
        if _is_product(part):
            found.add("product")
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Pow) and _is_half(part.right):
            found.add("sqrt")
    return found


def _word(part: ast.AST) -> str:
    if isinstance(part, ast.Attribute):
        return part.attr
    if isinstance(part, ast.Name):
        return part.id
    if isinstance(part, ast.alias):
        return part.name.rpartition(".")[0] or part.name
    return part.module or "" if isinstance(part, ast.ImportFrom) else ""


def _is_product(part: ast.AST) -> bool:
    """Whether it is a product of matrices, or a sum of products in a loop."""
    if isinstance(part, ast.BinOp):
        return isinstance(part.op, ast.MatMult)
    return (
        isinstance(part, ast.AugAssign)
        and isinstance(part.op, ast.Add)
        and isinstance(part.value, ast.BinOp)
        and isinstance(part.value.op, ast.Mult)
    )


def _is_half(power: ast.expr) -> bool:
    return ast.unparse(power) in ("0.5", "-0.5", "1 / 2", "-1 / 2")


def _scores(node: ast.ClassDef, body: list[ast.stmt]) -> Iterator[tuple[str, float]]:
    """How much a class is an implementation, if it may be one; `body` is all that it needs."""
    whole = features(body)
    if _asks_for_gradients(body):
        whole -= {"torch"}  # A network in NumPy, whose gradients come from elsewhere.
    parts = sum(isinstance(part, ast.ClassDef) for part in body)
    methods = [part.name for part in node.body if isinstance(part, ast.FunctionDef)]
    attends = "product" in whole and (whole & {"softmax", "exp", "heads"} or {"transpose", "sqrt"} <= whole)
    if "torch" in whole and (attends or "ready" in whole):
        is_module = any(re.search(r"Module", base) for base in bases(node))
        if is_module or {"forward", "__call__"} & {*methods}:
            # What takes part in another one is less than the whole.
            made = sum(len(re.findall(r"Linear|Parameter|randn", ast.unparse(part))) for part in body)
            score = _attention_score(node, whole)
            # Without projections it is a part of attention, whatever stands beside it.
            yield "attention", (score if made else min(score, _LEAST)) + 0.1 * parts + 0.2 * made
    elif not {"torch", "keras"} & whole and "product" in whole and whole & {"exp", "softmax"}:
        # The head of attention in NumPy asks for q, k and v, and has no labels to learn from.
        named = re.search("attention|attn|multi_?head|mha|mhsa", node.name.lower())
        if named is None and not _turns_many_axes(body):
            yield "two-layer", _network_score(node.name.lower(), methods) + 0.3 * parts


def _turns_many_axes(body: Iterable[ast.stmt]) -> bool:
    """Whether more than two axes are transposed, as heads are and nothing in a network is.

    >>> codes = ("q.transpose((0, 2, 1, 3))", "W.transpose(1, 0)", "np.transpose(hs[-2])")
    >>> [_turns_many_axes(ast.parse(code).body) for code in codes]
    [True, False, False]
    """
    calls = (part for node in body for part in ast.walk(node) if isinstance(part, ast.Call))
    return any(
        isinstance(call.func, ast.Attribute)
        and call.func.attr == "transpose"
        and any(
            isinstance(part, ast.Constant) and part.value in (2, 3)
            for axes in call.args
            for part in (axes.elts if isinstance(axes, ast.Tuple | ast.List) else [axes])
        )
        for call in calls
    )


def _asks_for_gradients(body: Iterable[ast.stmt]) -> bool:
    """Whether PyTorch is named in functions that make gradients, and nowhere else but in imports."""
    makes: list[ast.AST] = []
    others: list[ast.AST] = []
    for node in body:
        inside = [*node.bases, *node.body] if isinstance(node, ast.ClassDef) else [node]
        for part in inside:
            if isinstance(part, ast.FunctionDef) and re.search(r"back|grad", part.name, re.I):
                makes.append(part)
            elif not isinstance(part, ast.Import | ast.ImportFrom):
                others.append(part)
    return "torch" in features(makes) and "torch" not in features(others)


def _attention_score(node: ast.ClassDef, whole: set[str]) -> float:
    name, alone = node.name.lower(), features([node])
    score = 2.0
    score += 2 * bool(re.search(r"multi_?head|mha|mhsa", name)) + bool(re.search("attention|attn", name))
    if "norm" in alone and len(re.findall("Linear|Parameter", ast.unparse(node))) >= _PROJECTIONS:
        score -= 1  # Attention may have its norm itself.
        whole, alone = whole - {"norm"}, alone - {"norm"}
    beside = {"wide", "norm"}
    score -= 3 * bool(beside & alone) + 1.5 * bool(beside & whole and not beside & alone)
    score -= bool(re.search(r"block|layer$|encoder|decoder|transformer|gpt|model", name))
    # A softmax between products of turned matrices is attention, whatever stands beside it.
    return max(score, _LEAST) if {"product", "softmax", "transpose"} <= alone else score


def _network_score(name: str, methods: list[str]) -> float:
    words = " ".join(methods).lower()
    score = 1.0
    score += bool(re.search(r"forw|predict|feed|think", words))
    score += bool(re.search(r"back|grad|fit|train", words))
    score += bool(re.search(r"net|nn|mlp|two_?layer|neural|perceptron|classifier|model", name))
    score -= 2 * bool(re.search(r"trainer|optim|sgd|adam|loss|affine|relu|sigmoid|dense|layer$|data", name))
    return score + 0.2 * min(len(methods), 5)


def _refusal(top: TopLevel, has_code: bool, target: str) -> str:
    used = features(top.source.tree.body)
    if not has_code:
        return _NOTHING
    if "keras" in used:
        return _OTHER
    if "torch" in used and {"product", "softmax", "transpose"} <= used:
        return _ALONE
    if "torch" in used and target != "attention":
        return _TORCH
    named = re.search(r"attention|multi_?head", top.source.text.lower())
    if target == "attention" or named or _turns_many_axes(top.source.tree.body):
        return _NUMPY
    return _NEITHER
