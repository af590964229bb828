"""What a check says of a file: as text, as HTML, as data, as the message of an assertion."""

import copy
import dataclasses
import html
import json
import pickle
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import plants_network
import pytest
from rich.cells import cell_len

import clearhead
from clearhead import check
from clearhead.checking import classroom, inside, objects
from clearhead.checking.findings import Check, Finding
from clearhead.checking.layout import coloured
from clearhead.checking.marking import marks, points
from clearhead.checking.report import Report
from clearhead.checking.run import Checker, report_of
from clearhead.checking.submissions import Submission
from clearhead.checking.wording import Wording
from clearhead.sandbox import Outcome, Worker

LEARNERS = Path(__file__).parent / "learners"
EXAMPLE = """\
mynet.py: TwoLayerNN
  ✓ initialize_parameters   Xavier, biases zero
  ✓ forward                 equals softmax(σ(X W1 + b1) W2 + b2) to 1e-15
  ! compute_loss            infinite where a probability is 0: clip before the
                            logarithm, as in log(max(y, 1e-12))
      line 60   return -np.mean(np.sum(Y * np.log(y), axis=1))
  ✗ backward                dW1 and db1 are wrong; dW2 and db2 are right
      line 41   dz1 = dz2 @ self.W2.T
      The slope of σ is missing; multiply by h ⊙ (1 - h).
        yours     dz1 = dz2 W2ᵀ
        expected  dz1 = (dz2 W2ᵀ) ⊙ h ⊙ (1 - h)
      Your dW1 equals, to 15 digits, what comes out without that factor.
  – train                   not checked: there is none
  ✓ evaluate                counts the examples that are right
      line 71   return (y.argmax(1) == Y.argmax(1)).mean()
      Note: The accuracy comes as a share between 0 and 1, not in percent;
      multiply by 100 if percent are asked for.
3 of 5 checks pass. Not checked: train, speed, style."""
# fmt: off
KOREAN = """\
mynet.py: TwoLayerNN
  ✓ initialize_parameters   Xavier 초기화, 편향은 0
  ✓ forward                 softmax(σ(X W1 + b1) W2 + b2)와 1e-15 이내로
                            같습니다
  ! compute_loss            확률이 0이면 무한대가 됩니다. 로그를 취하기 전에
                            log(max(y, 1e-12))처럼 값을 자르세요.
      60번째 줄   return -np.mean(np.sum(Y * np.log(y), axis=1))
  ✗ backward                dW1, db1이 틀리고 dW2, db2는 맞습니다
      41번째 줄   dz1 = dz2 @ self.W2.T
      σ의 미분이 빠졌습니다. h ⊙ (1 - h)를 곱하세요.
        작성한 식  dz1 = dz2 W2ᵀ
        올바른 식  dz1 = (dz2 W2ᵀ) ⊙ h ⊙ (1 - h)
      여러분의 dW1은 그 항을 곱하지 않았을 때 나오는 값과 15자리까지 같습니다.
  – train                   검사하지 않음: 해당 함수가 없습니다
  ✓ evaluate                맞힌 샘플을 바르게 셉니다
      71번째 줄   return (y.argmax(1) == Y.argmax(1)).mean()
      참고: 정확도가 퍼센트가 아니라 0과 1 사이의 비율로 나옵니다. 퍼센트로
      구하라고 했다면 100을 곱하세요.
검사 5개 가운데 3개를 통과했습니다. 검사하지 않음: train, 속도, 코드 스타일."""
# fmt: on


def example(**more):
    """The report of the issue, by hand, in another order than it is shown in."""
    forgotten = Finding("slope_forgotten", "dz1", 41, "dz1", "dz1 = dz2 W2ᵀ", "dz1 = (dz2 W2ᵀ) ⊙ h ⊙ (1 - h)",
                        {"value": "dW1", "digits": 15}, check="backward")  # fmt: skip
    forgotten.shown = {"name": "dW1", "input": np.eye(3, 2), "expected": np.full((2, 4), 0.25),
                       "actual": np.array([[1, 2, 3, np.inf], [4, 5, 6, 7.5]])}  # fmt: skip
    made = Report(
        "mynet.py",
        "two-layer",
        "TwoLayerNN",
        "limits",
        checks=[
            Check("evaluate", "pass", "accuracy_right"),
            Check("train", "not_checked", "absent"),
            Check("forward", "pass", "forward_right", {"activation": "σ", "error": "1e-15"}),
            Check("backward", "fail", "gradients_wrong", {"wrong": "dW1 and db1", "right": "dW2 and db2"}),
            Check("initialize_parameters", "pass", "init_right"),
            Check("compute_loss", "warning", "finding.loss_log_of_zero"),
        ],
        findings=[
            Finding("accuracy_as_fraction", "accuracy", 71, check="evaluate"),
            forgotten,
            Finding("loss_log_of_zero", "loss", 60, check="compute_loss"),
        ],
        sources={
            "": {
                41: "        dz1 = dz2 @ self.W2.T",
                60: "return -np.mean(np.sum(Y * np.log(y), axis=1))",
                71: "return (y.argmax(1) == Y.argmax(1)).mean()",
            }
        },
        language="en",
    )
    for name, value in more.items():
        setattr(made, name, value)
    return made


