"""What happens in the sandbox: a file is read, the implementation in it found, and run on the probes."""

import ast
import signal
import threading
import types
import warnings
from typing import Any

from clearhead.checking import attention_run, find, network_run, source
from clearhead.checking.factories import as_classes
from clearhead.checking.recorder import line_of
from clearhead.checking.trainers import with_trainers

MOST_LINES, LONGEST_LINE, MOST_TEXT = 50_000, 500, 1 << 18


def answer(job: dict[str, Any], arrays: dict[str, Any], send: Any) -> None:
    """Answer one job: the `name` of a file, its `modules`, a `target` or none, one class `only` or none."""
    content = bytes(arrays["content"])
    read = source.read(job["name"], content)
    modules = {name: source.read(f"{name}.py", bytes(arrays[f"module/{name}"])) for name in job["modules"]}
    for each in (read, *modules.values()):
        each.tree = with_trainers(as_classes(each.tree))
    program = find.find(read, job.get("target", ""), job.get("only", ""))
    send(
        {
            "part": "found", "target": program.target, "class": program.name, "functions": program.functions,
            "findings": program.findings, "unwritten": program.unwritten, "refusal": program.refusal,
            "notes": read.notes, "lines": lines(read.text), "cells": read.cells, "uses": uses(program),
            "modules": {name: lines(module.text) for name, module in modules.items()},
            "where": program.lines, "autograd": autograd(program), "others": program.others,
        },
        {},
    )  # fmt: skip
    if program.refusal:
        return
    _say_where_time_ends(read.name, send)
    run = network_run.NetworkRun if program.target == "two-layer" else attention_run.AttentionRun
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            run(program, read, modules, send).run()
        except Exception:
            raise
        except BaseException as left:  # Such as exit() in a constructor: what is the learner's has a line.
            line = line_of(left, read.name)
            if not line:
                raise
            name = "exit" if isinstance(left, SystemExit) else type(left).__name__
            send({"part": "left", "line": line, "name": name}, {})


def _say_where_time_ends(name: str, send: Any) -> None:
    """Have the line of the file that runs when the seconds of processor are over sent; then it ends."""

    def told(_: int, frame: types.FrameType | None) -> None:
        signal.signal(signal.SIGXCPU, signal.SIG_DFL)
        while frame is not None and frame.f_code.co_filename != name:
            frame = frame.f_back
        if frame is not None:
            send({"part": "stuck", "line": frame.f_lineno}, {})

    if hasattr(signal, "SIGXCPU") and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGXCPU, told)


def lines(text: str) -> list[str]:
    """The lines of a file as they are sent: whole files of ordinary length, and of others the beginning.

    >>> lines("a = 1\\nb = 2"), len(lines("x\\n" * 100_000)), len(lines("x" * 9999)[0])
    (['a = 1', 'b = 2'], 50000, 500)
    """
    left, made = MOST_TEXT, []
    for line in text.split("\n")[:MOST_LINES]:
        made.append(line[: min(LONGEST_LINE, left)])
        left -= len(made[-1])
    return made


READY = (
    "scaled_dot_product_attention",
    "MultiheadAttention",
    "multi_head_attention_forward",
    "MLPClassifier",
)
# What makes gradients by itself.
AUTOGRAD = ("torch", "autograd", "jax", "tensorflow", "tf")
ASKS = ("backward", "grad", "value_and_grad", "vjp", "GradientTape")
LIBRARIES = ("torch", "sklearn")
HELPERS = (".linear", ".blas", ".machine")


def uses(program: find.Program) -> list[list[Any]]:
    """Ready-made parts that stand for what the learner was to write: their names and lines.

    >>> from clearhead.checking.source import read
    >>> body = read("a.py", b"x = F.scaled_dot_product_attention(q, k, v)").tree.body
    >>> uses(find.Program("attention", "A", body=body))
    [['scaled_dot_product_attention', 1]]
    """
    parts = [part for node in program.body for part in ast.walk(node)]
    own = {name for part in parts for name in _own(part)}
    named = ((name, part) for part in parts for name in _ready_made(part))
    return [[name, getattr(part, "lineno", 0)] for name, part in named if name not in own]


def autograd(program: find.Program) -> int:
    """Where a network asks a library for its gradients; 0 if nowhere.

    >>> from clearhead.checking.source import read
    >>> autograd(find.Program("two-layer", "Net", body=read("a.py", b"\\ng = torch.grad(f)").tree.body))
    2
    """
    parts = [part for node in program.body for part in ast.walk(node)]
    named = [part.lineno for part in parts if isinstance(part, ast.Name) and part.id in AUTOGRAD]
    asked = (part for part in parts if isinstance(part, ast.Attribute) and part.attr in ASKS)
    asks = any(not (isinstance(part.value, ast.Name) and part.value.id == "self") for part in asked)
    return min(named, default=0) if asks and program.target == "two-layer" else 0


def _own(part: ast.AST) -> list[str]:
    """The names that a part of the tree gives to the learner's own work."""
    if isinstance(part, ast.ClassDef | ast.FunctionDef):
        return [part.name]
    if isinstance(part, ast.ImportFrom) and _root(part.module) not in (*LIBRARIES, "clearhead"):
        return [alias.asname or alias.name for alias in part.names]
    return []


def _ready_made(part: ast.AST) -> list[str]:
    """The ready-made things that a part of the tree names."""
    if isinstance(part, ast.Attribute | ast.Name):
        words = [part.attr if isinstance(part, ast.Attribute) else part.id]
    elif isinstance(part, ast.ImportFrom):
        # Its helpers for products are no answer.
        if _root(part.module) == "clearhead" and not (part.module or "").endswith(HELPERS):
            return ["clearhead"]
        words = [alias.name for alias in part.names] if _root(part.module) in LIBRARIES else []
    elif isinstance(part, ast.Import):
        return ["clearhead" for alias in part.names if _root(alias.name) == "clearhead"]
    else:
        words = []
    return [word for word in words if word in READY]


def _root(module: str | None) -> str:
    return (module or "").partition(".")[0]
