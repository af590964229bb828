"""Submissions that try to pass without being right, or to do harm: each is stopped or fails, and is named."""

import os
import tracemalloc
from pathlib import Path

import pytest
from programs import NETWORK

from clearhead.checking import run
from clearhead.checking.run import Checker, report_of
from clearhead.checking.submissions import Submission
from clearhead.sandbox import Outcome


@pytest.fixture(scope="module")
def checker():
    with Checker("full") as made:
        yield made


@pytest.fixture
def isolated(checker):
    """A checker whose isolation is full; without it a test is skipped, or fails if it is required."""
    report = checker.check(Submission("net.py", NETWORK.encode()))
    if report.isolation != "full":
        if "isolation" in os.environ.get("CLEARHEAD_REQUIRE", ""):
            pytest.fail(f"isolation is {report.isolation}: {report.why}")
        pytest.skip(f"isolation is {report.isolation} here")
    return checker


def with_forward(body):
    """The right network, whose forward first does something else."""
    lines = body.strip("\n").split("\n")
    marker = "    def forward(self, X):\n"
    return NETWORK.replace(marker, marker + "".join(f"        {line}\n" for line in lines))


def wrong(text):
    """The same with a mistake in it."""
    return text.replace("* self.h * (1 - self.h)", "")


CHEATS = {
    "frames are searched for an answer": """
import sys
frame = sys._getframe()
while frame is not None:
    for name, value in list(frame.f_locals.items()):
        if "expected" in name or "right" in name or "verdict" in name:
            raise KeyError(name)
    frame = frame.f_back
""",
    "objects in memory are searched": """
import gc
for thing in gc.get_objects():
    if type(thing).__name__ in ("Verdict", "Finding", "Mistake", "Step"):
        thing.__dict__.clear()
""",
    "comparisons are patched": """
np.allclose = np.array_equal = np.isclose = lambda *a, **k: True
np.linalg.norm = lambda *a, **k: 0.0
""",
    "the recorder is silenced": """
import sys
sys.modules["learner"].__dict__["__record__"] = lambda site, value: value
""",
    "the reference is imported": """
try:
    from clearhead import TwoLayerNN
    self.__class__ = TwoLayerNN
except ImportError:
    pass
""",
    "modules are replaced": """
import sys
for name in list(sys.modules):
    if "clearhead" in name:
        sys.modules[name] = None
""",
}


@pytest.mark.parametrize("how", CHEATS)
def test_a_wrong_network_does_not_pass_by_a_trick(checker, how):
    report = checker.check(Submission("net.py", wrong(with_forward(CHEATS[how])).encode()))
    assert not report.passed, how


STOPPED = {
    "it leaves early": ("import os\nos._exit(0)", "stopped"),
    "it exits": ("raise SystemExit(0)", "forward"),
    "it never ends": ("while True: pass", "stopped"),
    "it prints without end": ("while True: print('x' * 100000)\n", "stopped"),
    "it takes all memory": ("self.big = [bytearray(1 << 28) for _ in range(100)]", ""),
    "it recurses": ("return self.forward(X)", "forward"),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", STOPPED)
def test_what_does_not_end_by_itself_is_stopped_and_does_not_pass(checker, what):
    report = checker.check(Submission("net.py", with_forward(STOPPED[what][0]).encode()))
    assert not report.passed
    assert report.exit_code in (1, 2)
    assert checker.check(Submission("net.py", NETWORK.encode())).passed, "the next one is checked as ever"


@pytest.mark.parametrize("how", ["raise SystemExit(0)", "raise ValueError('=1+1')", "return 'x' * 1000"])
def test_what_matters_and_was_not_seen_is_not_without_errors(checker, how):
    report = checker.check(Submission("net.py", with_forward(how).encode()))
    assert not report.passed
    assert report.exit_code in (1, 2)


OUTSIDE = {
    "it reads a file": "open('/etc/passwd').read()",
    "it lists a folder": "import os\nos.listdir('/root')",
    "it writes a file": "open('/tmp/clearhead_was_here', 'w').write('x')",
    "it calls home": "import socket\nsocket.create_connection(('127.0.0.1', 9), 1)",
    "it starts a process": "import subprocess\nsubprocess.run(['true'])",
    "it kills its parent": "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)",
}


@pytest.mark.parametrize("what", OUTSIDE)
def test_full_isolation_refuses_what_reaches_outside(isolated, what):
    report = isolated.check(Submission("net.py", with_forward(OUTSIDE[what]).encode()))
    assert not report.passed
    assert not Path("/tmp/clearhead_was_here").exists()
    crashed = [finding for finding in report.findings if finding.id == "crash"]
    assert crashed
    assert "Permission" in crashed[0].values["message"] or "not permitted" in crashed[0].values["message"]


def test_a_refused_attempt_that_is_caught_changes_nothing(isolated):
    text = with_forward("try:\n    open('/etc/passwd').read()\nexcept OSError:\n    pass")
    assert isolated.check(Submission("net.py", text.encode())).passed


def test_a_file_that_trains_for_ever_when_imported_is_checked(checker):
    text = NETWORK + "\nimport time\nwhile True:\n    time.sleep(1)\n"
    assert checker.check(Submission("net.py", text.encode())).passed


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 100, b"((((" * 5000, b"x = " + b"-" * 20000 + b"1", b"\xff\xfe\x00"]
)
def test_a_file_that_exhausts_a_parser_is_refused(checker, content):
    report = checker.check(Submission("net.py", content))
    assert not report.passed
    named = [finding.id for finding in report.findings]
    assert report.exit_code == 2 or named[0] in ("syntax_error", "stopped_memory")


