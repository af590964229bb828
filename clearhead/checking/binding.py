"""What a learner's function wants in each of its arguments, by name where names tell, else by trying.

Runs inside the sandbox.
"""

import inspect
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

# The first pattern that fits the whole name, lower case and without underscores at its ends, decides.
NETWORK = [
    ("X_val", (
        r"(x|images?|inputs?|data)_?(va?l?|valid\w*|te|test\w*|dev)"
        r"|(va?l?|valid\w*|te|test|dev)_?(x|images?|inputs?|data|features?)"
    )),
    ("Y_val", (
        r"(y|t|labels?|targets?)_?(va?l?|valid\w*|te|test\w*|dev)"
        r"|(va?l?|valid\w*|te|test|dev)_?(y|t|labels?|targets?)"
    )),
    ("shape", (
        r"(layer|layers|network|net)_?(sizes?|dims?|structure|units|shape)?|sizes|dims"
        r"|structure|architecture|topology"
    )),
    ("y", (
        r"l_?2|layer_?2|y_?(hat|pred\w*|prob\w*|out\w*|p|h)|(y_?)?pred\w*|prob\w*|p|outputs?"
        r"|out|a_?2|al|o|a_?out|output_(layer|values?|activations?)|scores?|softmax\w*|yhat"
        r"|ypred\w*"
    )),
    ("z2", r"z_?2|logits?|z_?out"),
    ("z1", r"z_?1|z_?h(idden)?|hidden_(in|input|sum|z)"),
    ("h", (
        r"l_?1|layer_?1|h_?1?|a_?1|hidden_?(out\w*|layer(?!\w*(size|dim|unit|node))\w*|act\w*|values?|units?_out)?"
        r"|a_?h(idden)?|h_?out"
    )),
    ("amb", r"y"),
    ("Y", (
        r"y_?(true|train|tr|batch|b|data|one_?hot|onehot|oh|enc\w*|label\w*|real|mini|i|gt|actual|expected|t|s|cls|int)"
        r"|labels?|targets?|t|t_?(batch|train)|truth|ground_truth|gt|yb|actual|expected"
        r"|answers?|label_\w+|target_\w+|one_?hot\w*|(train|tr)_?(y|t|labels?|targets?)"
    )),
    ("X", (
        r"x_?(train|tr|batch|b|data|mini|in|input|s|i|new)?|inputs?|data|features?|images?"
        r"|a_?0|l_?0|layer_?0|examples?|input_(data|layer|vector)|samples?|xb|(train|tr)_?(x|images?|inputs?|data|features?)"
    )),
    ("cache", (
        r"cache\w*|ff_?dict|memory|mem|intermediate\w*|forward_\w+|activations?|saved|stored?"
        r"|fwd\w*|tape|ctx|context|trace"
    )),
    ("grads", r"grads?|gradients?|dparams|deltas?|grad_\w+|g"),
    ("dW1", r"d_?w_?1|grad_?w_?1|w_?1_?grad"),
    ("db1", r"d_?b_?1|grad_?b_?1"),
    ("dW2", r"d_?w_?2|grad_?w_?2|w_?2_?grad"),
    ("db2", r"d_?b_?2|grad_?b_?2"),
    ("W1", r"w_?1|w_?(h|ih|xh|hidden)|weights?_?1|weights_(input_)?hidden"),
    ("b1", r"b_?1|b_?h|bias_?1|bias_hidden"),
    ("W2", r"w_?2|w_?(o|ho|hy|out|output)|weights?_?2|weights_(hidden_)?output"),
    ("b2", r"b_?2|b_?o(ut)?|bias_?2|bias_output"),
    ("params", r"params?|parameters?|weights|theta|model|net|network|w|nn|state"),
    ("lr", r"(initial_?)?(learn\w*_?rate|lr)(_?(init|0))?|alpha|eta|step(_?size)?|rate|l_?rate|epsilon"),
    ("epochs", r"(n|num|number_of|max|no|nb|total)?_?(epochs?|iter\w*|steps?|passes)"),
    ("batch", r"size|(mini_?)?batch(_?size)?|bs|b_?size|minibatch_?size|size_of_batch"),
    ("reg", r"reg\w*|lambda\w*|lambd|lamb?da|lam|lmbda|l_?2\w*|weight_?decay|wd|lamda"),
    ("log", r"(log|print|report|display|show)_?(interval|every|freq\w*|cost|step)?|verbose|interval"),
    ("rng", r"rng|gen(erator)?|random_?generator|prng"),
    ("seed", r"(random_?)?(seed|state)|random"),
    ("config", r"config|cfg|conf|args|opts?|options|hp|hparams|settings"),
    ("D", (
        r"(n|num|d|no)?_?(in|inputs?|features?|x|i|input_?(nodes?|units?|neurons?|features?))"
        r"|input\w*|(in|d)_?(dim\w*|features?|size|nodes|units|channels?)?|dim_in|n_?x"
        r"|num_?features?|d|n0"
    )),
    ("H", (
        r"(n|num|d|no)?_?(h|hid|hiddens?|hidden\w*)|hid\w*|(h|hid)_?(dim\w*|size|nodes|units)"
        r"|dim_h\w*|n_?h\d?|n1|num_units|units|neurons|hdim"
    )),
    ("C", (
        r"(n|num|d|no)?_?(out|outputs?|o|y|c|class\w*|output_?(nodes?|units?|neurons?))"
        r"|output\w*|out_?\w*|(c|o)_?(dim\w*|size)|num_?(class\w*|labels?|outputs?)"
        r"|n_?class\w*|dim_out|n_?y|classes|n_?c|k|n2"
    )),
    ("N", r"m|n|(m|n|num|no|number_of)_?(samples?|examples?|train\w*|data|m|n)?|sample_?(size|count)"),
]  # fmt: skip
SIZED = {"X": "D", "h": "H", "y": "C", "Y": "C", "amb": "C"}  # sizes of what is named so
# What later steps make, and nothing else can stand in for.
_PARTS = frozenset(("W1", "b1", "W2", "b2"))
LATE = ("grads", "cache", "dW1", "db1", "dW2", "db2", "net")


