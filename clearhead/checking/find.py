"""What of a learner's file is the implementation: the classes, functions, constants and imports it needs.

Runs inside the sandbox, on the syntax tree alone; nothing of the file is executed here.
"""

import ast
import builtins
import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from clearhead.checking.source import Source

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
Function = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)

# The words that names of methods are made of; another one that is close to one of them is a slip.
WORDS = frozenset(
    "initialize initialise initialization init parameters parameter params param forward backward compute loss "
    "train training step evaluate evaluation accuracy predict prediction update gradient gradients weights weight "
    "biases bias split merge combine concat heads head attention softmax sigmoid derivative hidden output input "
    "layer layers batch batches epoch epochs score scores query queries value values propagation propagate pass "
    "cross entropy shuffle network neural model linear transpose reshape project projection masked scale scaled "
    "product multi multihead activation function cost calculate validate validation test report process dropout "
    "normalize normalise encode decode encoder decoder momentum optimizer optimize learning regularization "
    "regularisation feedforward backprop backpropagation probabilities likelihood categorical onehot".split()
)
INTERFACE = {
    "two-layer": (
        "initialize_parameters", "forward", "backward", "compute_loss", "evaluate", "train_step", "train",
    ),
    "attention": ("forward", "split_heads"),
}  # fmt: skip


@dataclass
class Program:
    """The implementation that was found: statements to run, and what to say of the rest."""

    target: str  # "two-layer", "attention", "" where there is none
    name: str  # the class; "" for bare functions
    functions: list[str] = field(default_factory=list)
    body: list[ast.stmt] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    unwritten: dict[str, int] = field(default_factory=dict)
    refusal: str = ""  # why it is not checked at all
    lines: dict[str, int] = field(default_factory=dict)  # of each function and method


def find(source: Source, target: str = "", only: str = "") -> Program:
    """The implementation in a source: of `target`, or of whatever kind there is; `only` names its class.

    >>> from clearhead.checking.source import read
    >>> text = b"import numpy as np\\nclass Net:\\n  def forward(self, X): return np.exp(X @ self.W)\\n"
    >>> find(read("net.py", text)).name
    'Net'
    """
    top = _Top(source)
    program = _chosen(top, target, only)
    for broken in source.broken:
        program.findings.append({"id": "syntax_error", "line": broken.line, "detail": broken.message})
    if program.refusal:
        return program
    if program.name:
        program.functions = [
            name for name, nodes in top.all.items() if name in top.own and _takes_model(nodes[-1])
        ]
    roots = [program.name, *program.functions] if program.name else program.functions
    program.body = top.closure(roots)
    for name in sorted(top.twice & {getattr(node, "name", "") for node in program.body}):
        lines = [node.lineno for node in top.all[name]]
        program.findings.append({"id": "defined_twice", "line": lines[-1], "name": name, "lines": lines})
    _misspelt(program, top)
    _undefined(program, top)
    based_on = {_text(base) for node in program.body if isinstance(node, ast.ClassDef) for base in node.bases}
    for owner, function in _functions(program.body):
        program.lines.setdefault(owner + function.name, function.lineno)
        # What others are based on may leave to them what to do.
        if owner[:-1] not in based_on and is_unwritten(function, source):
            program.unwritten[owner + function.name] = function.lineno
    return program


