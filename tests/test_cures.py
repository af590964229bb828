"""What is told of an exception: the words of the libraries that are installed."""

import re

import numpy as np
import pytest
import torch

from clearhead.checking.cures import CURES, cure_of
from clearhead.checking.findings import Finding
from clearhead.checking.report import Report
from clearhead.checking.telling import Telling
from clearhead.checking.wording import Wording
from clearhead.mistakes import LANGUAGES, texts

SLIPS = {
    "class M(torch.nn.Module):\n  def __init__(self): self.q = torch.nn.Linear(2, 2)\nM()": ("super", ""),
    "class M(torch.nn.Module):\n  def __init__(self): self.q = torch.nn.Parameter(torch.ones(2))\nM()":
        ("super", ""),
    "a = None\na + 1.0": ("none", ""),
    "a, b = None": ("none", ""),
    "class N:\n  def step(): pass\nN().step()": ("method", "step"),
    "def loss(y, t): pass\nloss(1)": ("given", "loss"),
    "def loss(y, t): pass\nloss(1, 2, 3)": ("given", "loss"),
    "def loss(y): pass\nloss(y=1, z=2)": ("given", "loss"),
    "np.soft": ("not_there", "numpy"),
    "np.ones(2).append(3)": ("not_there", "numpy.ndarray"),
    "torch.ones(2).astype(float)": ("not_there", "Tensor"),
    "[1].shape": ("not_there", "list"),
    "class N: pass\nN().db1": ("attribute", "db1"),
    "{'W1': 1}['dW1']": ("key", "'dW1'"),
    "def f():\n  b1 += 1\nf()": ("local", "b1"),
    "np.ones((4, 3)) @ np.ones((4, 3))": ("product", ""),
    "np.dot(np.ones((4, 3)), np.ones((4, 3)))": ("product", ""),
    "torch.ones(4, 3) @ torch.ones(4, 3)": ("product", ""),
    "torch.ones(2, 4, 3) @ torch.ones(2, 4, 3)": ("product", ""),
    "torch.ones(3, 4).T.view(12)": ("view", ""),
    "np.ones(5).reshape(2, 3)": ("reshape", ""),
    "torch.ones(5).view(2, 3)": ("reshape", ""),
    "np.ones((4, 3)) + np.ones((4, 2))": ("shapes", ""),
    "a = np.ones(3)\na += np.ones((4, 3))": ("shapes", ""),
    "np.ones((4, 3))[:, :2] = np.ones((4, 3))": ("shapes", ""),
    "torch.ones(4, 3) + torch.ones(4, 2)": ("shapes", ""),
    "np.ones(3).sum(axis=1)": ("axis", ""),
    "torch.ones(3).softmax(1)": ("axis", ""),
    "a, b, c = np.ones((4, 3)).shape": ("unpack", ""),
    "np.ones(3)[4]": ("index", ""),
    "W = np.ones(3)\nW(2)": ("called", ""),
    "a = np.zeros(3, dtype=int)\na += np.ones(3) / 2": ("whole", ""),
    "a = torch.zeros(3, dtype=torch.long)\na += 0.5": ("whole", ""),
    "torch.nn.Linear(2, 2)(torch.ones(2).double())": ("precision", ""),
    "def f(): return f()\nf()": ("endless", ""),
}  # fmt: skip


@pytest.mark.parametrize("code", SLIPS)
def test_the_words_of_an_exception_tell_its_cure(code):
    with pytest.raises(Exception) as raised:  # noqa: PT011
        exec(code, {"np": np, "torch": torch})
    assert cure_of(f"{type(raised.value).__name__}: {raised.value}") == SLIPS[code]


def test_each_cure_has_a_slip_and_a_text_in_each_language():
    assert {key for key, _ in SLIPS.values()} == {*CURES} == {*texts("en")["cures"]}


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_exception_whose_words_tell_nothing_gets_the_general_cure(language):
    words = Wording(language)
    for message, cure in (
        ("KeyError: 'dW1'", words.line("cures", "key", {"name": "'dW1'"})),
        ("ValueError: no", words.level("crash", "how", {})),
    ):
        finding = Finding("crash", line=3, values={"message": message, "function": "train"})
        told = Telling(Report("net.py", "two-layer", "Net", findings=[finding]), words).message(finding)
        assert message in told
        assert told.lower().endswith(cure.lower())


@pytest.mark.parametrize("language", LANGUAGES)
def test_cures_are_short_sentences(language):
    for text in texts(language)["cures"].values():
        assert len(text) <= 130
        assert re.search(r"(세요|니다)\.$" if language == "ko" else r"^[A-Z][a-z]+ .*\.$", text), text
