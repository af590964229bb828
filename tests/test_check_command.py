"""`clearhead check` as someone types it: what it prints, what it returns, what it refuses."""

import contextlib
import csv
import io
import json
import os
import re
import select
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.cells import cell_len

from clearhead import check_command
from clearhead.checking.run import Checker
from clearhead.checking.submissions import Submission, submissions_in
from clearhead.cli import main
from clearhead.sandbox import Outcome, Worker

LEARNERS = Path(__file__).parent / "learners"
RIGHT = (LEARNERS / "network_skeleton.py").read_text("utf-8")
HIDDEN = 'error_hidden = (error @ self.params["W2"].T) * self.sigmoid_derivative(ff_dict["z1"])'
SLIP = 'error_hidden = error @ self.params["W2"].T'
WRONG = RIGHT.replace(HIDDEN, SLIP)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty folder, with a cache of its own, in English."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("LC_ALL", "LC_MESSAGES", "CLEARHEAD_TRACEBACK", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    return tmp_path


def clearhead(capsys, *arguments):
    """Exit code, standard output, standard error."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main(["check", *map(str, arguments)])
    return (stop.value.code or 0, *capsys.readouterr())


def printed(capsys, *arguments, code=0):
    result, out, error = clearhead(capsys, *arguments)
    assert (result, error) == (code, ""), out
    return out


def write(path, text):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


@pytest.fixture
def hand_in(here):
    """A folder of folders: one right, two wrong, one with nothing to check, one empty."""
    write("class/ann/net.py", RIGHT)
    write("class/ann/helpers.py", "def unused():\n    return 1\n")
    write("class/bob/net.py", WRONG)
    write("class/감자/제출.py", WRONG)
    write("class/dan/net.py", "print('hello')\n")
    (here / "class" / "eve").mkdir()
    return here / "class"


def test_the_mistake_can_be_planted():
    assert WRONG != RIGHT
    assert RIGHT.count(HIDDEN) == 1


# One file


def test_a_wrong_file_is_told_what_is_wrong(capsys):
    write("mynet.py", WRONG)
    out = printed(capsys, "mynet.py", code=1)
    number = WRONG[: WRONG.index(SLIP)].count("\n") + 1
    assert out.startswith("mynet.py: TwoLayerNN\n  ✓ initialize_parameters   Xavier, biases zero\n")
    assert (
        "  ✗ backward                dW1 and db1 are wrong; dW2 and db2 are right\n"
        f"      line {number}   {SLIP}\n"
        "      The slope of σ is missing; multiply by h ⊙ (1 - h).\n"
    ) in out
    assert out.endswith("6 of 7 checks pass. Not checked: speed, style.\n")
    assert max(map(cell_len, out.splitlines())) <= 79


def test_a_right_file_is_told_what_was_not_checked(capsys):
    write("mynet.py", RIGHT)
    out = printed(capsys, "mynet.py")
    assert out.endswith("7 of 7 checks pass. Not checked: speed, style.\n")
    assert "✗" not in out


def test_the_locale_chooses_the_language_and_an_option_overrules_it(capsys, monkeypatch):
    write("mynet.py", WRONG)
    monkeypatch.setenv("LANG", "ko_KR.UTF-8")
    assert "σ의 미분이 빠졌습니다. h ⊙ (1 - h)를 곱하세요." in printed(capsys, "mynet.py", code=1)
    assert "The slope of σ is missing" in printed(capsys, "mynet.py", "--lang", "en", code=1)
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    assert "σ의 미분이" in printed(capsys, "mynet.py", "--lang", "ko", code=1)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_hints_rise(capsys, language):
    write("mynet.py", WRONG)
    outs = [printed(capsys, "mynet.py", "--hint", level, "--lang", language, code=1) for level in (1, 2, 3)]
    assert [len(out.splitlines()) for out in outs] == sorted({len(out.splitlines()) for out in outs})
    assert ["⊙" in out.partition("✗")[2] for out in outs] == [False, False, True]
    assert outs[2] == printed(capsys, "mynet.py", "--lang", language, code=1)


def test_values_are_shown_on_request(capsys):
    write("mynet.py", WRONG)
    out = printed(capsys, "mynet.py", "--values", code=1)
    assert re.search(r"\n        input \(7 × 5\)\n( {10}[ \d.−]+\n)+", out)
    assert "expected dW1 (5 × 4)" in out
    assert "your dW1 (5 × 4)" in out
    assert "values" in json.loads(printed(capsys, "mynet.py", "--values", "--json", code=1))["findings"][0]


def test_the_json_of_one_file_is_an_object(capsys):
    write("mynet.py", WRONG)
    data = json.loads(printed(capsys, "mynet.py", "--json", code=1))
    assert (data["version"], data["file"], data["class"], data["isolation"]) == (
        1, "mynet.py", "TwoLayerNN", "limits",
    )  # fmt: skip
    assert [finding["id"] for finding in data["findings"]] == ["slope_forgotten"]
    assert (data["passed"], data["failed"], data["ok"], data["exit_code"]) == (6, 1, False, 1)
    assert (
        printed(capsys, "mynet.py", "--format", "json", code=1)
        == json.dumps(data, indent=1, ensure_ascii=False) + "\n"
    )


def test_gradescope_gets_a_test_for_each_check(capsys):
    write("mynet.py", WRONG)
    data = json.loads(printed(capsys, "mynet.py", "--format", "gradescope", code=1))
    assert [(test["name"], test["score"], test["status"]) for test in data["tests"]][3:5] == [
        ("backward", 0, "failed"), ("train_step", 1, "passed"),
    ]  # fmt: skip
    assert "The slope of σ is missing" in data["tests"][3]["output"]
    assert sum(test["max_score"] for test in data["tests"]) == 7


def test_a_notebook_is_told_cell_and_line(capsys):
    text = (LEARNERS / "network_notebook.ipynb").read_text("utf-8")
    piece = " * h * (1 - h)"
    assert text.count(piece) == 1
    write("book.ipynb", text.replace(piece, ""))
    cells = json.loads(text)["cells"]
    number, source = next(
        (n, "".join(cell["source"])) for n, cell in enumerate(cells, 1) if piece in "".join(cell["source"])
    )
    line = source[: source.index(piece)].count("\n") + 1
    data = json.loads(printed(capsys, "book.ipynb", "--json", code=1))
    assert [
        (finding["id"], finding["place"]) for finding in data["findings"] if finding["severity"] == "error"
    ] == [("slope_forgotten", f"cell {number}, line {line}")]
    assert json.loads(printed(capsys, LEARNERS / "network_notebook.ipynb", "--json"))["ok"] is True


def test_modules_beside_a_file_go_along_and_no_others(capsys):
    write("net.py", "from layers import TwoLayerNN as Base\nclass Net(Base):\n    pass\n")
    write("layers.py", f"import more\n{WRONG}")
    write("more.py", "ONE = 1\n")
    write("other.py", "TWO = 2\n")
    assert sorted(Submission.read(Path("net.py")).modules) == ["layers", "more"]
    out = printed(capsys, "layers.py", code=1)
    assert "The slope of σ is missing" in out


TWO = f"{WRONG.replace('TwoLayerNN', 'Deep')}\n\n{RIGHT}"


def test_of_two_classes_one_can_be_chosen_and_the_other_is_mentioned(capsys):
    write("two.py", TWO)
    first, second = (printed(capsys, "two.py", "--only", name, code=code) for name, code in
                     (("Deep", 1), ("TwoLayerNN", 0)))  # fmt: skip
    assert first.startswith("two.py: Deep\n  ✓")
    assert second.startswith("two.py: TwoLayerNN\n  ✓")
    both = printed(capsys, "two.py")
    assert "two.py: TwoLayerNN\n  Deep may be meant as well; --only Deep checks that.\n" in both
    assert "  Deep도 있습니다. --only Deep을 주면 그것을 검사합니다.\n" in printed(
        capsys, "two.py", "--lang", "ko"
    )
    write("layer.py", RIGHT + "\n\nclass Wrapper(TwoLayerNN):\n    pass\n")
    assert "as well" not in printed(capsys, "layer.py"), "what is built on it is no second one"


def test_a_name_that_is_not_there_is_said(capsys):
    write("two.py", TWO)
    told = "two.py could not be checked: no class and no function Net is in it.\n"
    assert printed(capsys, "two.py", "--only", "Net", code=2) == told
    assert "Net이라는 클래스나 함수가 없습니다" in printed(
        capsys, "two.py", "--only", "Net", "--lang", "ko", code=2
    )


# What cannot be checked


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("empty.py", b"", "empty.py could not be checked: it is empty."),
        ("empty.py", b" \n\n", "empty.py could not be checked: it is empty."),
        ("a.py", b"\x7fELF\x00\x01", "a.py could not be checked: it is no text."),
        ("a.py", b"x = 1\n", "a.py could not be checked: no class and no function was found; check"),
        ("a.ipynb", b"{", "a.ipynb could not be checked: it is no notebook that can be read: JSON"),
        ("t.py", b"import torch\nclass Net(torch.nn.Module):\n def forward(self, x): return x.relu() @ x",
         "t.py could not be checked: a network in PyTorch is not checked yet; check takes a"),
    ],
)  # fmt: skip
def test_what_cannot_be_checked_gets_one_sentence(capsys, name, content, sentence):
    Path(name).write_bytes(content)
    out = printed(capsys, name, code=2)
    assert " ".join(out.split()).startswith(sentence)
    data = json.loads(printed(capsys, name, "--json", code=2))
    assert data["reason"]
    assert data["ok"] is False


WATCH = "--watch shows one file as text; name one file, without --json and --format."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.py"], "nowhere.py is not there; name a file .py or .ipynb, or a folder of them."),
        (["folder"], "folder holds no file .py or .ipynb; name a folder that does."),
        ([], "Missing argument 'FILE...'. See clearhead check --help."),
        (["a.py", "--json", "--format", "csv"], "--json and --format csv are two things to print; give one."),
        (["a.py", "--out", "o"], "--out FOLDER takes what Gradescope reads; add --format gradescope."),
        (["a.py", "--watch", "--json"], WATCH),
        (["a.py", "b.py", "--watch"], WATCH),
    ],
    ids=str,
)  # fmt: skip
def test_what_the_user_can_mend_is_one_line(capsys, arguments, message):
    Path("folder").mkdir()
    write("a.py", RIGHT)
    write("b.py", RIGHT)
    assert clearhead(capsys, *arguments) == (2, "", f"clearhead: {message}\n")


def test_a_file_that_is_too_large_is_not_read(capsys, monkeypatch):
    monkeypatch.setattr("clearhead.checking.submissions.LONGEST_FILE", 1 << 20)
    Path("big.py").write_bytes(b"#" * ((1 << 20) + 1))
    assert printed(capsys, "big.py", code=2) == "big.py could not be checked: it is larger than 1 MB.\n"


def test_without_isolation_nothing_runs_where_it_is_required(capsys, monkeypatch):
    monkeypatch.setattr(Worker, "_start", lambda self: setattr(self, "why", "This is no Linux."))
    monkeypatch.setattr(Worker, "run", lambda *_: pytest.fail("it ran"))
    write("mynet.py", RIGHT)
    out = " ".join(printed(capsys, "mynet.py", "--require-isolation", code=2).split())
    assert out == "mynet.py could not be checked: full isolation is not to be had here: This is no Linux."


# Several


def test_a_class_gets_a_table_the_commonest_mistakes_and_who_could_not_be_checked(capsys, hand_in):
    out = printed(capsys, hand_in, code=1)
    lines = [line.rstrip() for line in out.splitlines()]
    assert lines[0].split() == ["student", "file", "points", "mistakes"]
    assert [line.split()[:2] for line in lines[2:5]] == [
        ["ann", "net.py"],
        ["bob", "net.py"],
        ["감자", "제출.py"],
    ]
    assert lines[2].endswith("7 of 7   none")
    assert re.search(r"6 of 7   slope_forgotten \(line \d+\)$", lines[3])
    assert "\nCommonest mistakes\n  2  slope_forgotten: The slope of σ is missing.\n" in out
    assert "\nCould not be checked\n  dan/net.py: no class and no function was found" in out
    assert "  eve/: no file .py or .ipynb is in the folder\n" in out
    assert "5 files: 1 without errors, 2 with errors, 2 could not be checked. Not checked:" in out
    assert "helpers.py" not in out
    assert max(map(cell_len, lines)) <= 80


def test_a_class_in_korean_fits_as_well(capsys, hand_in):
    out = printed(capsys, hand_in, "--lang", "ko", code=1)
    assert "2  slope_forgotten: σ의 미분이 빠졌습니다.\n" in out
    assert "파일 5개: 오류 없음 1개, 오류 있음 2개, 검사하지 못함 2개." in out
    assert max(map(cell_len, out.splitlines())) <= 80


def test_the_level_of_isolation_is_said(capsys, hand_in):
    out = " ".join(printed(capsys, hand_in, code=1).split())
    full = "Each ran in full isolation: no network, no files but its own."
    limits = "Each ran with limits on time and memory alone."
    assert (full in out) != (limits in out)
    levels = {report["isolation"] for report in json.loads(printed(capsys, hand_in, "--json", code=1))} - {""}
    assert levels == ({"full"} if full in out else {"limits"})
    if "isolation" in os.environ.get("CLEARHEAD_REQUIRE", ""):
        assert full in out


def test_the_json_of_several_files_is_a_list(capsys, hand_in):
    data = json.loads(printed(capsys, hand_in, "--json", code=1))
    assert [(each["student"], each["file"], each["exit_code"]) for each in data] == [
        ("ann", "ann/net.py", 0), ("bob", "bob/net.py", 1), ("dan", "dan/net.py", 2),
        ("감자", "감자/제출.py", 1),
        ("eve", "eve/", 2),
    ]  # fmt: skip
    write("a.py", RIGHT)
    write("b.py", WRONG)
    assert [each["file"] for each in json.loads(printed(capsys, "a.py", "b.py", "--json", code=1))] == [
        "a.py",
        "b.py",
    ]


def test_a_table_of_a_class_is_for_a_spreadsheet_and_none_of_its_cells_is_a_formula(capsys, hand_in):
    write(hand_in / "=1+1" / "net.py", WRONG)
    out = printed(capsys, hand_in, "--format", "csv", code=1)
    assert out.startswith("\ufeff"), "without it Excel reads no Korean name"
    rows = list(csv.DictReader(io.StringIO(out.removeprefix("\ufeff"))))
    assert [row["student"] for row in rows] == ["'=1+1", "ann", "bob", "dan", "감자", "eve"]
    assert (rows[1]["ok"], rows[1]["errors"], rows[1]["passed"]) == ("1", "", "7")
    assert (rows[2]["ok"], rows[2]["errors"], rows[2]["failed"]) == ("0", "slope_forgotten", "1")
    assert rows[2]["lines"].startswith("line ")
    assert rows[3]["reason"].startswith("no class and no function")
    assert [(row["score"], row["max_score"]) for row in rows] == [
        ("6", "7"), ("7", "7"), ("6", "7"), ("0", "7"), ("6", "7"), ("0", "7"),
    ]  # fmt: skip
    out, _ = child("class", "--format", "csv", PYTHONIOENCODING="cp949").communicate(timeout=60)
    assert out.decode("cp949").startswith("student,"), "another encoding has no such mark"


def test_gradescope_gets_a_file_for_each_student_with_the_same_tests(capsys, hand_in):
    out = printed(capsys, hand_in, "--format", "gradescope", "--out", "results", code=1)
    names = ["ann", "bob", "dan", "감자", "eve"]
    assert out.splitlines() == [str(Path("results", name, "results.json")) for name in names]
    made = [json.loads(Path(line).read_text("utf-8"))["tests"] for line in out.splitlines()]
    assert [sum(test["score"] for test in tests) for tests in made] == [7, 6, 0, 6, 0]
    assert len({tuple((test["name"], test["max_score"]) for test in tests) for tests in made}) == 1
    assert made[2][0]["output"].startswith("dan/net.py could not be checked: no class")


def test_what_is_no_implementation_has_no_tests_on_gradescope(capsys, hand_in):
    write("class/ann/second.py", WRONG)
    data = json.loads(printed(capsys, hand_in / "ann", "--format", "gradescope", code=1))
    names = [test["name"].partition(": ")[0] for test in data["tests"]]
    assert names == [name for name in ("net.py", "second.py") for _ in range(7)]


def test_of_several_folders_each_is_a_student(capsys, hand_in):
    rows = json.loads(printed(capsys, hand_in / "ann", hand_in / "bob", "--json", code=1))
    assert [(row["student"], row["file"]) for row in rows] == [("ann", "ann/net.py"), ("bob", "bob/net.py")]
    arguments = (hand_in / "ann", hand_in / "bob", "--format", "gradescope")
    told = "One results.json for 2 students; --out FOLDER writes one for each.\n"
    assert clearhead(capsys, *arguments)[::2] == (1, told)
    assert printed(capsys, *arguments, "--out", "o", code=1).split() == [
        str(Path("o", name, "results.json")) for name in ("ann", "bob")
    ]


def test_json_on_a_terminal_does_not_steer_it(capsys):
    write("mynet.py", WRONG.replace(SLIP, f"{SLIP}  # \x9b2J \x1b[2J \u202e \u2066"))
    out = printed(capsys, "mynet.py", "--json", code=1)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2066]", out)
    assert json.loads(out)["findings"][0]["source"].endswith("# \x9b2J \x1b[2J \u202e \u2066")


def test_a_file_whose_forward_pass_was_not_seen_counts_as_not_checked(capsys):
    forward = RIGHT.index("        ff_dict = ", RIGHT.index("def forward"))
    write("class/ann/net.py", RIGHT[:forward] + "        return 'x'\n" + RIGHT[forward:])
    write("class/bob/net.py", RIGHT)
    out = " ".join(printed(capsys, "class", code=2).split())
    assert "ann net.py 3 of 7 – bob net.py 7 of 7 none" in out
    assert "Could not be checked ann/net.py: Not checked: forward, " in out
    assert "1 without errors, 0 with errors, 1 could not be checked" in out


def test_exit_codes_of_several(capsys):
    write("right.py", RIGHT)
    write("wrong.py", WRONG)
    write("none.py", "x = 1\n")
    printed(capsys, "right.py", "right.py", code=0)
    printed(capsys, "right.py", "wrong.py", "none.py", code=1)
    printed(capsys, "right.py", "none.py", code=2)


def test_links_and_folders_of_libraries_are_left_alone_in_a_folder(here):
    write("class/ann/net.py", RIGHT)
    write("secret.py", "KEY = 1\n")
    for name in (".git", "__pycache__", "venv", ".ipynb_checkpoints"):
        write(f"class/ann/{name}/net.py", RIGHT)
    with contextlib.suppress(OSError):
        Path("class/ann/link.py").symlink_to(here / "secret.py")
        Path("class/ann/secret.py").symlink_to(here / "secret.py")
        Path("class/all").symlink_to(here)
    write("class/ann/net.py", f"import secret\n{RIGHT}")
    found = list(submissions_in([Path("class")]))
    assert [each.file for each in found if each.content] == ["ann/net.py"]
    assert found[0].modules == {}


def test_an_interrupt_does_not_wait_for_what_has_not_begun(here, monkeypatch):
    begun = []

    def check(self, submission, *_):
        begun.append(submission.file)
        raise KeyboardInterrupt

    monkeypatch.setattr(Checker, "check", check)
    with Checker() as checker, pytest.raises(KeyboardInterrupt):
        checker.check_all([Submission(f"{place}.py", b"x") for place in range(500)], jobs=1)
    assert len(begun) < 400


# What has not changed


def test_files_that_have_not_changed_are_not_run_again(capsys, hand_in, monkeypatch):
    first = printed(capsys, hand_in, code=1)
    ran = []
    run = Worker.run

    def counted(self, job, *arguments, **named):
        ran.append(job["name"])
        return run(self, job, *arguments, **named)

    monkeypatch.setattr(Worker, "run", counted)
    assert printed(capsys, hand_in, code=1) == first
    assert sorted(ran) == ["helpers.py", "net.py"]  # What could not be checked is tried again.
    ran.clear()
    write(hand_in / "bob" / "net.py", RIGHT)
    assert "6 of 7" in printed(capsys, hand_in, code=1)
    assert len(ran) == 3
    ran.clear()
    printed(capsys, hand_in, "--fresh", code=1)
    assert len(ran) == 5
    ran.clear()
    printed(capsys, hand_in, "--target", "two-layer", code=1)
    assert len(ran) == 5


def test_a_module_that_changes_makes_its_file_run_again(here):
    write("net.py", f"import other\n{RIGHT}")
    write("other.py", "A = 1\n")
    before = Submission.read(Path("net.py")).key()
    assert Submission.read(Path("net.py")).key() == before
    write("other.py", "A = 2\n")
    assert Submission.read(Path("net.py")).key() != before


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"file": 3}', '{"checks": [], "findings": [{}]}']
)
def test_a_cache_that_is_broken_is_none(here, content):
    write("net.py", RIGHT)
    submission = Submission.read(Path("net.py"))
    with Checker(folder=here / "kept") as checker:
        first = checker.check(submission)
        (kept,) = (here / "kept").iterdir()
        kept.write_text(content)
        assert checker.check(submission).to_json() == first.to_json()
        assert [path.name for path in (here / "kept").iterdir()] == [kept.name]
        assert json.loads(kept.read_text())["file"] == "net.py"


@pytest.mark.parametrize(("stopped", "runs"), [("cpu", 1), ("memory", 1), ("time", 2), ("signal", 2)])
def test_what_stopped_is_run_again_where_the_machine_may_be_to_blame(here, monkeypatch, stopped, runs):
    ran = []

    def run(self, job, *arguments, **named):
        ran.append(job["name"])
        return Outcome([], stopped, "", "", "limits")

    monkeypatch.setattr(Worker, "run", run)
    write("net.py", RIGHT)
    submission = Submission.read(Path("net.py"))
    with Checker(folder=here / "kept") as checker:
        first, again = checker.check(submission), checker.check(submission)
    assert first.to_json() == again.to_json()
    assert [finding.id for finding in again.findings] == [f"stopped_{stopped}"]
    assert len(ran) == runs


def test_a_cache_that_cannot_be_written_does_not_stop_a_check(here):
    write("kept", "a file stands where the folder would be")
    write("net.py", RIGHT)
    with Checker(folder=here / "kept") as checker:
        assert checker.check(Submission.read(Path("net.py"))).passed is True


def test_the_oldest_reports_go_from_a_full_cache(here, monkeypatch):
    monkeypatch.setattr("clearhead.checking.run.MOST_KEPT", 3)
    folder = here / "kept"
    for age in range(5):
        write(folder / f"{age}.json", "{}")
        os.utime(folder / f"{age}.json", (age, age))
    Checker(folder=folder).tidy()
    assert sorted(path.name for path in folder.iterdir()) == ["2.json", "3.json", "4.json"]


# Watching


def child(*arguments, **environment):
    command = [sys.executable, "-m", "clearhead", "check", *arguments]
    hidden = ("FORCE_COLOR", "NO_COLOR", "COLUMNS", "PYTHONIOENCODING", "CLEARHEAD_TRACEBACK")
    inherited = {key: value for key, value in os.environ.items() if key not in hidden}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**inherited, **environment}
    )


def read_until(process, mark, seconds=60):
    """What a process prints up to a mark."""
    text, deadline = b"", time.monotonic() + seconds
    while mark not in text:
        ready = select.select([process.stdout], [], [], max(0, deadline - time.monotonic()))[0]
        piece = os.read(process.stdout.fileno(), 1 << 16) if ready else b""
        assert piece, f"{mark} did not come: {text.decode()}"
        text += piece
    return text.decode()


@pytest.mark.usefixtures("interruptible")
@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent otherwise there")
def test_watching_checks_again_at_each_save_until_it_is_interrupted():
    write("mynet.py", WRONG)
    process = child("mynet.py", "--watch", "--lang", "en")
    try:
        first = read_until(process, b"watching; Ctrl-C ends it\n")
        assert "The slope of σ is missing" in first
        # As an editor saves: another file takes the name.
        os.replace(write("new", RIGHT), "mynet.py")
        second = read_until(process, b"watching; Ctrl-C ends it\n")
        assert "7 of 7 checks pass" in second
        write("mynet.py", RIGHT.replace(HIDDEN, f"{SLIP} * 3"))
        assert "✗ backward" in read_until(process, b"watching; Ctrl-C ends it\n")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read().strip() == b""
    finally:
        process.kill()
        process.communicate()


# The README

MYNET = """\
import numpy as np


