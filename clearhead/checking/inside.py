"""What happens in the sandbox: a file is read, the implementation in it found, and run on the probes."""

import ast
import sys
from typing import Any

from clearhead.checking import attentions, find, networks, source


def answer(job: dict[str, Any], arrays: dict[str, Any], send: Any) -> None:
    """Answer one job: `name` and `text` of a file, its `modules`, a `target` or none, one class `only` or none."""
    sys.setrecursionlimit(3000)
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
    if program.target == "two-layer":
        networks.NetworkRun(program, read, modules, send).run()
    else:
        attentions.AttentionRun(program, read, modules, send).run()


def uses(program: find.Program) -> list[list[Any]]:
    """Ready-made parts that stand for what the learner was to write: their names and lines."""
    ready = (
        "scaled_dot_product_attention",
        "MultiheadAttention",
        "multi_head_attention_forward",
        "MLPClassifier",
        "clearhead",
    )
    found = []
    for node in program.body:
        for part in ast.walk(node):
            word = (
                part.attr
                if isinstance(part, ast.Attribute)
                else part.id
                if isinstance(part, ast.Name)
                else ""
            )
            if isinstance(part, ast.ImportFrom | ast.Import):
                names = [alias.name for alias in part.names] + [getattr(part, "module", "") or ""]
                word = next(
                    (
                        name.partition(".")[0]
                        for name in names
                        if name.partition(".")[0] in ready or name in ready
                    ),
                    "",
                )
            if word in ready:
                found.append([word, part.lineno])
    return found