@pytest.mark.parametrize("number", ["np.inf", "np.nan", "1e300", "0"])
def test_gradients_that_are_no_numbers_or_all_zero_are_wrong(checker, capfd, number):
    text = NETWORK.replace("* self.h * (1 - self.h)", f"* {number}")
    report = checker.check(Submission("net.py", text.encode()))
    assert capfd.readouterr() == ("", ""), "LAPACK prints where it is given nan"
    assert [finding.severity for finding in report.findings] == ["error"]
    assert {check.name: check.status for check in report.checks}["backward"] == "fail"
    assert "nan" not in str(report)


ATTENTION = """
import math
import torch
import torch.nn.functional as F
from torch import nn

class MultiHeadAttention(nn.Module):
    def __init__(self, d_model, num_heads):
        super().__init__()
        self.heads, self.size = num_heads, d_model // num_heads
        self.wq, self.wk, self.wv = (nn.Linear(d_model, d_model) for _ in range(3))
        self.wo = nn.Linear(d_model, d_model)

    def forward(self, x):
        B, T, M = x.shape
        q, k, v = (w(x).view(B, T, self.heads, -1).transpose(1, 2) for w in (self.wq, self.wk, self.wv))
        made = torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(self.size), dim=-1) @ v
        return self.wo(made.transpose(1, 2).reshape(B, T, M))
"""
BY_HAND = "torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(self.size), dim=-1) @ v"
READY_MADE = {
    "by its name": "F.scaled_dot_product_attention(q, k, v)",
    "by another name": "sdpa(q, k, v)",
    "by a name that is put together": "getattr(F, 'scaled_dot_' + 'product_attention')(q, k, v)",
    "by what lies below it": "torch._scaled_dot_product_attention_math(q, k, v)[0]",
}


@pytest.mark.parametrize("how", READY_MADE)
def test_ready_made_attention_is_reported_whatever_it_is_called_by(checker, how):
    text = ATTENTION.replace(BY_HAND, READY_MADE[how])
    text += f"\n    def by_hand(self, q, k, v):\n        return {BY_HAND}\n"
    if "sdpa(" in text:
        text = f"from torch.nn.functional import scaled_dot_product_attention as sdpa\n{text}"
    report = checker.check(Submission("mha.py", text.encode()))
    assert [finding.id for finding in report.findings] == ["ready_made"], report
    assert report.findings[0].values == {"name": "scaled_dot_product_attention"}


def test_a_ready_made_module_is_an_error_by_another_name_too(checker):
    text = f"from torch.nn import MultiheadAttention as A\n{ATTENTION}"
    text = (
        text[: text.index("        self.wq")]
        + """        self.core = A(d_model, num_heads, batch_first=True)
        self.scale = math.sqrt(d_model)

    def forward(self, x):
        return self.core(x, x, x, need_weights=False)[0]
"""
    )
    report = checker.check(Submission("mha.py", text.encode()))
    assert [(finding.id, finding.severity) for finding in report.findings] == [("ready_made", "error")], (
        report
    )