def role_of(name: str, table: Sequence[tuple[str, str]] = NETWORK) -> str:
    """What a name of an argument says; nothing where it says nothing.

    >>> role_of("X_batch"), role_of("learning_rate"), role_of("zyx")
    ('X', 'lr', '')
    """
    plain = re.sub(r"^nn_", "", name.strip("_"))
    for role, pattern in table:
        if re.fullmatch(pattern, plain, re.I):
            return role
    return ""


def strengths(names: Iterable[str]) -> set[str]:
    """Names that would say the learning rate by themselves, and say a penalty's strength beside one.

    >>> strengths(["alpha", "learning_rate"]), strengths(["alpha"])
    ({'alpha'}, set())
    """
    rates = {name for name in names if role_of(name) == "lr"}
    vague = {name for name in rates if name.strip("_").lower() == "alpha"}
    return vague if any(map(names_rate, rates - vague)) else set()


def names_rate(name: str) -> bool:
    """Whether a name can be nothing but a learning rate's.

    >>> names_rate("learning_rate"), names_rate("alpha")
    (True, False)
    """
    return role_of(name) == "lr" and re.search("rate|lr|eta", name, re.I) is not None


class Argument:
    """One argument of a function."""

    def __init__(self, name: str, required: bool, only_named: bool, default: Any, table: Any) -> None:
        self.name, self.required, self.only_named, self.default = name, required, only_named, default
        self.role = role_of(name, table)
        if not required and isinstance(default, float | int) and not isinstance(default, bool):
            # `l2` is a strength where it has a default, a layer where it has none; `h=100` is a size.
            is_strength = re.fullmatch(r"l_?2", name.strip("_"), re.I)
            self.role = "reg" if is_strength else SIZED.get(self.role, self.role)
            if self.role == "N":  # Examples are counted: a number of them has no default.
                self.role = ""


