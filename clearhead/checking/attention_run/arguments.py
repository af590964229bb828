"""What a learner's attention wants in its constructor and its forward: ways to try, likelier ones first.

Runs inside the sandbox.
"""

import ast
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from clearhead.checking.attention_run.settings import MOST_ASKED, Constants, Settings
from clearhead.checking.binding import Argument, role_of

SIZES = [
    ("A", r"(n|num|no|number_of)?_?(attention_)?heads?|h|nheads?|nh|num_attention_heads|a"),
    ("K", r"d_?[kvq]|head_?(dim|size)|dim_?(per_)?head|depth|(key|value|qkv|k|v)_?(dim|size)|d_head"
          r"|size_per_head"),
    ("T", r"block_?size|context_?(length|size|len)|max_?\w*len\w*|(max_)?seq_?len\w*|n_?ctx|t|context"
          r"|sequence_length|num_tokens|(n|max|num)_?(seq|positions?)|max_position_embeddings|window_size"),
    ("dropout", r".*drop.*|p|dp"),
    ("bias", r".*bias.*"),
    ("device", r"dev(ice)?"),
    ("config", r"config\w*|cfg|args|conf|opt|hparams|params|hp"),
    ("M", r"d_?model|(model|embed\w*|emb|hid(den)?|input|in|out(put)?|feat(ure)?|token|context|n|query|kv)_?"
          r"(dim|size|d|embd|features|channels|units)?s?|dim\w*|d|d_(in|out|embed|emb|hidden)"
          r"|(n|num)_?(embd?|state|feat\w*|hid\w*|units|embeddings?)|all_head_size|width|channels|units|e|m|c|nx"),
]  # fmt: skip
_MORE = r"(_\w{0,6}|\w|in(put)?s?)?"  # after q, k and v: not `keep`, not `valid`
INPUTS = [
    ("flag", r"\w*head_?mask"),  # weighs whole heads
    ("mask", r".*mask.*|m|(\w+_)?pad(ding)?"),
    ("q", rf"x?_?q(uery|ueries|s)?{_MORE}"),
    ("k", rf"x?_?k(ey|eys|s)?{_MORE}"),
    ("v", rf"x?_?v(alues?|als?|s)?{_MORE}"),
    ("flag", r"(return|need|output|use|with|get)_\w+|(is_)?causal\w*|average\w*|verbose|training"),
    ("context", r"context|memory|enc\w*|kv|y|source"),
    ("x", r"x\w*|inputs?|hidden_?states?|emb\w*|tokens?|src|seq\w*|h|data|input_tensor|features?|t|inp"),
]  # fmt: skip
CAUSAL = r"causal|mask|future|autoregressive|decoder|unidirectional"
SCALES = r"((use|do|is|with)_)?scal(e|ed|ing)(_\w+)?"  # off by default: whoever uses it turns it on
LENGTHS = ("A", "M", "K", "T")
GUESSES: dict[int, list[tuple[str, ...]]] = {
    1: [("x",)],
    2: [("x", "mask"), ("q", "k")],
    3: [("q", "k", "v"), ("x", "mask", "flag")],
    4: [("q", "k", "v", "mask")],
}
UNEVEN_HEAD = 7  # with this length the heads together are no token's length
MOST_GUESSES, MOST_PRODUCTS = 30, 80

Way = dict[str, Any]
Roles = list[tuple[str, str]]  # of forward's arguments: the role, then the name