def test_ones_own_work_may_be_called_as_the_ready_made_is(checker):
    text = ATTENTION.replace("class MultiHeadAttention", "class MultiheadAttention")
    text = text.replace("super()", "super(MultiheadAttention, self)")
    text = text.replace(BY_HAND, "self.scaled_dot_product_attention(q, k, v)")
    text += f"""
    def scaled_dot_product_attention(self, q, k, v):
        return {BY_HAND}
"""
    report = checker.check(Submission("mha.py", text.encode()))
    assert report.findings == []
    assert report.passed


@pytest.mark.parametrize("torch", ["torch", "__import__('tor' + 'ch')"])
def test_gradients_by_autograd_are_reported(checker, torch):
    begin = NETWORK.index("        d2 = ")
    text = (
        NETWORK[:begin]
        + f"""        t = {torch}
        W = [t.tensor(w, requires_grad=True) for w in (self.W1, self.b1, self.W2, self.b2)]
        scores = t.sigmoid(t.tensor(X) @ W[0] + W[1]) @ W[2] + W[3]
        (-(t.tensor(Y) * t.log_softmax(scores, 1)).sum(1).mean()).backward()
        return dict(zip(("W1", "b1", "W2", "b2"), (w.grad.numpy() for w in W)))

{NETWORK[NETWORK.index("def sigmoid") :]}"""
    )
    if torch == "torch":
        text = f"import torch\n{text}"
    report = checker.check(Submission("net.py", text.encode()))
    assert [finding.id for finding in report.findings] == ["gradient_by_autograd"], report
    assert report.findings[0].severity == "error"


# What is forged makes the one who judges it neither wait nor take all memory.


def judged(*parts):
    """The report on parts that a submission has sent in our name."""
    found = {"part": "found", "target": "two-layer", "class": "Net", "lines": ["class Net:"]}
    outcome = Outcome([(part, {}) for part in (found, *parts)], None, "It finished.", "", "full")
    return report_of(Submission("net.py", b"class Net:"), outcome)


def test_what_takes_for_ever_to_judge_is_given_up_and_said(monkeypatch):
    def for_ever(_):
        while True:
            try:
                sum(range(99))
            except Exception:
                raise AssertionError("it must not look like an error of the judge") from None

    monkeypatch.setattr(run, "_verdict", for_ever)
    monkeypatch.setattr(run, "PATIENCE", 0.1)
    report = judged()
    assert str(report).startswith("net.py could not be checked: what came back from it takes longer than 0.1")
    assert report.exit_code == 2
    assert sum(range(10**6)) == 499999500000, "nothing of it comes later"


@pytest.mark.parametrize(
    "sizes", [{"D": 30_000, "H": 30_000}, {"D": -5}, {"H": 0}, {"H": "four"}, {"N": 1e300}]
)
def test_forged_sizes_are_not_believed(sizes):
    sizes = {"D": 5, "H": 4, "C": 3, "N": 7, **sizes}
    shapes = {"W1": [5, 4], "b1": [4], "W2": [4, 3], "b2": [3]}
    tracemalloc.start()
    try:
        report = judged(
            {"part": "understood", "sizes": sizes, "shapes": shapes, "functions": {}, "sites": []}
        )
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
    assert report.reason == "garbled"
    assert report.exit_code == 2


@pytest.mark.parametrize("more", ["\n" * (5 << 20), f"\n# {'a=' * (2 << 20)}", f"\n# {'가' * (2 << 20)}"])
def test_a_very_long_file_is_checked_like_another(checker, more):
    assert checker.check(Submission("net.py", (NETWORK + more).encode())).passed


def test_an_error_in_letters_that_are_none_is_the_learners_own(checker):
    report = checker.check(Submission("net.py", with_forward("raise ValueError('\\ud800')").encode()))
    assert [finding.id for finding in report.findings] == ["crash"]
    assert report.findings[0].values["message"] == "ValueError: ?"