class _Top:
    """The top level of a file: what defines each name, and what that needs."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.all: dict[str, list[Any]] = {}
        self.patches: dict[str, list[ast.stmt]] = {}
        self.wild = False
        self.order: dict[int, int] = {}
        self.own: set[str] = set()
        self.twice: set[str] = set()
        self._read(source.tree.body, True)

    def _read(self, body: Iterable[ast.stmt], outer: bool) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                before = [old for old in self.all.get(node.name, []) if type(old) is type(node)]
                bases = {_text(base) for base in getattr(node, "bases", ())}
                if before and node.name not in bases and not node.decorator_list:
                    self.twice.add(node.name)
                self._add(node.name, node)
                for decorator in node.decorator_list:
                    for name in _names(decorator):
                        self.patches.setdefault(name, []).append(node)
                self.own.add(node.name)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                for alias in node.names:
                    if alias.name == "*":
                        self.wild = True
                    self._add((alias.asname or alias.name).partition(".")[0], node)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets:
                    for part in ast.walk(target):
                        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                            self._add(part.id, node)
                    if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
                        self.patches.setdefault(target.value.id, []).append(node)
            elif isinstance(node, ast.If | ast.Try | ast.With):
                blocks = [getattr(node, part, []) for part in ("body", "orelse", "finalbody")]
                blocks += [handler.body for handler in getattr(node, "handlers", ())]
                if isinstance(node, ast.Try) and any(
                    isinstance(n, ast.Import | ast.ImportFrom) for n in node.body
                ):
                    for block in blocks:
                        for inner in block:
                            for name in _bound(inner):
                                self._add(name, node)
                else:
                    for block in blocks:
                        self._read(block, False)

    def _add(self, name: str, node: ast.stmt) -> None:
        self.all.setdefault(name, []).append(node)
        self.order.setdefault(id(node), len(self.order))

    def definitions(self, name: str) -> list[Any]:
        """The statements that make a name: the last one, and those before that it builds on."""
        nodes = self.all.get(name, [])
        kept = []
        for node in reversed(nodes):
            kept.append(node)
            if not (isinstance(node, ast.ClassDef) and name in {_text(base) for base in node.bases}):
                break
        return [*kept, *self.patches.get(name, [])]

    def closure(self, roots: Iterable[str]) -> list[ast.stmt]:
        """All statements that the roots need, in the order of the file."""
        wanted, nodes = list(roots), {}
        seen: set[str] = set()
        while wanted:
            name = wanted.pop()
            if name in seen:
                continue
            seen.add(name)
            for node in self.definitions(name):
                if id(node) not in nodes:
                    nodes[id(node)] = node
                    wanted += _names(node)
        if self.wild:
            for node in self.all.get("*", []):
                nodes[id(node)] = node
        return sorted(nodes.values(), key=lambda node: self.order.get(id(node), 10**9))


def _text(node: ast.AST) -> str:
    return ast.unparse(node)


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _bound(node: ast.AST) -> Iterator[str]:
    """Every name that a statement binds, anywhere in it."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store | ast.Del):
            yield part.id
        elif isinstance(part, ast.Import | ast.ImportFrom):
            for alias in part.names:
                yield (alias.asname or alias.name).partition(".")[0]
        elif isinstance(part, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield part.name
        elif isinstance(part, ast.arg):
            yield part.arg
        elif isinstance(part, ast.ExceptHandler) and part.name:
            yield part.name
        elif isinstance(part, ast.Global | ast.Nonlocal):
            yield from part.names


def _functions(body: Iterable[ast.stmt]) -> Iterator[tuple[str, Any]]:
    """Each function with its owner, `Class.` or nothing."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield "", node
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"{node.name}.", inner


# Which kind it is


def _features(nodes: Iterable[ast.AST]) -> set[str]:
    """What the code does, told from the names of libraries' functions and operators."""
    found = set()
    for node in nodes:
        for part in ast.walk(node):
            if isinstance(part, ast.BinOp) and isinstance(part.op, ast.MatMult):
                found.add("product")
            word = (
                part.attr if isinstance(part, ast.Attribute)
                else part.id if isinstance(part, ast.Name)
                else part.name.rpartition(".")[0] or part.name if isinstance(part, ast.alias)
                else part.module or "" if isinstance(part, ast.ImportFrom)
                else ""
            )  # fmt: skip
            if (
                isinstance(part, ast.AugAssign)
                and isinstance(part.op, ast.Add)
                and isinstance(part.value, ast.BinOp)
                and isinstance(part.value.op, ast.Mult)
            ):
                found.add("product")
            if word in ("dot", "matmul", "bmm", "einsum", "baddbmm", "tensordot", "inner", "add_product"):
                found.add("product")
            for name, pattern in _PATTERNS.items():
                if re.fullmatch(pattern, word):
                    found.add(name)
    return found


_PATTERNS = {
    "torch": r"torch",
    "numpy": r"np|numpy|cp|jnp",
    "softmax": r"softmax|log_softmax|Softmax|masked_softmax|logsumexp",
    "exp": r"exp|expit|tanh|expm1|exp2",
    "linear": r"Linear|Parameter|ParameterList|empty|randn|rand|xavier_uniform_|Conv1d",
    "ready": r"scaled_dot_product_attention|MultiheadAttention|multi_head_attention_forward",
    "wide": r"LayerNorm|Embedding|ReLU|GELU|relu|gelu|RMSNorm|FeedForward|CrossEntropyLoss|Sequential|BatchNorm1d|Conv2d|LSTM|GRU",
    "transpose": r"T|transpose|swapaxes|mT|permute|t|movedim|einsum",
    "log": r"log|log1p|logaddexp",
    "sqrt": r"sqrt|rsqrt",
    "heads": r".*head.*|.*attn.*|.*attention.*",
    "draws": r"randn|normal|standard_normal|uniform|rand|random|default_rng|RandomState",
    "keras": r"tensorflow|keras|tf|jax|jnp|mxnet|paddle",
    "peer": r"sklearn|MLPClassifier|autograd",
}  # fmt: skip


def _chosen(top: _Top, target: str, only: str) -> Program:
    classes = {
        name: nodes[-1]
        for name, nodes in top.all.items()
        if isinstance(nodes[-1], ast.ClassDef) and name in top.own
    }
    if only:
        classes = {name: node for name, node in classes.items() if name == only}
    scored = []
    for place, (name, node) in enumerate(classes.items()):
        body = top.closure([name])
        whole, self_alone = _features(body), _features([node])
        for kind, score in _scores(name, node, whole, self_alone, body):
            if not target or kind == target:
                scored.append((score, len(body), place, kind, name))
    functions = [
        name for name, nodes in top.all.items() if isinstance(nodes[-1], ast.FunctionDef) and name in top.own
    ]
    if scored and max(scored)[0] > 0:
        _, _, _, kind, name = max(scored)
        return Program(kind, name)
    if only in functions:
        functions = [only]
    used = _features(top.closure(functions))
    if (
        (not only or only in functions)
        and functions
        and {"product", "exp"} <= used
        and "torch" not in used
        and "keras" not in used
    ):
        if target in ("", "two-layer"):
            return Program("two-layer", "", functions)
    return Program("", "", refusal=_refusal(top, classes, functions, target))


def _scores(
    name: str, node: ast.ClassDef, whole: set[str], alone: set[str], body: list[ast.stmt]
) -> Iterator[tuple[str, float]]:
    methods = [part for part in node.body if isinstance(part, ast.FunctionDef)]
    is_module = any(re.search(r"Module|LightningModule", _text(base)) for base in node.bases)
    lowered = name.lower()
    attends = "product" in whole and (whole & {"softmax", "exp", "heads"} or {"transpose", "sqrt"} <= whole)
    if "torch" in whole and (attends or "ready" in whole):
        if not is_module and not any(method.name in ("forward", "__call__") for method in methods):
            return
        score = 2.0
        score += 2 * bool(re.search(r"multi_?head|mha|mhsa", lowered)) + bool(
            re.search("attention|attn", lowered)
        )
        score -= 3 * ("wide" in alone) + 1.5 * ("wide" in whole and "wide" not in alone)
        score -= 1.0 * bool(re.search(r"block|layer$|encoder|decoder|transformer|gpt|model", lowered))
        score += 0.2 * len(re.findall(r"Linear|Parameter|randn", _text(node)))
        # What takes part in another one is less than the whole.
        score += 0.1 * sum(isinstance(part, ast.ClassDef) for part in body)
        yield "attention", score
    elif (
        "torch" not in whole
        and "keras" not in whole
        and {"product"} <= whole
        and whole & {"exp", "softmax", "transpose"}
    ):
        if not {"exp", "softmax"} & whole:
            return
        words = " ".join(method.name.lower() for method in methods)
        score = 1.0
        score += bool(re.search(r"forw|predict|feed|think", words)) + bool(
            re.search(r"back|grad|fit|train", words)
        )
        score += bool(re.search(r"net|nn|mlp|two_?layer|neural|perceptron|classifier|model", lowered))
        score -= 2 * bool(
            re.search(r"trainer|optim|sgd|adam|loss|affine|relu|sigmoid|dense|layer$|data", lowered)
        )
        score += 0.3 * sum(isinstance(part, ast.ClassDef) for part in body)
        score += 0.2 * min(len(methods), 5)
        # The head of attention in NumPy asks for q, k and v, and has no labels to learn from.
        if re.search("attention|attn|multihead|multi_head", lowered):
            return
        yield "two-layer", score


def _refusal(top: _Top, classes: dict[str, Any], functions: list[str], target: str) -> str:
    used = _features(top.source.tree.body)
    text = top.source.text.lower()
    if not classes and not functions:
        return "no class and no function was found; check needs an implementation, written as one of them"
    if "keras" in used:
        return "written for another framework; check takes a network in NumPy, or attention in PyTorch"
    if "torch" in used and target != "attention":
        return (
            "a network in PyTorch is not checked yet; check takes a network in NumPy, or attention in PyTorch"
        )
    if re.search(r"attention|multi_?head", text) or target == "attention":
        return (
            "attention in NumPy is not checked yet; check takes attention in PyTorch, or a network in NumPy"
        )
    return "neither a two-layer network nor multi-head attention was found; name one with --target"


def _takes_model(node: Any) -> bool:
    """Whether a function outside of the class trains or scores an instance that it is given first."""
    if not isinstance(node, ast.FunctionDef) or not node.args.args:
        return False
    first = node.args.args[0].arg.lower()
    return bool(re.fullmatch(r"(my_?)?(net|network|model|nn|mlp|classifier|clf)", first)) and bool(
        re.search(r"train|fit|learn|accur|evaluat|score|test", node.name, re.I)
    )


# What cannot run


def is_unwritten(function: Any, source: Source) -> bool:
    """Whether a function is a form still to be filled in."""
    body = [
        part for part in function.body
        if not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant) and isinstance(part.value.value, str))
    ]  # fmt: skip
    lines = source.text.split("\n")[function.lineno - 1 : function.end_lineno]
    asked = re.search(
        r"TODO|YOUR CODE|FILL (THIS )?IN|여기에|작성하|구현하(세요|시오)|코드를? (작성|입력)",
        "\n".join(lines),
        re.I,
    )

    def empty(part: ast.stmt) -> bool:
        if isinstance(part, ast.Pass):
            return True
        if isinstance(part, ast.Raise):
            return "NotImplemented" in _text(part)
        if isinstance(part, ast.Expr):
            return isinstance(part.value, ast.Constant) or (asked is not None and "print" in _text(part))
        if isinstance(part, ast.Return) and asked:
            return part.value is None or isinstance(
                part.value, ast.Constant | ast.Name | ast.Tuple | ast.Dict
            )
        if isinstance(part, ast.Assign) and asked:
            return isinstance(part.value, ast.Constant) and part.value.value in (None, ...)
        return False

    blank = any(
        isinstance(part, ast.Assign) and isinstance(part.value, ast.Constant)
        and (part.value.value is ... or (part.value.value is None and asked and all(isinstance(t, ast.Name) for t in part.targets)))
        for part in ast.walk(function)
    )  # fmt: skip
    raises = any(isinstance(part, ast.Raise) and "NotImplementedError" in _text(part) for part in body)
    return all(map(empty, body)) or blank or raises