def right(**more):
    forward = Check("forward", "pass", "forward_right", {"activation": "σ", "error": "1e-15"})
    backward = Check("backward", "pass", "gradients_right")
    return Report("net.py", "two-layer", "Net", checks=[forward, backward], language="en", **more)


# As text


def test_a_report_reads_as_it_was_asked_for():
    assert str(example()) == EXAMPLE
    assert repr(example()) == EXAMPLE


def test_it_reads_in_korean():
    assert str(example(language="ko")) == KOREAN


def test_a_name_that_was_misspelt_is_told_with_what_may_be_meant():
    def told(near):
        finding = Finding("name_undefined", values={"name": "sofmax", "near": near}, check="source")
        failed = Check("source", "fail", "finding.name_undefined", finding.values)
        return Report("a.py", "two-layer", "A", language="en", checks=[failed], findings=[finding])

    assert "Nothing in the file defines sofmax; softmax is there; write softmax if that is meant" in " ".join(
        str(told("softmax")).split()
    )
    assert "Nothing in the file defines sofmax; define sofmax" in str(told(""))


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("hint", [1, 2, 3])
def test_no_line_is_wider_than_a_terminal(language, hint):
    text = str(example(language=language, hint=hint, values=True))
    assert max(map(cell_len, text.splitlines())) <= 79


def test_the_first_hint_says_where_and_nothing_of_what():
    text = str(example(hint=1))
    assert "line 41   dz1 = dz2 @ self.W2.T\n      dz1, the error of the hidden sums, is wrong.\n" in text
    assert "infinite where a probability is 0\n" in text
    for word in ("slope", "σ is", "yours", "expected", "⊙", "15 digits", "clip"):
        assert word not in text.replace("softmax(σ(X W1", ""), word


def test_the_second_hint_says_what_and_nothing_of_how():
    text = str(example(hint=2))
    assert "The slope of σ is missing.\n" in text
    assert "yours  dz1 = dz2 W2ᵀ" in text
    assert "15 digits" in text
    for word in ("multiply", "expected", "⊙", "clip"):
        assert word not in text, word


def test_values_show_the_input_and_both_results():
    lines = str(example(values=True)).splitlines()
    at = lines.index("        input (3 × 2)")
    assert [line.strip() for line in lines[at : at + 10]] == [
        "input (3 × 2)", "1  0", "0  1", "0  0",
        "expected dW1 (2 × 4)", *["0.2500  0.2500  0.2500  0.2500"] * 2,
        "your dW1 (2 × 4)", "1      2      3      ∞", "4      5      6  7.500",
    ]  # fmt: skip
    assert "input" not in EXAMPLE


def test_letters_that_a_stream_lacks_have_stand_ins_under_which_columns_still_align():
    for encoding in ("cp949", "cp1252", "ascii"):
        text = example().to_text(encoding=encoding)
        text.encode(encoding)
        assert "  OK forward               " in text
        assert "\n  X  backward                dW1 and db1" in text
        assert "\n  !  compute_loss            infinite" in text
    assert "yours     dz1 = dz2 W2.T\n" in text
    assert "expected  dz1 = (dz2 W2.T) * h * (1 - h)\n" in text
    assert "The slope of sigmoid is missing" in text
    example(language="ko").to_text(encoding="cp949").encode("cp949")


def test_nothing_ever_says_that_all_tests_passed():
    made = right()
    assert made.passed is True
    assert str(made).endswith("2 of 2 checks pass. Not checked: speed, style.")
    assert not re.search(r"all .*pass", str(made), re.I)


def test_marks_have_colours():
    spans = {(EXAMPLE[span.start : span.end], span.style) for span in coloured(EXAMPLE, Wording("en")).spans}
    assert {("  ✓ forward", "green"), ("  ✗ backward", "bold red"), ("  ! compute_loss", "yellow")} <= spans


def test_a_tie_is_told_as_one():
    finding = Finding("scale_without_root", "scores", 12, alternatives=["scale_missing"], check="output")
    failed = Check("output", "fail", "finding.scale_without_root")
    made = Report("a.py", "attention", "A", checks=[failed], findings=[finding], language="en")
    text = " ".join(str(made).split())
    assert "Or, with the same numbers: The scores are never divided by √K, the square root of the" in text