def constructor_ways(
    arguments: Sequence[Argument],
    sizes: Mapping[str, int],
    constants: Constants,
    is_sure: Callable[[], bool],
    used: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Way]:
    """Values for the constructor's arguments; `is_sure` tells that a way failed by the code's own fault.

    `used` are the roles of arguments by their uses, for names that tell nothing.

    >>> from clearhead.checking.binding import arguments_of
    >>> sizes = {"A": 3, "M": 12, "T": 5, "K": 4}
    >>> next(constructor_ways(arguments_of(lambda d_model, num_heads: 0), sizes, {}, lambda: True))
    {'d_model': 12, 'num_heads': 3}
    """
    arguments = [argument for argument in arguments if argument.name != "dtype"]
    chosen = {**sizes, "dropout": 0.1, "bias": True, "device": "cpu"}
    fields = {name: chosen[role] for name, role in used.items() if role in chosen}
    settings = Settings(chosen, SIZES, constants, fields)
    values = {**chosen, "config": settings}
    roles = {name: role or used.get(name, "") for name, role in _roles(arguments, used).items()}
    known = {a.name: values[roles[a.name]] for a in arguments if _is_given(a, roles[a.name])}
    known |= {a.name: True for a in arguments if a.default is False and re.fullmatch(SCALES, a.name)}
    required = [a.name for a in arguments if a.required]
    unknown = [name for name in required if name not in known]
    if not unknown and {"A", "M", "K"} <= {roles[name] for name in known}:
        # The length of a head is free.
        yield {name: UNEVEN_HEAD if roles[name] == "K" else value for name, value in known.items()}
    for order in itertools.islice(itertools.permutations((*LENGTHS, "dropout"), len(unknown)), MOST_GUESSES):
        yield {**known, **_each(unknown, order, values)}
    silent = [a.name for a in arguments if not roles[a.name] and type(a.default) is int]
    for order in itertools.islice(itertools.permutations(LENGTHS, len(unknown + silent)), MOST_GUESSES):
        if silent:
            yield {**known, **_each(unknown + silent, order, values)}
    configured = [name for name in known if roles[name] == "config"] or unknown[:1]
    for name in configured if len(unknown) <= 1 else ():
        yield from _configured(name, known, settings)
    if not unknown and not settings.asked and is_sure():
        return  # All was given by name.
    # A name may mean something else here.
    if 0 < len(required) <= 4:
        for order in itertools.islice(itertools.product(LENGTHS, repeat=len(required)), MOST_PRODUCTS):
            yield _each(required, order, values)
    yield {}


def roles_by_use(constructor: ast.AST) -> dict[str, str]:
    """What names are used as in a constructor, be they fields of a configuration.

    A width is divided by a number of heads, or is what a layer takes or gives beside their product with the
    length of a head, of which the root is taken; a share is dropped.

    >>> code = "def __init__(self, a, b, c):\\n  assert a.w % b == 0\\n  self.d = nn.Dropout(c)"
    >>> sorted(roles_by_use(ast.parse(code)).items())
    [('a', 'config'), ('b', 'A'), ('c', 'dropout'), ('w', 'M')]
    >>> code = "def __init__(self, e, f, g): self.q, self.s = nn.Linear(e, f * g), g ** 0.5"
    >>> sorted(roles_by_use(ast.parse(code)).items())
    [('e', 'M'), ('f', 'A'), ('g', 'K')]
    """
    given = {part.arg for part in ast.walk(constructor) if isinstance(part, ast.arg)} - {"self"}
    found: dict[str, str] = {}
    products: list[set[str]] = []

    def note(part: ast.expr, role: str) -> None:
        """Keep what a name is used as, and that it is a field of an argument."""
        match part:
            case ast.Name(id=name) if name in given:
                found.setdefault(name, role)
            case ast.Attribute(value=ast.Name(id=owner), attr=name) if owner in given:
                found[owner] = "config"
                found.setdefault(name, role)

    for part in ast.walk(constructor):
        match part:
            case ast.BinOp(op=ast.FloorDiv() | ast.Mod(), left=width, right=heads):
                note(width, "M")
                note(heads, "A")
            case ast.Call(func=ast.Attribute(attr="Dropout"), args=[share]):
                note(share, "dropout")
            case ast.Call(func=ast.Attribute(attr="Linear"), args=[one, other, *_]):
                for width, product in ((one, other), (other, one)):
                    if isinstance(product, ast.BinOp) and isinstance(product.op, ast.Mult):
                        note(width, "M")
                        products.append(given & {_name(product.left), _name(product.right)})
            case ast.BinOp(op=ast.Pow(), left=length, right=ast.Constant(value=0.5 | -0.5)):
                note(length, "K")
            case ast.Call(func=ast.Attribute(attr="sqrt"), args=[length]):
                note(length, "K")
    pairs = [pair for pair in products if len(pair) == 2]
    shared = set.intersection(*pairs) if pairs else set()
    for pair in pairs:
        rooted = {name for name in pair if found.get(name) == "K"}
        lengths = rooted or (pair - shared if len(shared) == 1 else set())
        if len(lengths) == 1:
            found |= dict.fromkeys(lengths, "K") | dict.fromkeys(pair - lengths, "A")
    return found


