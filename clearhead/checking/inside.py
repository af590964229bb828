"""What happens in the sandbox: a file is read, the implementation in it found, and run on the probes."""

import ast
import warnings
from typing import Any

from clearhead.checking import attention_run, find, network_run, source


def answer(job: dict[str, Any], arrays: dict[str, Any], send: Any) -> None:
    """Answer one job: the `name` of a file, its `modules`, a `target` or none, one class `only` or none."""
    content = bytes(arrays["content"])
    read = source.read(job["name"], content)
    modules = {name: source.read(f"{name}.py", bytes(arrays[f"module/{name}"])) for name in job["modules"]}
    program = find.find(read, job.get("target", ""), job.get("only", ""))
    send(
        {
            "part": "found", "target": program.target, "class": program.name, "functions": program.functions,
            "findings": program.findings, "unwritten": program.unwritten, "refusal": program.refusal,
            "notes": read.notes, "lines": read.text.split("\n"), "cells": read.cells, "uses": uses(program),
            "modules": {name: module.text.split("\n") for name, module in modules.items()},
            "where": program.lines,
        },
        {},
    )  # fmt: skip
    if program.refusal:
        return
    run = network_run.NetworkRun if program.target == "two-layer" else attention_run.AttentionRun
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(program, read, modules, send).run()


READY = (
    "scaled_dot_product_attention",
    "MultiheadAttention",
    "multi_head_attention_forward",
    "MLPClassifier",
)
HELPERS = (".linear", ".blas", ".machine")


def uses(program: find.Program) -> list[list[Any]]:
    """Ready-made parts that stand for what the learner was to write: their names and lines.

    >>> from clearhead.checking.source import read
    >>> body = read("a.py", b"x = F.scaled_dot_product_attention(q, k, v)").tree.body
    >>> uses(find.Program("attention", "A", body=body))
    [['scaled_dot_product_attention', 1]]
    """
    parts = [part for node in program.body for part in ast.walk(node)]
    own = {part.name for part in parts if isinstance(part, ast.FunctionDef | ast.ClassDef)}
    named = ((_ready_made(part), part) for part in parts)
    return [[name, getattr(part, "lineno", 0)] for name, part in named if name and name not in own]


def _ready_made(part: ast.AST) -> str:
    """The ready-made thing that a part of the tree names; "" if none."""
    if isinstance(part, ast.Attribute | ast.Name):
        word = part.attr if isinstance(part, ast.Attribute) else part.id
        return word if word in READY else ""
    if isinstance(part, ast.ImportFrom):
        # Its helpers for products are no answer.
        modules = [part.module or ""] if not (part.module or "").endswith(HELPERS) else []
    else:
        modules = [alias.name for alias in part.names] if isinstance(part, ast.Import) else []
    return "clearhead" if any(module.partition(".")[0] == "clearhead" for module in modules) else ""
