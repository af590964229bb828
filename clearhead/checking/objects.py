"""The source of a class or function that lives in this process; and a check here of one that has none."""

from __future__ import annotations

import ast
import inspect
import json
import linecache
import random
import re
import sys
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clearhead.checking.submissions import Submission
from clearhead.messages import Part
from clearhead.sandbox import Outcome

_HERE = "clearhead_checked_object"


def submission_of(what: Any, only: str = "") -> tuple[Submission, str]:
    """What to check of an object, and the name of its class; no content where its source is nowhere.

    >>> submission, only = submission_of(Submission)
    >>> submission.name, only
    ('submissions.py', 'Submission')
    """
    if not (inspect.isclass(what) or inspect.isfunction(what)):
        kind = type(what)
        if kind.__module__ == "builtins":
            raise TypeError(
                f"check takes a class, a function or a file's path, got {kind.__name__}; pass one of them."
            )
        what = kind  # An instance stands for its class.
    only = only or what.__name__
    file = _file_of(what)
    if Path(file).is_file():
        return Submission.read(Path(file)), only
    cells = _cells()
    if any(re.search(rf"^\s*(class|def)\s+{re.escape(what.__name__)}\b", cell, re.M) for cell in cells):
        return Submission("notebook.ipynb", _notebook(cells)), only
    lines = linecache.getlines(file)
    if any(re.match(rf"\s*(class|def)\s+{re.escape(what.__name__)}\b", line) for line in lines):
        return Submission(f"{what.__name__}.py", "".join(lines).encode("utf-8", "surrogatepass")), only
    return Submission(what.__name__), only


def _file_of(what: Any) -> str:
    """The file, or the cell's name, that the code of a class or function was compiled from."""
    if inspect.isfunction(what):
        return what.__code__.co_filename
    for value in vars(what).values():
        function = getattr(value, "__func__", value)
        if inspect.isfunction(function) and function.__qualname__.startswith(f"{what.__qualname__}."):
            return function.__code__.co_filename
    return str(getattr(sys.modules.get(what.__module__), "__file__", None) or "")


def _cells() -> list[str]:
    """What was run in this notebook, by execution count from 0 on, as it was typed; empty outside of one."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    history = getattr(getattr(shell, "history_manager", None), "input_hist_raw", None)
    return [str(cell) for cell in history] if history else []


def _notebook(cells: Sequence[str]) -> bytes:
    """The cells as a notebook, numbered by execution; of what was run again the last counts."""
    kept = []
    later: set[str] = set()
    for cell in reversed(cells[1:]):
        text, names = _current(cell, later)
        later |= names
        kept.append({"cell_type": "code", "source": text})
    return json.dumps({"cells": kept[::-1]}).encode()


def _current(cell: str, later: set[str]) -> tuple[str, set[str]]:
    """What of a cell still counts, and the names that it makes: not what later cells define anew.

    >>> _current("def f(): return 1\\nA = 2", {"f"})
    ('\\nA = 2', {'A'})
    """
    lines = cell.split("\n")
    clean = "\n".join("" if re.match(r"\s*[%!?]", line) else line for line in lines)
    try:
        tree = ast.parse(clean)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "", set()  # It did not run either.
    names: set[str] = set()
    for node in tree.body:
        made = set(_made(node))
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and made <= later:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            for number in range(first - 1, node.end_lineno or node.lineno):
                lines[number] = ""
        else:
            names |= made
    return ("\n".join(lines), names) if names - later else ("", set())


def _made(node: ast.stmt) -> Iterator[str]:
    """The names that a statement at the top of a cell makes."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield node.name
        return
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            yield part.id
        elif isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store):
            yield ast.unparse(part)  # MyNet.forward = forward
        elif isinstance(part, ast.alias):
            yield (part.asname or part.name).partition(".")[0]


def in_this_process(what: Any, target: str = "") -> Outcome:
    """Run an object on the probes here, without limits, as the sandbox would: outputs alone, no lines."""
    from clearhead.checking.find import Program
    from clearhead.checking.network_run import NetworkRun
    from clearhead.checking.source import Source

    if not (inspect.isclass(what) or inspect.isfunction(what)):
        what = type(what)
    names, functions = _names(what)
    torch = sys.modules.get("torch")
    is_module = torch is not None and inspect.isclass(what) and issubclass(what, torch.nn.Module)
    target = target or ("attention" if is_module else "two-layer")
    # The program is an import of the object itself, from a module that is made for it.
    statement = ast.ImportFrom(_HERE, [ast.alias(name) for name in names], 0)
    program = Program(
        target,
        what.__name__ if inspect.isclass(what) else "",
        functions,
        [ast.fix_missing_locations(statement)],
    )
    source = Source(f"{what.__name__}.py", "", ast.Module([], []))
    parts: list[Part] = [
        ({"part": "found", "target": target, "class": program.name, "functions": functions, "findings": [],
          "unwritten": {}, "refusal": "", "notes": [], "lines": [], "cells": [], "uses": [], "modules": {},
          "where": {}}, {})
    ]  # fmt: skip

    def send(data: dict[str, Any], arrays: dict[str, Any]) -> None:
        # Through JSON, as from another process, so that nothing is shared.
        parts.append(
            (json.loads(json.dumps(data)), {name: np.array(value) for name, value in arrays.items()})
        )

    module = types.ModuleType(_HERE)
    module.__dict__.update(names)
    sys.modules[_HERE] = module
    state, numpy_state = random.getstate(), np.random.get_state()
    try:
        if target == "attention":
            from clearhead.checking.attention_run import AttentionRun

            AttentionRun(program, source, dict.fromkeys(_written_in(what), source), send).run()
        else:
            NetworkRun(program, source, dict.fromkeys(_written_in(what), source), send).run()
    except Exception as error:
        return Outcome(parts, "error", f"{type(error).__name__}: {error}"[:300], "", "none")
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)
        for name in (_HERE, "learner"):
            sys.modules.pop(name, None)
    return Outcome(parts, None, "It finished.", "", "none")


def _written_in(what: Any) -> set[str]:
    """The modules that the object's own code is from, its bases' with it."""
    modules = {base.__module__ for base in getattr(what, "__mro__", ())}
    return {name for name in modules if name.partition(".")[0] not in ("builtins", "torch")}


def _names(what: Any) -> tuple[dict[str, Any], list[str]]:
    """The object under its name; of a function also those that were written beside it."""
    if inspect.isclass(what):
        return {what.__name__: what}, []
    beside = {
        name: value for name, value in what.__globals__.items()
        if inspect.isfunction(value) and value.__globals__ is what.__globals__
    }  # fmt: skip
    return {**beside, what.__name__: what}, list(dict.fromkeys([*beside, what.__name__]))
