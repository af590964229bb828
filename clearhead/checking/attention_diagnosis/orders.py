"""Mistakes of the catalogue where values lie in another order: heads or tokens before the sequences."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from clearhead.docstrings import Step
from clearhead.mistakes import Mistake, mistakes_of


@dataclass(frozen=True)
class Reordered(Step):
    """A step whose function says what its formula, which has no words for orders, does not."""

    def evaluate(self, values: Any) -> Any:
        """What the function makes of values by name."""
        return self.function(*(values[name] for name in self.inputs))


def merged_heads_first(heads: Any, A: Any, K: Any) -> Any:
    """Heads, sequences, tokens: read on as sequences of tokens."""
    B, _, T, _ = heads.shape
    return heads.swapaxes(0, 1).reshape(B, T, int(A * K))


def merged_tokens_first(heads: Any, A: Any, K: Any) -> Any:
    """Sequences, heads, tokens: read on as tokens of sequences."""
    B, _, T, _ = heads.shape
    return heads.reshape(T, B, int(A * K)).swapaxes(0, 1)


def merged_side_by_side(heads: Any, A: Any, K: Any) -> Any:
    """Heads whose numbers lie A apart, set side by side across tokens."""
    B, A, T, K = heads.shape
    order = np.arange(A * K).reshape(K, A).T.reshape(-1)
    return heads.reshape(B, T, A * K)[..., order]


def split_tokens_first(values: Any, A: Any, K: Any) -> Any:
    """Tokens of sequences: read on as sequences, heads, tokens."""
    B, T, _ = values.shape
    return values.swapaxes(0, 1).reshape(B, int(A), T, int(K))


def split_keys_turned(values: Any, A: Any, K: Any) -> Any:
    """Tokens and their heads: read on as heads, their numbers and tokens, as the product wants keys."""
    B, T, _ = values.shape
    return values.reshape(B, int(A), int(K), T).swapaxes(-1, -2)


def scores_turned(q: Any, k: Any, K: Any) -> Any:
    """Each key asks, and each query is found."""
    return k @ q.swapaxes(-1, -2) / K**0.5


def weights_of_hidden_queries(scores: Any, turned_alone: Any, before: Any) -> Any:
    """A query that a mask hides attends to all that a causal mask, which comes before, leaves it."""
    filled = np.where(before, scores * turned_alone - 1e9 * (1 - turned_alone), -np.inf)
    powers = np.exp(filled - filled.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


@functools.cache
def reordered_mistakes() -> tuple[Mistake, ...]:
    """The mistakes, each with the formula of the same one in the usual order.

    >>> sorted({mistake.id for mistake in reordered_mistakes()})
    ['attention_transposed', 'mask_on_queries', 'merge_without_transpose', 'split_without_transpose']
    """
    made: list[Mistake] = []
    for mistake in mistakes_of("attention"):
        name = mistake.step.function.__name__
        if mistake.id == "merge_without_transpose":
            others = (merged_heads_first, merged_tokens_first, merged_side_by_side)
            made += [_like(mistake.step, mistake.id, each) for each in others]
        elif mistake.id == "split_without_transpose":
            made.append(_like(mistake.step, mistake.id, split_tokens_first))
            if mistake.step.name == "k":
                made.append(_like(mistake.step, mistake.id, split_keys_turned))
        elif name == "mask_on_queries":
            inputs = ("scores", "turned_alone", "before")
            made.append(_like(mistake.step, mistake.id, weights_of_hidden_queries, inputs=inputs))
        elif name == "scale_without_root":
            made.append(_like(mistake.step, "attention_transposed", scores_turned, formula="k qᵀ / √K"))
    return tuple(made)


def _like(step: Step, identity: str, function: Callable[..., Any], **other: Any) -> Mistake:
    kept = {each.name: getattr(step, each.name) for each in fields(step)}
    return Mistake(identity, Reordered(**{**kept, **other, "function": function}))