def arguments_of(function: Any, table: Any = NETWORK) -> list[Argument]:
    """The arguments of a function, a bound method or a class, `self` left out.

    >>> [argument.role for argument in arguments_of(lambda X, y_true, lr=1: 0)]
    ['X', 'Y', 'lr']
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    arguments = [
        Argument(p.name, p.default is p.empty, p.kind is p.KEYWORD_ONLY, p.default, table)
        for p in parameters
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    pulling = strengths(argument.name for argument in arguments)
    for argument in arguments:
        argument.role = "reg" if argument.name in pulling else argument.role
    return arguments


def bindings(
    arguments: Sequence[Argument],
    pool: Sequence[str],
    optional: Sequence[str] = (),
    most: int = 60,
    handed: Mapping[str, str] | None = None,
) -> Iterator[dict[str, str]]:
    """Ways to give a function's arguments roles of a pool, likelier ones first.

    An argument whose name tells its role, and every optional one that is wanted, gets it; the others
    get what is left of the pool in all orders, its own order first. What the learner's own code has
    `handed` over comes before all that.

    >>> arguments = arguments_of(lambda a, X: 0)
    >>> next(bindings(arguments, ["X", "Y"]))
    {'X': 'X', 'a': 'Y'}
    """
    told = _told(arguments, pool, optional)
    if handed and not handed.items() <= told.items():
        others = [argument for argument in arguments if argument.name not in handed]
        left = [role for role in pool if role not in handed.values()]
        yield from _ways(arguments, pool, {**_told(others, left, optional), **handed}, most)
    yield from _ways(arguments, pool, told, most)
    # What is to validate with may be of some other form; it may be left out.
    without = _told(arguments, pool, [role for role in optional if not role.endswith("_val")])
    if without != told:
        yield from _ways(arguments, pool, without, most)


def _ways(
    arguments: Sequence[Argument], pool: Sequence[str], fixed: dict[str, str], most: int
) -> Iterator[dict[str, str]]:
    """All orders of what is left for arguments of which nothing is known."""
    required = [argument.name for argument in arguments if argument.required]
    if any(a.required and a.role in LATE and a.name not in fixed for a in arguments):
        return
    open_ = [name for name in required if name not in fixed]
    left = [role for role in pool if role not in fixed.values()]
    count = 0
    for roles in itertools.islice(_orders(left, len(open_)), most):
        count += 1
        yield {**fixed, **dict(zip(open_, roles, strict=True))}
    if fixed and open_ and count < most:
        # What a name seems to say may be wrong: all in the pool's order.
        for roles in itertools.islice(_orders(pool, len(required)), most):
            yield dict(zip(required, roles, strict=True))


def _orders(pool: Sequence[str], count: int) -> Iterator[tuple[str, ...]]:
    """All choices of some roles in all orders, but for parameters both as a whole and in parts."""
    for roles in itertools.permutations(pool, count):
        if "params" not in roles or _PARTS.isdisjoint(roles):
            yield roles


def _told(arguments: Sequence[Argument], pool: Sequence[str], optional: Sequence[str]) -> dict[str, str]:
    """The roles that names tell, each given once."""
    fixed: dict[str, str] = {}
    for argument in arguments:
        wanted = argument.required or argument.role in optional
        if wanted and argument.role in (*pool, "rng", "config") and argument.role not in fixed.values():
            fixed[argument.name] = argument.role
    # A `y` beside labels is what was predicted, beside a prediction it is the labels; beside `y`, `Y` is.
    for argument in sorted(arguments, key=lambda argument: argument.name.strip("_") != "Y"):
        free = [role for role in ("Y", "y") if role in pool and role not in fixed.values()]
        if argument.role == "amb" and free and (argument.required or "Y" in optional):
            fixed[argument.name] = free[0]
    return fixed


def call(function: Any, binding: dict[str, str], values: dict[str, Any]) -> Any:
    """Call a function with the values of its arguments' roles.

    >>> call(lambda a, b: a - b, {"a": "X", "b": "Y"}, {"X": 3, "Y": 1})
    2
    """
    names = [argument.name for argument in arguments_of(function) if argument.name in binding]
    try:
        return function(**{name: values[binding[name]] for name in names})
    except Exception:
        raise
    except BaseException as left:
        what = "calls exit()" if isinstance(left, SystemExit) else f"raises {type(left).__name__}"
        error = RuntimeError(f"it {what}, which would end whatever uses it")
        raise error.with_traceback(left.__traceback__) from None