def _slip(name: str, known: Iterable[str] = WORDS) -> str:
    """The name as it was meant, where one of its words is close to a known one but is not; else nothing."""
    parts = re.split(r"(_+)", name)
    mended = []
    for part in parts:
        low = part.lower()
        if len(low) < 5 or low in known or low.rstrip("s") in known or not low.isalpha():
            mended.append(part)
            continue
        near = difflib.get_close_matches(low, known, 1, 0.82)
        mended.append(
            near[0] if near and near[0][0] == low[0] and abs(len(near[0]) - len(low)) <= 2 else part
        )
    made = "".join(mended)
    return made if made != name else ""


def _misspelt(program: Program, top: _Top) -> None:
    """Methods whose name has a slip, or that are called by one; the tree is mended, so that the rest can run."""
    for node in program.body:
        if not isinstance(node, ast.ClassDef):
            continue
        methods = {part.name: part for part in node.body if isinstance(part, ast.FunctionDef)}
        bound = {
            part.attr
            for part in ast.walk(node)
            if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store)
        } | {name for part in node.body if not isinstance(part, ast.FunctionDef) for name in _bound(part)}
        ours = {base.name for base in program.body if isinstance(base, ast.ClassDef)}
        bases = {_text(base) for base in node.bases}
        inherited = (
            bases - {"object", "nn.Module", "torch.nn.Module", "Module"} != set() and not bases <= ours
        )
        for base in program.body:
            if isinstance(base, ast.ClassDef) and base.name in bases:
                bound |= {name for part in base.body for name in _bound(part)}
                bound |= {part.attr for part in ast.walk(base) if isinstance(part, ast.Attribute)}
        uses: dict[str, list[ast.Attribute]] = {}
        for part in ast.walk(node):
            if (
                isinstance(part, ast.Attribute)
                and isinstance(part.ctx, ast.Load)
                and _text(part.value) == "self"
            ):
                uses.setdefault(part.attr, []).append(part)
        renamed = set()
        for wanted, places in uses.items():
            if wanted in methods or wanted in bound or inherited or wanted.startswith("__"):
                continue
            near = [name for name in methods if difflib.SequenceMatcher(None, wanted, name).ratio() >= 0.8]
            called = any(isinstance(part, ast.Call) and part.func in places for part in ast.walk(node))
            if not near or not called:
                continue
            defined = max(near, key=lambda name: difflib.SequenceMatcher(None, wanted, name).ratio())
            # Which of the two is the slip: the one that a known word mends.
            if _slip(defined) and not _slip(wanted):
                line, wrong, right = methods[defined].lineno, defined, wanted
            else:
                line, wrong, right = places[0].lineno, wanted, defined
            renamed.add(defined)
            program.findings.append({"id": "method_misspelt", "line": line, "name": wrong, "meant": right})
            for place in places:
                place.attr = defined
        for name, method in methods.items():
            if "__init__" not in methods and re.fullmatch(
                r"_{1,2}(init|int|inti|intit|ini)_{0,2}|init_{1,2}", name
            ):
                program.findings.append(
                    {"id": "method_misspelt", "line": method.lineno, "name": name, "meant": "__init__"}
                )
                method.name = "__init__"
                continue
            meant = _slip(name)
            if name in renamed or not meant:
                continue
            needed = meant in INTERFACE[program.target] and meant not in methods
            if needed:
                finding = {"id": "method_misspelt", "line": method.lineno, "name": name, "meant": meant}
                program.findings.append(finding)
                if meant == "forward" and name not in uses:
                    method.name = meant