def test_what_is_not_written_yet_is_no_error_and_says_what_comes_next():
    made = right()
    made.checks[1] = Check("backward", "not_written", "not_written", {"function": "backward", "line": 12})
    text = " ".join(str(made).split())
    assert "… backward not written yet (line 12); next: from dz2 = (y - Y) / N back to dW1 and db1" in text
    assert text.endswith("1 of 1 checks pass. Not written yet: backward. Not checked: speed, style.")
    assert not made.passed, "it cannot count as done"
    assert made.exit_code == 0


def test_a_line_in_a_cell_and_one_in_another_file_are_found_there():
    made = example(cells=[(1, 2), (39, 7)], sources={"": {41: "a"}, "layers.py": {3: "b = 1"}})
    made.findings[1].file = "mynet.py"
    made.findings.append(Finding("gradient_sign", "dz2", 3, file="/tmp/x/layers.py", check="backward"))
    assert "\n      cell 7, line 3   a\n" in str(made)
    assert "\n      layers.py, line 3   b = 1\n" in str(made)
    made.language = "ko"
    assert "\n      셀 7의 3번째 줄   a\n" in str(made)


def test_two_mistakes_in_one_line_show_it_once():
    made = example()
    made.findings.append(Finding("gradient_sign", "dz2", 41, check="backward"))
    assert str(made).count("line 41 ") == 1
    assert "The error is taken as Y - y" in str(made)


def test_what_has_no_name_is_headed_by_what_it_is():
    assert str(example(name="")).startswith("mynet.py: a two-layer network\n")
    assert str(example(name="", language="ko")).startswith("mynet.py: 2층 신경망\n")


def test_lists_in_korean_have_no_english_word():
    twice = Finding("defined_twice", line=3, values={"name": "Net", "lines": [3, 9]}, check="source")
    text = str(example(language="ko", cells=[(1, 2)], findings=[twice]))
    assert "셀 2의 3번째 줄, 셀 2의 9번째 줄" in " ".join(text.split())


def test_formulas_have_each_pair_of_brackets_once(tmp_path):
    lines = CLASS.replace("sigmoid(X @", "np.tanh(X @")
    (tmp_path / "net.py").write_text(f"import numpy as np\n{HELPERS}{lines}")
    (finding,) = (f for f in check(tmp_path / "net.py").findings if f.step == "h")
    assert (finding.yours, finding.expected) == ("h = tanh(X W1 + b1)", "h = σ(X W1 + b1)")


def test_a_step_that_falls_is_no_training_that_falls(tmp_path):
    step = (
        "\n    def train_step(self, X, Y, lr):\n        self.backward(X, Y)\n        raise ValueError('no')\n"
    )
    (tmp_path / "net.py").write_text(f"import numpy as np\n{HELPERS}{CLASS}{step}")
    lines = str(check(tmp_path / "net.py", language="en")).splitlines()
    assert any(re.match(r"  ✗ train_step +stops with an error: ValueError: no", line) for line in lines)
    assert any(re.match(r"  – train  +not checked: there is none", line) for line in lines)


def test_a_file_that_could_not_be_checked_has_one_sentence():
    made = Report("net.py", reason="binary", language="en")
    assert str(made) == "net.py could not be checked: it is no text."
    assert made.exit_code == 2
    assert not made.passed
    made = Report("net.py", reason="refused", reason_values={"text": "no reason"}, language="ko")
    assert str(made) == "net.py를 검사하지 못했습니다: no reason."


def test_a_learners_line_cannot_steer_the_terminal_or_overflow_it():
    made = example(sources={"": {41: "x = 1 \x1b]0;title\x07" + "y" * 300}}, name="N\x1b[2J", file="a\rb.py")
    text = str(made)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
    assert max(map(cell_len, text.splitlines())) <= 79


# Whether it passed


def test_a_report_that_passes_says_true_itself():
    assert right().passed is True
    assert right().exit_code == 0


@pytest.mark.parametrize(
    "made",
    [
        example(),
        Report("a.py", "two-layer", "A"),
        Report("a.py", "two-layer", checks=[Check("initialize_parameters", "pass", "init_right")]),
        Report("a.py", "attention", checks=[Check("forward", "pass", "forward_right")]),
        Report("a.py", "two-layer", checks=[Check("forward", "not_checked", "no_output")]),
        right(reason="garbled"),
        right(findings=[Finding("stopped_time", check="run")]),
        right(findings=[Finding("unknown", "y")]),
    ],
)
def test_only_a_right_forward_pass_without_an_error_passes(made):
    assert made.passed == False  # noqa: E712
    assert not made.passed
    assert made.to_json()["ok"] is False
    assert made.exit_code in (1, 2)


