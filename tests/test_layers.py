"""Which module may import which: arrows point down only."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import clearhead

PACKAGE = Path(clearhead.__file__).parent

# From top to bottom; a module imports only what stands below it.
ORDER = [
    "__main__",
    "cli",
    "report",
    "explain",
    "check_command",
    "options",
    "contests",
    "contestants",
    "bench",
    "train",
    "learners",
    "scores",
    "checkpoint",
    "models",
    "data",
    "formats",
    "tables",
    "raw",
    "checking",
    "mistakes",
    "sandbox",
    "job_folder",
    "keeper",
    "confinement",
    "messages",
    "steps",
    "traces",
    "views",
    "portrayal",
    "trace_json",
    "gradient_checks",
    "recording",
    "receipts",
    "docstrings",
    "numerals",
    "evaluation",
    "formula",
    "transformer",
    "attention",
    "two_layer_nn",
    "linear",
    "blas",
    "machine",
]
WORK = ORDER[1 : ORDER.index("raw") + 1]
THIRD_PARTY = {
    "machine": set(),
    "blas": {"numpy"},
    "linear": {"torch"},
    "two_layer_nn": {"numpy"},
    "attention": {"torch"},
    "transformer": {"torch"},
    "evaluation": {"numpy"},
    "formula": set(),
    "docstrings": {"numpy"},
    "numerals": set(),
    "receipts": {"numpy"},
    "recording": {"numpy", "torch"},
    "gradient_checks": {"numpy", "torch"},
    "trace_json": {"numpy"},
    "portrayal": {"numpy", "rich"},
    "views": set(),
    "traces": {"numpy", "rich"},
    "steps": {"numpy", "torch"},
    "messages": {"numpy"},
    "confinement": set(),
    "keeper": {"numpy"},
    "job_folder": set(),
    "sandbox": set(),
    "mistakes": {"numpy"},
    "checking": {"numpy", "platformdirs", "rich", "torch"},
}


def sources_of(name):
    file = PACKAGE / f"{name}.py"
    return [file] if file.exists() else sorted((PACKAGE / name).rglob("*.py"))


def imported(name):
    """Every module that the files import anywhere, late imports and those for types included."""
    for node in (node for file in sources_of(name) for node in ast.walk(ast.parse(file.read_text("utf-8")))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the package"
            if node.module == "clearhead":
                yield from (f"clearhead.{alias.name}" for alias in node.names if alias.name[0] != "_")
            else:
                yield node.module


def test_every_module_has_its_place():
    files = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    assert files | {path.parent.name for path in PACKAGE.glob("*/__init__.py")} == {*ORDER}


@pytest.mark.parametrize("name", ORDER)
def test_arrows_point_down(name):
    ours = {module.split(".")[1] for module in imported(name) if module.startswith("clearhead.")} - {name}
    below = set(ORDER[ORDER.index(name) + 1 :])
    assert ours <= below, f"{name} imports {ours - below}, which stands above it"


def test_what_runs_in_the_sandbox_knows_nothing_of_what_is_right():
    # Of what is loaded, and not of what is written: after the lock nothing of clearhead can be imported.
    code = "import sys, clearhead.checking.inside; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    right = ("mistakes", "two_layer_nn", "attention", "docstrings", "checking.align", "checking.diagnose")
    assert not {f"clearhead.{name}" for name in right} & {*loaded}
    assert "torch" not in loaded
    assert {*loaded} >= {
        "clearhead.checking.network_run.observing",
        "clearhead.checking.attention_run.observing",
    }


@pytest.mark.parametrize("name", sorted(THIRD_PARTY))
def test_the_mathematics_knows_nothing_of_the_rest(name):
    above = {f"clearhead.{module}" for module in WORK}
    assert not above & set(imported(name))
    others = {module.split(".")[0] for module in imported(name)} - sys.stdlib_module_names - {"clearhead"}
    assert others <= THIRD_PARTY[name]


QUICKER = {"two_layer_nn": {"clearhead.blas"}, "attention": {"clearhead.linear"}}
USED = {
    "two_layer_nn": "print(TwoLayerNN(4, 3, 2, seed=0).train_step(np.eye(4), [0, 1, 1, 0], 0.5) > 0)\n"
    "print(TwoLayerNN(4, 3, 2, seed=0).update(np.eye(4), [0, 1, 1, 0], 0.5).shape)",
    "attention": "print(CustomMultiHeadAttention(2, 6)(torch.ones(3, 5, 6)).shape)",
}


@pytest.mark.parametrize("name", ["two_layer_nn", "attention"])
def test_a_mathematics_file_can_be_pasted_into_a_notebook_without_the_package(name, tmp_path):
    ours = {module for module in imported(name) if module.startswith("clearhead")}
    assert ours == QUICKER[name]
    source = (PACKAGE / f"{name}.py").read_text("utf-8")
    pasted = tmp_path / "pasted.py"
    absent = "import sys\nsys.modules['clearhead'] = None\n"
    pasted.write_text(f"{absent}{source}\n{USED[name]}\n", "utf-8")
    result = subprocess.run([sys.executable, "-I", pasted], check=True, capture_output=True, text=True)
    assert result.stdout == {"two_layer_nn": "True\n(4, 2)\n", "attention": "torch.Size([3, 5, 6])\n"}[name]