class TwoLayerNN:
    def __init__(self, input_dim, num_hiddens, num_classes):
        self.initialize_parameters(input_dim, num_hiddens, num_classes)

    def initialize_parameters(self, D, H, C):
        self.W1 = np.random.randn(D, H) * np.sqrt(2 / (D + H))
        self.b1 = np.zeros(H)
        self.W2 = np.random.randn(H, C) * np.sqrt(2 / (H + C))
        self.b2 = np.zeros(C)

    def sigmoid(self, z):
        return 1 / (1 + np.exp(-z))

    def softmax(self, z):
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def forward(self, X):
        self.h = self.sigmoid(X @ self.W1 + self.b1)
        self.y = self.softmax(self.h @ self.W2 + self.b2)
        return self.y

    def compute_loss(self, Y, y):
        return -np.mean(np.sum(Y * np.log(y), axis=1))

    def backward(self, X, Y):
        dz2 = (self.y - Y) / len(X)
        dW2 = self.h.T @ dz2
        db2 = dz2.sum(axis=0)
        dz1 = dz2 @ self.W2.T
        dW1 = X.T @ dz1
        db1 = dz1.sum(axis=0)
        return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}

    def train_step(self, X, Y, lr):
        self.forward(X)
        grads = self.backward(X, Y)
        for name in ("W1", "b1", "W2", "b2"):
            setattr(self, name, getattr(self, name) - lr * grads["d" + name])

    def evaluate(self, Y, y):
        return 100 * np.mean(y.argmax(axis=1) == Y.argmax(axis=1))