def test_warnings_and_notes_do_not_keep_it_from_passing():
    findings = [Finding("softmax_overflow", "y", check="forward"), Finding("last_batch_dropped", "train")]
    made = right(findings=findings)
    made.checks[0].status = "warning"
    assert made.passed is True
    assert made.exit_code == 0


def test_an_assertion_without_a_message_carries_the_report():
    # Compiled here, because pytest rewrites the assertions of a test's own file.
    names = {"report": example()}
    with pytest.raises(AssertionError) as caught:
        exec(compile("assert report.passed", "cell", "exec"), names)
    assert str(caught.value) == EXAMPLE
    with pytest.raises(AssertionError) as caught:
        exec(compile("def test():\n    assert report.passed and True\ntest()", "cell", "exec"), names)
    # At the end of a branch another return stands between.
    source = compile("if __name__ == '__main__':\n    assert passed", "main.py", "exec")
    with pytest.raises(AssertionError, match="dW1 and db1 are wrong"):
        exec(source, {"__name__": "__main__", "passed": example().passed})
    with pytest.raises(AssertionError, match=r"^mine$"):
        exec(compile("assert report.passed, 'mine'", "cell", "exec"), names)
    exec(compile("assert not report.passed", "cell", "exec"), names)
    exec(compile("assert right", "cell", "exec"), {"right": right().passed})


def test_everywhere_else_it_is_an_ordinary_false():
    passed = example().passed
    taken = "yes" if passed else "no"
    assert taken == "no"
    assert bool(passed) is False
    assert (passed or 3) == 3
    assert [each for each in (passed, True) if each] == [True]
    assert sum([passed, True, True]) == 2
    assert hash(passed) == hash(False)
    assert json.dumps({"passed": passed == True}) == '{"passed": false}'  # noqa: E712
    assert (repr(passed), f"{passed}") == (EXAMPLE, EXAMPLE)
    assert repr(copy.copy(passed)) == EXAMPLE
    assert repr(pickle.loads(pickle.dumps(passed))) == EXAMPLE


def test_pytest_shows_the_report(tmp_path):
    (tmp_path / "net.py").write_text(planted("skeleton", "slope_of_activated_value"), "utf-8")
    (tmp_path / "test_mine.py").write_text(
        "from clearhead import check\n\ndef test_mine():\n    assert check('net.py', language='en').passed\n"
        "\ndef test_not():\n    assert not check('net.py').passed\n"
        "    assert check('net.py').passed == False\n    assert check('net.py').passed or True\n"
    )
    # With settings in the folder, nothing is looked for above it, where anybody's conftest.py may lie.
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_mine.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert "The slope is taken at h, which is already σ(z1)" in done.stdout, done.stderr
    assert "1 failed, 1 passed" in done.stdout


def test_a_mistake_of_a_class_is_told_by_a_file_that_makes_it():
    """The same, where it is but a note, is not counted and no example."""
    note = Finding("ready_made", values={"name": "noted"}, level="note")
    error = Finding("ready_made", values={"name": "made"})
    reports = [Report("a.py", findings=[note]), Report("b.py", findings=[error])]
    told = " ".join(classroom._commonest(reports, Wording("en")))
    assert "1  ready_made, as in b.py: made is a ready-made part" in told


# What it is worth


def network(*checks, **more):
    return Report("net.py", "two-layer", "Net", checks=list(checks), language="en", **more)


def attention(*checks, **more):
    return Report("net.py", "attention", "Net", checks=list(checks), language="en", **more)


@pytest.mark.parametrize(
    ("made", "got"),
    [
        (example(), (4, 7)),
        (right(), (2, 7)),
        (network(Check("forward", "not_written", "not_written", {"function": "forward", "line": 1})), (0, 7)),
        (network(Check("source", "fail", "finding.syntax_error"), Check("forward", "pass")), (1, 7)),
        (network(Check("train", "pass"), Check("train_step", "not_checked", "absent")), (2, 7)),
        (network(Check("train", "fail"), Check("train_step", "pass")), (1, 7)),
        (network(Check("forward", "not_checked", "no_output"), reason="nothing_ran"), (0, 7)),
        (right(findings=[Finding("ready_made", values={"name": "MLPClassifier"})]), (0, 7)),
        (right(findings=[Finding("ready_made", values={"name": "softmax"}, level="note")]), (2, 7)),
        (right(findings=[Finding("method_misspelt", values={"name": "foward", "meant": "forward"})]), (1, 7)),
        (attention(*(Check(name, "pass") for name in ("parameters", "output", "eval", "batch"))), (5, 5)),
        (attention(Check("output", "pass"), Check("mask", "not_checked", "mask_meaning")), (5, 5)),
        (attention(Check("output", "pass"), Check("mask", "not_checked", "not_understood")), (4, 5)),
        (attention(Check("output", "not_checked", "no_output")), (0, 5)),
        (Report("net.py", reason="empty", language="en"), (0, 1)),
    ],
)
def test_points_are_out_of_the_same_sum_whatever_was_not_checked(made, got):
    assert points(marks(made)) == got
    assert all(mark.why for mark in marks(made))


