"""What happens in the sandbox: a file is read, the implementation in it found, and run on the probes."""

import ast
import warnings
from typing import Any

from clearhead.checking import attentions, find, networks, source


def answer(job: dict[str, Any], arrays: dict[str, Any], send: Any) -> None:
    """Answer one job: `name` and `text` of a file, its `modules`, a `target` or none, one class `only` or none."""
    content = bytes(arrays["content"])
    read = source.read(job["name"], content)
    modules = {name: source.read(f"{name}.py", bytes(arrays[f"module/{name}"])) for name in job["modules"]}
    program = find.find(read, job.get("target", ""), job.get("only", ""))
    send(
        {
            "part": "found", "target": program.target, "class": program.name, "functions": program.functions,
            "findings": program.findings, "unwritten": program.unwritten, "refusal": program.refusal,
            "notes": read.notes, "lines": read.text.split("\n"), "cells": read.cells, "uses": uses(program),
            "modules": {name: module.text.split("\n") for name, module in modules.items()}, "where": program.lines,
        },
        {},
    )  # fmt: skip
    if program.refusal:
        return
    run = networks.NetworkRun if program.target == "two-layer" else attentions.AttentionRun
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(program, read, modules, send).run()


READY = (
    "scaled_dot_product_attention",
    "MultiheadAttention",
    "multi_head_attention_forward",
    "MLPClassifier",
)


def uses(program: find.Program) -> list[list[Any]]:
    """Ready-made parts that stand for what the learner was to write: their names and lines.

    >>> from clearhead.checking.source import read
    >>> body = read("a.py", b"x = F.scaled_dot_product_attention(q, k, v)").tree.body
    >>> uses(find.Program("attention", "A", body=body))
    [['scaled_dot_product_attention', 1]]
    """
    found = []
    for node in program.body:
        for part in ast.walk(node):
            if isinstance(part, ast.Attribute | ast.Name):
                word = part.attr if isinstance(part, ast.Attribute) else part.id
                if word in READY:
                    found.append([word, part.lineno])
            elif isinstance(part, ast.ImportFrom) and (part.module or "").partition(".")[0] == "clearhead":
                # Its helpers for products are no answer.
                if not (part.module or "").endswith((".linear", ".blas", ".machine")):
                    found.append(["clearhead", part.lineno])
            elif isinstance(part, ast.Import) and any(
                alias.name.partition(".")[0] == "clearhead" for alias in part.names
            ):
                found.append(["clearhead", part.lineno])
    return found
