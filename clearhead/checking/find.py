"""What of a learner's file is the implementation: the classes, functions, constants and imports it needs.

Runs inside the sandbox, on the syntax tree alone; nothing of the file is executed here.
"""

import ast
import re
from dataclasses import dataclass, field
from typing import Any

from clearhead.checking.choosing import choice
from clearhead.checking.closure import TopLevel, bases, functions
from clearhead.checking.companions import Companions, companions
from clearhead.checking.slips import misspelt
from clearhead.checking.source import Source
from clearhead.checking.trainers import MODEL
from clearhead.checking.undefined import undefined, undefined_beside
from clearhead.checking.unwritten import is_unwritten

_TRAINS_OR_SCORES = r"train|fit|learn|acc|evaluat|score|test|학습|훈련|정확도|평가"
_MASK = r"mask|causal|subsequent|future|look_?ahead|peek|마스크"


@dataclass
class Program:
    """The implementation that was found: statements to run, and what to say of the rest."""

    target: str  # "two-layer", "attention", "" where there is none
    name: str  # the class, or attention's function; "" for a network's functions
    functions: list[str] = field(default_factory=list)  # of a network, or those that make weights
    body: list[ast.stmt] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    unwritten: dict[str, int] = field(default_factory=dict)
    refusal: str = ""  # why it is not checked at all
    others: tuple[str, ...] = ()  # classes that may be meant as well
    lines: dict[str, int] = field(default_factory=dict)  # of each function and method
    masks: dict[str, int] = field(default_factory=dict)  # functions beside attention that make causal masks
    beside: list[ast.stmt] = field(default_factory=list)  # what those need
    companions: Companions = field(default_factory=dict)  # classes of what functions are handed


def find(source: Source, target: str = "", only: str = "") -> Program:
    """The implementation in a source: of `target`, or of whatever kind there is; `only` names its class.

    >>> from clearhead.checking.source import read
    >>> text = b"import numpy as np\\nclass Net:\\n  def forward(self, X): return np.exp(X @ self.W)\\n"
    >>> find(read("net.py", text)).name
    'Net'
    """
    top = TopLevel(source)
    chosen = choice(top, target, only)
    program = Program(chosen.target, chosen.name, list(chosen.functions))
    program.refusal, program.others = chosen.refusal, chosen.others
    program.findings = [
        {"id": "syntax_error", "line": broken.line, "detail": broken.message} for broken in source.broken
    ]
    if program.refusal:
        return program
    implementation = top.all[program.name][-1] if program.name else None
    if isinstance(implementation, ast.ClassDef):
        methods = {part.name for part in implementation.body if isinstance(part, ast.FunctionDef)}
        program.functions = [
            n for n, nodes in top.all.items() if n in top.own and _takes_model(nodes[-1], methods)
        ]
    roots = [name for name in (program.name, *program.functions) if name]
    classes = {n: nodes[-1] for n, nodes in top.all.items() if isinstance(nodes[-1], ast.ClassDef)}
    classes.pop(program.name, None)
    program.companions = companions(top.closure(roots), classes)
    handed = {kind for arguments in program.companions.values() for kind in arguments.values()}
    program.body = top.closure([*roots, *sorted(handed)])
    program.masks = _masks(top, top.closure([program.name])) if program.target == "attention" else {}
    program.beside = top.closure(program.masks)
    program.findings += _defined_twice(program.body, top)
    program.findings += misspelt(program.body, program.target)
    program.findings += undefined(program.body, top)
    if chosen.target == "two-layer" and not program.name:
        program.findings += undefined_beside(top)
    _read_functions(program, source)
    return program


def _masks(top: TopLevel, whole: list[ast.stmt]) -> dict[str, int]:
    """The lines of the functions of the file that make triangles for masks, but for those of the whole."""
    nodes = [nodes[-1] for name, nodes in top.all.items() if name in top.own]
    return {
        node.name: node.lineno for node in nodes
        if isinstance(node, ast.FunctionDef) and node not in whole
        and re.search(_MASK, node.name, re.I) and re.search(r"tri[lu]|arange", ast.unparse(node))
    }  # fmt: skip


def _takes_model(node: Any, methods: set[str]) -> bool:
    """Whether a function outside of the class trains or scores an instance that it is given first."""
    if not isinstance(node, ast.FunctionDef) or not node.args.args:
        return False
    first = node.args.args[0].arg
    is_model = re.fullmatch(MODEL, first, re.I)
    if is_model and re.search(_TRAINS_OR_SCORES, node.name, re.I):
        return True
    owned = (part for part in ast.walk(node) if isinstance(part, ast.Attribute))
    called = {part.attr for part in owned if isinstance(part.value, ast.Name) and part.value.id == first}
    return len(called & methods) > 1  # Names that tell nothing: what it calls of it does.


def _defined_twice(body: list[ast.stmt], top: TopLevel) -> list[dict[str, Any]]:
    lines = {
        name: [node.lineno for node in top.all[name]]
        for name in sorted(top.twice & {getattr(node, "name", "") for node in body})
    }
    return [{"id": "defined_twice", "line": at[-1], "name": name, "lines": at} for name, at in lines.items()]


def _read_functions(program: Program, source: Source) -> None:
    """Where each function stands, and which of them are still to be written."""
    based_on = {base for node in program.body for base in bases(node)}
    for owner, function in functions(program.body):
        program.lines.setdefault(owner + function.name, function.lineno)
        # What others are based on may leave to them what to do.
        if owner[:-1] not in based_on and is_unwritten(function, source):
            program.unwritten[owner + function.name] = function.lineno