def test_a_mark_says_why_there_is_no_point():
    waiting = Check("backward", "not_written", "not_written", {"function": "backward", "line": 12})
    whys = {mark.name: mark.why for mark in marks(network(waiting))}
    assert whys["backward"].startswith("… backward   not written yet (line 12); next:")
    assert whys["train"] == "– train   not checked: there is none"
    whys = {mark.name: mark.why for mark in marks(attention(Check("output", "pass", "output_right")))}
    assert whys["mask"] == "– mask   not checked: no argument of forward takes effect as a mask"


# As data


def test_the_json_has_the_keys_that_it_documents():
    data = example().to_json()
    documented = Report.to_json.__doc__
    for key in (*data, *data["findings"][0], *data["checks"][0]):
        assert re.search(rf"\b{key}\b", documented), key
    assert (data["version"], data["file"], data["target"], data["class"], data["isolation"]) == (
        1, "mynet.py", "two-layer", "TwoLayerNN", "limits",
    )  # fmt: skip
    assert (data["passed"], data["failed"], data["warned"], data["not_checked"], data["not_written"]) == (
        3, 1, 1, 1, 0,
    )  # fmt: skip
    assert (data["ok"], data["exit_code"], data["reason"]) == (False, 1, "")
    assert data["findings"][1] == {
        "id": "slope_forgotten",
        "severity": "error",
        "check": "backward",
        "step": "dz1",
        "file": "mynet.py",
        "line": 41,
        "place": "line 41",
        "source": "dz1 = dz2 @ self.W2.T",
        "variable": "dz1",
        "message": "The slope of σ is missing; multiply by h ⊙ (1 - h).",
        "yours": "dz1 = dz2 W2ᵀ",
        "expected": "dz1 = (dz2 W2ᵀ) ⊙ h ⊙ (1 - h)",
        "evidence": "Your dW1 equals, to 15 digits, what comes out without that factor.",
        "alternatives": [],
    }
    json.dumps(data, allow_nan=False)


def test_the_json_with_values_has_numbers_that_json_can_hold():
    data = json.loads(json.dumps(example(values=True).to_json(), allow_nan=False))
    assert data["findings"][1]["values"]["actual"] == [[1, 2, 3, "inf"], [4, 5, 6, 7.5]]


def test_the_json_of_a_lower_hint_does_not_give_the_mistake_away():
    text = json.dumps(example(hint=1).to_json())
    assert "slope" not in text
    assert "h \\u2299" not in text


def test_a_report_can_be_kept_and_read_back():
    made = Report.of(json.loads(json.dumps(example(cells=[(1, 2)]).kept(), allow_nan=False)))
    made.language = "en"
    assert made.to_text() == example(cells=[(1, 2)]).to_text()
    assert made.to_json() == example(cells=[(1, 2)]).to_json()


# In a notebook


def test_a_notebook_shows_the_same_words_as_html_without_scripts():
    made = example(name="<script>alert(1)</script>", values=True)
    bundle = made._repr_mimebundle_(include=None, exclude=None)
    assert set(bundle) == {"text/plain", "text/html"}
    page = bundle["text/html"]
    assert not re.search(r"<script|<style|<link|https?:|on\w+=|url\(", page)
    words = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())
    for line in str(made).splitlines()[5:12]:
        assert " ".join(line.split()) in words
    assert page.count("<div") == page.count("</div>")
    assert page.count("<pre") == page.count("</pre>") == 3


MEASURED = """() => {
    const marks = [...document.querySelectorAll("b")].map((mark) => mark.getBoundingClientRect());
    const cells = [...document.querySelectorAll("div > div")]
        .map((row) => [...row.children].filter((cell) => getComputedStyle(cell).display === "table-cell"))
        .filter((row) => row.length === 3).map((row) => row[2].getBoundingClientRect().left);
    return {
        wide: document.documentElement.scrollWidth - innerWidth,
        marks: [...new Set(marks.map((mark) => mark.left))],
        texts: [...new Set(cells)],
        count: marks.length,
        said: document.body.innerText,
    };
}"""
LONG = (
    "dz1 = np.dot(dz2, self.parameters['weights_hidden_output'].T) * self.name_of_a_slope(self.cache['z1'])"
)


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("width", [400, 1000])
def test_a_notebooks_report_fits_its_width_in_columns(tab, width, language):
    made = example(language=language, sources={"": {41: LONG, 60: "x" * 200, 71: "z"}})
    tab.set_viewport_size({"width": width, "height": 900})
    tab.set_content(f"<body>{made._repr_html_()}</body>")
    seen = tab.evaluate(MEASURED)
    assert seen["wide"] <= 0
    assert seen["count"] == 6
    assert len(seen["marks"]) == len(seen["texts"]) == 1
    assert "".join(seen["said"].split()) == "".join(made.to_text(width=1000).split())


