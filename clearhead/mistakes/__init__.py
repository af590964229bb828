"""The known mistakes: wrong steps in the same grammar as the right ones, and probes, each with its texts.

`texts` holds what is said of each, one file a language: `where`, `what` and `how`, level by level.
"""

import functools
import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clearhead.docstrings import Step, steps_of

LANGUAGES = ("en", "ko")
TARGETS = ("two-layer", "attention")
MODULES = {
    "two-layer": ("two_layer_nn", "mistakes.network"),
    "attention": ("attention", "mistakes.attention"),
}

# A warning is right on ordinary input, a note is a choice; everything else is an error.
WARNINGS = frozenset({"softmax_overflow", "loss_log_of_zero", "init_not_xavier", "fully_masked_row_nan"})
NOTES = frozenset(
    {"init_random_biases", "train_without_shuffling", "last_batch_dropped", "accuracy_as_fraction",
     "projection_shared_by_heads", "residual_added", "another_activation", "defined_twice", "mask_convention"}
)  # fmt: skip


def severity(identity: str) -> str:
    """How bad a mistake is: `error`, `warning` or `note`.

    >>> severity("slope_forgotten"), severity("loss_log_of_zero")
    ('error', 'warning')
    """
    return "warning" if identity in WARNINGS else "note" if identity in NOTES else "error"


@dataclass(frozen=True)
class Mistake:
    """A wrong step, and the id under which it is known."""

    id: str
    step: Step

    @property
    def severity(self) -> str:
        """`error`, `warning` or `note`."""
        return severity(self.id)


@functools.cache
def mistakes_of(target: str) -> tuple[Mistake, ...]:
    """The wrong steps of one target, in the order of their file.

    >>> [mistake.id for mistake in mistakes_of("two-layer") if mistake.step.name == "h"][0]
    'hidden_without_activation'
    """
    module = importlib.import_module(f"clearhead.{MODULES[target][1]}")
    return tuple(Mistake(step.function.__name__.partition("__")[0], step) for step in steps_of(module))


@functools.cache
def texts(language: str) -> Mapping[str, Mapping[str, str]]:
    """What is said of each mistake in a language, by id.

    >>> sorted(texts("en")["slope_forgotten"])
    ['how', 'what', 'where']
    """
    if language not in LANGUAGES:
        raise ValueError(f"language {language!r} is not there; use one of {', '.join(LANGUAGES)}.")
    content = (Path(__file__).parent / f"{language}.json").read_text("utf-8")
    loaded: dict[str, dict[str, str]] = json.loads(content)
    return loaded
