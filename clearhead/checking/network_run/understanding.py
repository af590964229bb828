"""Finding out what a learner's functions are, and what the parent is told of it."""

import ast
import re
from typing import Any

import numpy as np

from clearhead.checking.contents import arrays_in, said_path, shape_of
from clearhead.checking.network_run import names
from clearhead.checking.network_run.forward import find_biases, find_forward
from clearhead.checking.network_run.learner import Way
from clearhead.checking.network_run.measures import find_accuracy, find_loss
from clearhead.checking.network_run.network import Network
from clearhead.checking.network_run.updates import find_backward, find_step, find_train

_BIAS = r"(b(ias\w*)?_?\d?|\b(b|bias)_\w+)$"  # how the name of one ends


def understand(network: Network) -> None:
    """Find each function in turn; what was found helps with those that come after it."""
    making = network.making
    if making.late:
        network.plan.ways["train"] = [Way(making.function, making.binding, making.late, "new")]
    find_forward(network)
    find_biases(network)
    find_loss(network)
    find_backward(network)
    find_step(network)
    if not making.late:
        find_train(network)
    find_accuracy(network)


def understood(network: Network) -> dict[str, Any]:
    """What was found out, as it is sent."""
    learner, plan, slots = network.learner, network.plan, network.slots
    functions = {kind: ways[0].name for kind, ways in plan.ways.items()}
    return {
        "part": "understood",
        "sizes": network.sizes,
        "functions": functions,
        "candidates": {kind: names.ways(learner.subject.functions, kind)[:3] for kind in names.KINDS},
        "sure": {kind: learner.sure(kind, name) for kind, name in functions.items()},
        "lines": _lines(network),
        "initialize": network.making.function,
        "shapes": {role: list(shape) for role, shape in slots.shapes.items()},
        "paths": {role: said_path(paths[0]) for role, paths in slots.paths.items()},
        "names": {role: [said_path(path) for path in paths] for role, paths in slots.paths.items()},
        "flipped": slots.flipped,
        "turned": sorted(slots.turned),
        "leftover": _leftover(network),
        "misfit": network.misfit,
        "late": bool(network.making.late),
        "moves": plan.moves,
        "crashes": {
            kind: crash
            for kind, crash in learner.crashes.items()
            if kind not in plan.ways and (kind, crash["function"]) not in learner.ran
        },
        "unwritten": sorted(learner.unwritten),
        "text": _hints(network),
        "sites": [site.row() for site in learner.recorder.sites],
    }


def _lines(network: Network) -> dict[str, int]:
    """Where each function begins."""
    program = network.learner.program
    prefix = f"{program.name}." if program.name else ""
    return {
        name: program.lines.get(prefix + name, program.lines.get(name, 0))
        for name in (*network.learner.subject.functions, *network.learner.subject.helpers)
    }


def _hints(network: Network) -> list[str]:
    """Words of the program that tell what it was meant to be."""
    body = network.learner.program.body
    text = "\n".join(ast.unparse(node) for node in body).lower()
    calls = (part.func for node in body for part in ast.walk(node) if isinstance(part, ast.Call))
    called = any("softmax" in ast.unparse(function).lower() for function in calls)
    alone = ["one by one"] if network.learner.one_by_one else []
    words = (word for word in ("softmax", "outer") if word in text)
    return [*words, *(["softmax()"] if called else []), *alone]


def _leftover(network: Network) -> list[list[Any]]:
    """Arrays beside the parameters whose names are a bias's, with their shapes."""
    own = network.slots.own()
    arrays = ((path, value) for path, value in arrays_in(network.make()) if isinstance(value, np.ndarray))
    found = [(said_path(path), list(shape_of(value))) for path, value in arrays if path not in own]
    named = [[path, shape] for path, shape in found if re.search(_BIAS, path.strip("'])"), re.I)]
    return named[:8]