NOTEBOOK = """
import json
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
cells = json.loads({cells!r})
for cell in cells:
    result = shell.run_cell(cell, store_history=True)
    if cell.startswith("%%"):
        continue
print(json.dumps(shell.user_ns["data"]))
"""


def in_ipython(*cells):
    """The last JSON line of a session in which cells are run one after the other."""
    code = NOTEBOOK.format(cells=json.dumps(cells))
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


CLASS = """
class Net:
    def __init__(self, D, H, C):
        self.W1 = np.random.randn(D, H) * np.sqrt(2 / (D + H))
        self.W2 = np.random.randn(H, C) * np.sqrt(2 / (H + C))
        self.b1, self.b2 = np.zeros(H), np.zeros(C)

    def forward(self, X):
        self.h = sigmoid(X @ self.W1 + self.b1)
        return softmax(self.h @ self.W2 + self.b2)

    def backward(self, X, Y):
        y = self.forward(X)
        dz2 = (y - Y) / len(X)
        dz1 = dz2 @ self.W2.T
        return {'W1': X.T @ dz1, 'b1': dz1.sum(0), 'W2': self.h.T @ dz2, 'b2': dz2.sum(0)}
"""
SOFTMAX = (
    "def softmax(z):\n    e = np.exp(z - z.max(1, keepdims=True))\n    return e / e.sum(1, keepdims=True)"
)
ASK = "from clearhead import check\nreport = check(Net, language='en')\ndata = report.to_json()"


def test_a_class_in_a_notebook_is_checked_with_its_helpers_in_other_cells():
    data = in_ipython(
        "import numpy as np",
        "def sigmoid(z):\n    return z",  # Run again below: the last counts.
        f"print('not this')\n{SOFTMAX}",
        "this is no python",
        CLASS.replace("dz1 = dz2", "dz1 = 2 * dz2"),
        f"# the class\n{CLASS}",
        "%matplotlib inline\nONE = 1.0\ndef sigmoid(z):\n    return ONE / (1 + np.exp(-z))",
        ASK,
    )
    assert [(finding["id"], finding["place"]) for finding in data["findings"]] == [
        ("slope_forgotten", "cell 6, line 16")
    ]
    assert data["findings"][0]["source"] == "dz1 = dz2 @ self.W2.T"
    assert (data["isolation"], data["class"]) == ("limits", "Net")


def test_an_assertion_in_a_notebook_has_the_report_as_its_message():
    data = in_ipython(
        "import numpy as np",
        f"{SOFTMAX}\ndef sigmoid(z):\n    return 1 / (1 + np.exp(-z))",
        CLASS,
        "from clearhead import check\ntry:\n    assert check(Net, language='en').passed\n"
        "except AssertionError as error:\n    data = str(error)",
    )
    assert "The slope of σ is missing; multiply by h ⊙ (1 - h)." in data


# An object


def made_of(text, name="Net"):
    names = {"__name__": "nowhere", "np": np}
    exec(text, names)
    return names[name]


HELPERS = f"def sigmoid(z):\n    return 1 / (1 + np.exp(-z))\n{SOFTMAX}\n"


def test_an_object_without_source_is_checked_here_and_says_so():
    made = check(made_of(HELPERS + CLASS), language="en")
    assert made.isolation == "none"
    assert "It has no source here, so it ran in this process, without limits" in str(made)
    assert [finding.id for finding in made.findings] == ["slope_forgotten"]
    assert str(made).splitlines()[0] == "Net"


def test_a_check_here_leaves_the_random_numbers_as_they_were():
    np.random.seed(3)
    wanted = np.random.random(2)
    np.random.seed(3)
    check(made_of(HELPERS + CLASS))
    np.testing.assert_array_equal(np.random.random(2), wanted)
    assert not {"learner", "clearhead_checked_object"} & set(sys.modules)


