"""What learners call a network's functions, by what these do."""

import re
from collections.abc import Collection, Mapping

KINDS = {
    "initialize": (
        r"init(ial\w*)?(_?(params?|parameters|weights?|network|model))?",
        r".*(init|reset|build|create|xavier).*",
    ),
    "forward": (
        r"forward\w*|feed_?forward\w*|__call__",
        r".*(forward|feedforward).*|(.*_)?fwd(_.*)?",
        r"predict_prob\w*|prob\w*",
        r"predict\w*|activate|think|inference|propagate|model|hypothesis|compute_output|output|run|net\w*"
        r"|apply(_(net\w*|model|fn))?",
    ),
    "loss": (
        r"(compute|calc\w*|get)?_?(loss|cost)(_?fn|_function)?",
        r".*(loss|cost|cross_?ent|objective|nll|likelihood).*",
        r"j|ce|.*error.*",
    ),
    "backward": (
        r"back_?(ward|prop)\w*",
        r".*(backward|backprop|back_prop).*",
        r"(compute_|calc\w*_|get_)?(gradients?|grads?)",
        r".*(gradient|grads?|deriv).*",
    ),
    "step": (
        r"train_?(step|batch|on_batch|once|one_batch|one_step)",
        r".*(train|fit|learn|grad\w*)_?(step|batch|once).*",
        r"partial_fit",
        r"step|update\w*|optimi[sz]e\w*|apply\w*",
        r".*(update|gradient_descent|descent|descend|sgd).*",
    ),
    "train": (
        r"train|fit|learn|training",
        r"(train|fit|learn)\w*|.*(train|fit).*",
        r"sgd|run|optimi[sz]e|model|nn_model|gradient_descent|main|loop",
    ),
    "accuracy": (
        r"(compute_|calc\w*_|get_)?accuracy\w*|evaluate\w*",
        r".*(acc|evaluat|scor|metric|correct|정확도|평가).*",
        r"test\w*",
    ),
}
# What functions of a kind call, by which those are told whose names say nothing.
CALLED = {
    "initialize": {"randn", "normal", "standard_normal", "uniform", "rand"},
    "loss": {"log", "log1p", "log2", "logsumexp", "logaddexp"},
    "accuracy": {"argmax"},
}
AVOIDED = re.compile(
    r".*(numeric|num_grad|check|plot|save|load|print|show|draw|display|summary|visual|repr|str|copy"
    r"|get_params|set_params|zero_?grad).*",
    re.I,
)


def rank(name: str, kind: str) -> int | None:
    """How well a name says that a function is of a kind: 0 is best; None where it does not.

    >>> rank("forward_pass", "forward"), rank("predict", "forward"), rank("evaluate", "forward")
    (0, 3, None)
    """
    plain = name.strip("_") or name
    return next((i for i, pattern in enumerate(KINDS[kind]) if re.fullmatch(pattern, plain, re.I)), None)


def says(name: str, kind: str) -> bool:
    """Whether a name says that a function is of a kind.

    >>> says("_backward", "backward"), says("fit", "backward")
    (True, False)
    """
    return rank(name, kind) is not None


def ways(
    functions: list[str], kind: str, *others: str, called: Mapping[str, Collection[str]] | None = None
) -> list[str]:
    """The functions that may be of a kind, likelier ones first; then those of others that may do it too.

    A name that says something else is no candidate; one that says nothing is the last, and of these what
    has `called` in it what functions of the kind call is first.

    >>> ways(["fit", "f", "predict", "forward", "save"], "forward")
    ['forward', 'predict', 'f']
    >>> ways(["f", "g"], "loss", called={"g": {"log"}})
    ['g', 'f']
    """
    found: list[str] = []
    for each in (kind, *others):
        found += [name for name in _ranked(functions, each, called or {}) if name not in found]
    return found


def _ranked(functions: list[str], kind: str, called: Mapping[str, Collection[str]]) -> list[str]:
    made = []
    for place, name in enumerate(functions):
        if AVOIDED.fullmatch(name) or (name.startswith("__") and name != "__call__"):
            continue
        known = rank(name, kind)
        if known is None:
            if any(says(name, other) for other in KINDS):
                continue
            known = len(KINDS[kind]) + CALLED.get(kind, set()).isdisjoint(called.get(name, ()))
        made.append((known, name.startswith("_"), place, name))
    return [name for *_, name in sorted(made)]