def _name(part: ast.expr) -> str:
    return part.id if isinstance(part, ast.Name) else ""


def _roles(arguments: Sequence[Argument], used: Mapping[str, str]) -> dict[str, str]:
    """What the names of a constructor's arguments say; beside one of queries those of keys are M.

    >>> from clearhead.checking.binding import arguments_of
    >>> _roles(arguments_of(lambda d, n: 0), {}), _roles(arguments_of(lambda N, d: 0), {"N": "A", "d": "M"})
    ({'d': 'M', 'n': 'A'}, {'N': 'A', 'd': 'M'})
    """
    roles = {argument.name: role_of(argument.name, SIZES) for argument in arguments}
    if any(re.fullmatch(r"q(uery)?_?(dim|size)", name) for name in roles):
        for name in roles:
            if re.fullmatch(r"(key|value|k|v)_?(dim|size)", name):
                roles[name] = "M"
    # A letter may stand for anything: beside a width, and with no other, for the number of heads.
    letters = [argument.name for argument in arguments if argument.required and len(argument.name) == 1]
    roles |= {name: used[name] for name in letters if name in used}
    others = [name for name in letters if roles[name] != "M" or [*roles.values()].count("M") > 1]
    if "A" not in roles.values() and "M" in roles.values() and others:
        roles[others[-1]] = "A"
    return roles


def _configured(name: str, known: Way, settings: Settings) -> Iterator[Way]:
    """Ways with a configuration, whose fields of unknown meaning are tried in all orders."""
    yield {**known, name: settings}
    lengths = [settings.value(role) for role in (*LENGTHS, "dropout")]
    done = 0
    while done < len(settings.asked) <= MOST_ASKED:
        asked = list(settings.asked)
        done = len(asked)
        for order in itertools.permutations(lengths, done):
            yield {**known, name: settings.with_guesses(dict(zip(asked, order, strict=True)))}
            if len(settings.asked) > done:
                break


def _is_given(argument: Argument, role: str) -> bool:
    """Whether a constructor's argument gets the value that its name asks for."""
    if argument.required:
        return bool(role)
    if argument.default is None:
        return role in LENGTHS and role != "K"
    is_number = isinstance(argument.default, int | float) and not isinstance(argument.default, bool)
    return is_number and (role == "dropout" or (role in LENGTHS and isinstance(argument.default, int)))


def _each(names: Sequence[str], roles: Sequence[str], values: Mapping[str, Any]) -> Way:
    return {name: values[role] for name, role in zip(names, roles, strict=True)}


def flags_of(arguments: Sequence[Argument]) -> list[str]:
    """Arguments that turn something on, such as a causal mask.

    >>> from clearhead.checking.binding import arguments_of
    >>> flags_of(arguments_of(lambda x, causal=False, need_weights=False, bias=True: 0))
    ['causal']
    """
    return [
        a.name for a in arguments
        if a.default is False and (re.search(CAUSAL, a.name, re.I) or not (
            role_of(a.name, SIZES) or role_of(a.name, INPUTS)))
    ]  # fmt: skip


def forward_ways(arguments: Sequence[Argument]) -> Iterator[Roles]:
    """Roles for the arguments of forward.

    >>> from clearhead.checking.binding import arguments_of
    >>> next(forward_ways(arguments_of(lambda x, mask=None: 0)))
    [('x', 'x'), ('mask', 'mask')]
    """
    roles = [(role_of(argument.name, INPUTS), argument) for argument in arguments]
    named = [
        (role, argument.name) for role, argument in roles
        if role and (argument.required or role in ("mask", "q", "k", "v", "context"))
    ]  # fmt: skip
    masks = [("mask", argument.name) for role, argument in roles if role == "mask"]
    # What may be left out, and has a name that tells nothing, may be a mask.
    silent = [("mask", a.name) for role, a in roles if not role and not a.required and a.default is None]
    if named and all(role for role, argument in roles if argument.required):
        yield named + ([] if masks else silent)
        if any(role == "context" for role, _ in named):
            yield [pair for pair in named if pair[0] != "context"]
    required = [argument.name for argument in arguments if argument.required]
    for guess in GUESSES.get(len(required), ()):
        made = list(zip(guess, required, strict=True))
        if "mask" not in guess:
            yield made + [pair for pair in masks or silent if pair not in made]
        yield made