def test_an_object_of_a_file_is_checked_by_that_file(tmp_path, monkeypatch):
    (tmp_path / "mynet.py").write_text(f"import numpy as np\nfrom shared import sigmoid, softmax\n{CLASS}")
    (tmp_path / "shared.py").write_text(f"import numpy as np\n{HELPERS}")
    monkeypatch.syspath_prepend(tmp_path)
    import mynet

    made = check(mynet.Net, language="en")
    assert made.isolation == "limits"
    assert made.file == str(tmp_path / "mynet.py")
    assert [(finding.id, finding.line) for finding in made.findings] == [("slope_forgotten", 17)]
    assert str(check(mynet.Net, lang="ko")).endswith("코드 스타일.")
    assert check(mynet.Net(5, 4, 3)).to_json()["findings"] == check(mynet.Net).to_json()["findings"]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"what": "no.py"}, FileNotFoundError, "no.py is not there; name a file .py or .ipynb, or pass the"),
        ({"what": "."}, IsADirectoryError, r"\. is a folder; name a file in it, or use the command"),
        ({"what": 3}, TypeError, "takes a class, a function or a file's path, got int; pass one of them"),
        ({"what": Report, "target": "gpt"}, ValueError, "must be one of 'two-layer', 'attention', got 'gpt'"),
        ({"what": Report, "hint": 4}, ValueError, "hint must be one of 1, 2, 3, got 4; name one of them"),
        ({"what": Report, "language": "fr"}, ValueError, "language must be one of 'en', 'ko', got 'fr'"),
        ({"what": Report, "isolation": "x"}, ValueError, "must be one of 'limits', 'full', 'none', got 'x'"),
        ({"what": __file__, "isolation": "none"}, ValueError, 'isolation "none" is for an object of this'),
    ],
)  # fmt: skip
def test_what_it_cannot_take_is_answered_with_what_it_can(given, error, message):
    with pytest.raises(error, match=message):
        check(**given)


def test_what_a_later_cell_defines_anew_is_blank_in_an_earlier_one():
    cells = ["", "A = 1\ndef f():\n    return A\nclass B: pass", "!ls", "def f(): return 2", "f()", "A ="]
    book = json.loads(objects._notebook(cells))
    sources = [cell["source"] for cell in book["cells"]]
    assert sources == ["A = 1\n\n\nclass B: pass", "", "def f(): return 2", "", ""]


# What runs where


def planted(style, mistake):
    """A learner's file with a mistake in it."""
    plant = next(p for p in plants_network.PLANTS if (p.style, p.mistake) == (f"network_{style}", mistake))
    return plants_network.planted(plant)


