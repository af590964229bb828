"""What holds for any mask: a hidden token changes no other, and hiding none changes nothing."""

import re
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.attention_diagnosis.answer import AttentionAnswer
from clearhead.checking.findings import Verdict

CLOSE = 1e-8


def judge_by_laws(answer: AttentionAnswer, verdict: Verdict, name: str) -> None:
    """Say whether a mask keeps the laws in one of its forms, where nothing else can be said."""
    taken = [arrays for data, arrays in answer.parts.get("hidden", []) if data["argument"] == name]
    plain = [arrays["out0"] for _, arrays in answer.observed("self", probes.SEEDS[0]) if "out0" in arrays]
    seen = [arrays for arrays in taken if np.isfinite(arrays["before"]).any()]
    if not seen or not plain or not is_mask(name):
        verdict.check("mask", "not_checked", "not_understood")
    elif any(_is_kept(arrays) and _is_same(arrays["open"], plain[0]) for arrays in seen):
        verdict.check("mask", "pass", "mask_keeps", {"name": name})
    elif not any(map(_is_kept, seen)):
        verdict.check("mask", "fail", "mask_leaks", {"name": name})
    else:
        verdict.check("mask", "not_checked", "not_understood")


def _is_kept(arrays: Any) -> bool:
    """Whether no other token follows the first one, which is hidden."""
    return _is_same(arrays["before"][:, 1:], arrays["after"][:, 1:])


def _is_same(one: Any, other: Any) -> bool:
    return one.shape == other.shape and np.allclose(one, other, atol=CLOSE) and bool(np.isfinite(one).all())


def is_mask(name: str) -> bool:
    """Whether an argument's name says that it takes a mask; another one may be there for anything.

    >>> [is_mask(name) for name in ("key_padding_mask", "valid_lens", "attn_bias", "마스크", "cache")]
    [True, True, True, True, False]
    """
    return bool(re.search(r"mask|pad|valid|keep|^m$|att(entio)?n_bias|마스크|패딩", name, re.I))