def _undefined(program: Program, top: _Top) -> None:
    """Names that nothing defines, each once with its first line."""
    if top.wild:
        return
    known = set(top.all) | set(dir(builtins)) | {"__file__", "__name__", "__class__"}
    said: dict[str, int] = {}

    def visit(node: ast.AST, bound: set[str]) -> None:
        if isinstance(node, Function):
            inner = bound | set(_bound(node))
            for part in ast.iter_child_nodes(node):
                visit(part, inner)
            return
        if isinstance(node, ast.ClassDef):
            # Names of a class body are seen by its own statements, not inside its methods.
            local = {name for part in node.body if not isinstance(part, Function) for name in _bound(part)}
            for part in ast.iter_child_nodes(node):
                visit(part, bound if isinstance(part, Function) else bound | local)
            return
        if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            bound = bound | set(_bound(node))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in known | bound:
            said.setdefault(node.id, node.lineno)
            said[node.id] = min(said[node.id], node.lineno)
        for part in ast.iter_child_nodes(node):
            visit(part, bound)

    for node in program.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            visit(node, set())
    # What stands in a part that does not parse may well be defined there.
    lost = {name for broken in top.source.broken for name in broken.names}
    for name, line in said.items():
        if name in lost:
            continue
        near = difflib.get_close_matches(name, known - set(dir(builtins)), 1, 0.7)
        program.findings.append(
            {"id": "name_undefined", "line": line, "name": name, "near": near[0] if near else ""}
        )