def test_the_parent_imports_no_torch_for_numpy():
    code = """
        import sys
        from pathlib import Path
        from clearhead.checking.run import Checker
        from clearhead.checking.submissions import Submission
        import clearhead.check_command
        with Checker() as checker:
            report = checker.check(Submission.read(Path(sys.argv[1])))
        print(report.exit_code, report.target, "torch" in sys.modules, "polars" in sys.modules)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), LEARNERS / "network_skeleton.py"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.stdout.split() == ["0", "two-layer", "False", "False"], result.stderr


@pytest.mark.parametrize("style", ["skeleton", "hangul"])
def test_a_right_network_passes(style):
    made = check(LEARNERS / f"network_{style}.py", language="en")
    assert made.passed is True, str(made)
    assert (made.isolation, made.target, made.exit_code) == ("limits", "two-layer", 0)


GARBAGE = [
    {"part": "understood"},
    {"part": "understood", "sizes": {"N": "seven", "D": 5, "H": 4, "C": 3}},
    {"part": "understood", "sizes": {"N": 7, "D": 5, "H": 4, "C": 3}, "functions": 3},
    {"part": "understood", "sizes": [], "functions": {"forward": "f"}},
    {"part": "observed", "kind": "forward"},
    {"part": 5},
    {"part": "crash", "line": "x", "message": ["no"]},
    {"part": "found", "target": "attention"},
    {"part": "stuck", "line": "3"},
    {},
]


STOPS = {"time": "30 seconds", "cpu": "20 seconds", "memory": "4 GB", "disk": "256 MB", "output": "1 MB"}


@pytest.mark.parametrize("stopped", STOPS)
def test_what_a_job_had_too_much_of_is_said_with_its_limit(stopped):
    found = {"part": "found", "target": "two-layer", "class": "Net", "lines": ["a"]}
    made = report_of(Submission("a.py", b"x"), Outcome([(found, {})], stopped, "", "", "limits"))
    made.language = "en"
    assert [finding.id for finding in made.findings] == [f"stopped_{stopped}"]
    assert STOPS[stopped] in " ".join(str(made).split())


@pytest.mark.skipif(not hasattr(signal, "SIGXCPU"), reason="no processor time is limited there")
def test_the_line_that_runs_when_the_time_is_over_is_said():
    before = signal.getsignal(signal.SIGXCPU)
    sent = []
    try:
        inside._say_where_time_ends("net.py", lambda data, _: sent.append((data, {})))
        text = "def loop():\n    for _ in range(3):\n        over()\nloop()"
        exec(
            compile(text, "net.py", "exec"),
            {"over": lambda: signal.raise_signal(signal.SIGXCPU) if not sent else 0},
        )
    finally:
        signal.signal(signal.SIGXCPU, before)
    assert [data for data, _ in sent] == [{"part": "stuck", "line": 3}]
    found = {"part": "found", "target": "two-layer", "class": "Net", "lines": ["a", "b", "c"]}
    made = report_of(Submission("a.py", b"x"), Outcome([(found, {}), *sent], "cpu", "", "", "limits"))
    assert [(finding.id, finding.line) for finding in made.findings] == [("stopped_cpu", 3)]


@pytest.mark.parametrize("garbage", GARBAGE, ids=str)
@pytest.mark.parametrize("target", ["two-layer", "attention", 7])
def test_garbage_from_a_child_ends_in_a_report_that_does_not_pass(garbage, target, monkeypatch):
    monkeypatch.delenv("CLEARHEAD_TRACEBACK", raising=False)
    found = {"part": "found", "target": target, "class": "Net", "lines": ["a"], "findings": [], "cells": []}
    for parts in ([(found, {}), (garbage, {"x": np.zeros(3)})], [(garbage, {})], []):
        for stopped in (None, "time", "error"):
            made = report_of(Submission("a.py", b"x"), Outcome(parts, stopped, "It ended.", "", "limits"))
            assert not made.passed
            assert made.exit_code in (1, 2)
            assert str(made)
            json.dumps(made.to_json(), allow_nan=False)


def test_a_file_of_which_nothing_ran_could_not_be_checked():
    found = {"part": "found", "target": "two-layer", "class": "Net", "lines": [], "findings": [], "cells": []}
    crash = {"part": "crash", "phase": "initialize", "line": 0, "message": "", "function": ""}
    made = report_of(Submission("a.py", b"x"), Outcome([(found, {}), (crash, {})], None, "", "", "limits"))
    made.language = "en"
    assert str(made).endswith("a.py could not be checked: nothing in it could be judged.")
    assert made.exit_code == 2


def test_what_was_found_before_a_stop_still_counts(tmp_path, monkeypatch):
    (tmp_path / "net.py").write_text(planted("skeleton", "slope_of_activated_value"), "utf-8")

    def run(self, *arguments, **named):
        outcome = whole(self, *arguments, **named)
        return dataclasses.replace(outcome, parts=outcome.parts[:-1], stopped="time", detail="Too long.")

    whole = Worker.run
    monkeypatch.setattr(Worker, "run", run)
    made = check(tmp_path / "net.py", language="en")
    assert [finding.id for finding in made.findings] == ["slope_of_activated_value", "stopped_time"]
    assert "✗ run                     stopped after 30 seconds" in str(made)
    assert made.exit_code == 1


@pytest.mark.parametrize(
    ("body", "identity"),
    [
        ("import os; os._exit(0)", "stopped_exit"),
        ("import os; os.write(1, b'x' * (3 << 20))", "stopped_output"),
        ("import os; os.kill(os.getpid(), 9)", "stopped_signal"),
    ],
)
def test_a_stop_is_named_and_never_passes(tmp_path, body, identity):
    lines = f"import numpy as np\n{HELPERS}\n{CLASS}".replace("self.h = ", f"{body}\n        self.h = ")
    (tmp_path / "net.py").write_text(lines)
    made = check(tmp_path / "net.py", language="en")
    assert identity in [finding.id for finding in made.findings]
    assert not made.passed
    assert "✗ run" in str(made)


@pytest.mark.parametrize("body", ["raise KeyboardInterrupt", "exit()", "raise GeneratorExit"])
@pytest.mark.parametrize(("place", "name"), [("self.h = ", "forward"), ("self.W1 = ", "run")])
def test_what_would_end_a_program_is_told_with_its_line(tmp_path, body, place, name):
    lines = f"import numpy as np\n{HELPERS}\n{CLASS}".replace(place, f"{body}\n        {place}", 1)
    (tmp_path / "net.py").write_text(lines)
    made = check(tmp_path / "net.py", language="en")
    number = lines[: lines.index(body)].count("\n") + 1
    assert number in [finding.line for finding in made.findings], str(made)
    assert f"✗ {name}" in str(made)
    assert made.exit_code == 1


def test_a_worker_that_does_not_start_is_said_and_no_more(monkeypatch):
    monkeypatch.setattr("clearhead.checking.run.ENTRY", "clearhead.nowhere:answer")
    with Checker() as checker:
        made = checker.check(Submission("a.py", b"x = 1"))
    made.language = "en"
    assert str(made).startswith("a.py could not be checked: the process for it did not start: The worker for")


def test_the_public_name_is_the_function():
    assert clearhead.check is check
    assert check.__module__ == "clearhead.checking"