"""


def test_the_readme_shows_what_is_printed(capsys):
    write("mynet.py", MYNET)
    readme = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
    assert f"```text\n{printed(capsys, 'mynet.py', code=1)}```\n" in readme


# Streams and help


@pytest.mark.parametrize("encoding", ["cp949", "cp1252", "ascii"])
def test_a_stream_that_lacks_letters_gets_stand_ins(encoding):
    write("mynet.py", WRONG)
    process = child("mynet.py", "--lang", "en", PYTHONIOENCODING=encoding)
    out, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (1, b"")
    text = out.decode(encoding)
    assert "  OK forward " in text
    assert "  X  backward " in text
    assert "\\u" not in text


def test_a_stream_without_hangul_gets_english_unless_korean_is_asked_for():
    write("mynet.py", WRONG)
    for arguments, expected in (((), b"checks pass"), (("--lang", "ko"), b"\\uac80")):
        process = child("mynet.py", *arguments, LANG="ko_KR.CP1252", PYTHONIOENCODING="cp1252")
        out, error = process.communicate(timeout=60)
        assert (process.returncode, error) == (1, b"")
        assert expected in out


def test_a_pipe_has_no_colours():
    write("mynet.py", WRONG)
    out, _ = child("mynet.py").communicate(timeout=60)
    assert b"\x1b" not in out


def test_help_shows_examples_that_can_be_typed(capsys, monkeypatch):
    out = printed(capsys, "--help")
    assert max(map(len, out.splitlines())) <= 80
    examples = re.search(r"Example:\n((?:    \S.*\n?)+)\Z", out)[1].splitlines()
    seen = []
    monkeypatch.setattr(check_command.check, "callback", lambda **values: seen.append(values))
    for line in examples:
        program, command, *arguments = shlex.split(line.partition(" > ")[0])
        assert (program, command) == ("clearhead", "check")
        printed(capsys, *arguments)
    assert len(seen) == len(examples) == 3
