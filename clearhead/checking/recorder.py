"""The learner's code, run as it is or so that every expression hands its value to a recorder.

Runs inside the sandbox.
"""

import __future__

import ast
import math
import sys
import types
from collections.abc import Iterator
from typing import Any

import numpy as np

from clearhead.checking import book
from clearhead.checking.allowance import Allowance
from clearhead.checking.find import Program
from clearhead.checking.rewriting import RECORD, Site, rewritten
from clearhead.checking.source import Source
from clearhead.checking.stubs import Stub

MOST_NUMBERS = 300_000  # of one value that is kept
MOST_BYTES = 12 << 20  # of all values of a phase
SHARE = 4  # of what is left no value takes more than one part in so many: small ones have room to the end
MOST_TIMES = 24  # that one place is kept from the beginning, and again from the end
MOST_PARTS = 8  # of a list whose parts are kept
NEVER = frozenset(
    ("matplotlib", "seaborn", "plotly", "tqdm", "IPython", "wandb", "google", "cv2", "torchsummary",
     "torchviz",
     "ipywidgets", "graphviz", "bokeh", "tensorboard", "tensorboardX", "pylab", "torchinfo", "termcolor",
     "colorama", "tkinter", "PyQt5", "streamlit")
)  # fmt: skip

_Import = ast.Import | ast.ImportFrom


class Recorder:
    """Copies values at the moment that they are made, within a budget.

    >>> recorder = Recorder()
    >>> recorder.on = True
    >>> recorder(0, np.ones(3)).shape, recorder.answer()[0]
    ((3,), {'records': [0]})
    """

    def __init__(self) -> None:
        self.sites: list[Site] = []
        self.on = False
        self.allowance, self.most = Allowance(), math.inf  # of what runs: its time, and values that it makes
        self.clear()

    def clear(self) -> None:
        """Forget all values, and keep the places."""
        self.records: list[tuple[int, Any]] = []
        self.left, self.made = MOST_BYTES, 0
        self.times: dict[int, int] = {}
        self.late: dict[int, list[int]] = {}

    def __call__(self, site: int, value: Any) -> Any:
        """Keep a copy of the value, if it is one of numbers; it is handed on as it is."""
        if self.on:
            self.keep(site, value)
            self.made += 1
            if self.made > self.most or self.allowance.over:
                raise TimeoutError
        return value

    def keep(self, site: int, value: Any) -> None:
        """Keep a copy of an array, a tensor or a real number."""
        if isinstance(value, list | tuple) and 0 < len(value) <= MOST_PARTS:
            for part in value:
                if not isinstance(part, float | int | str):
                    self.keep(site, part)
            return
        numbers = as_numbers(value)
        if numbers is None or numbers.size > MOST_NUMBERS or numbers.nbytes > self.left / SHARE:
            return
        seen = self.times[site] = self.times.get(site, 0) + 1
        if seen > 2 * MOST_TIMES:  # The first ones stay, and of the rest the last.
            place = self.late[site].pop(0)
            self.records[place] = (-1, None)
        if seen > MOST_TIMES:
            self.late.setdefault(site, []).append(len(self.records))
        self.records.append((site, numbers))
        self.left -= numbers.nbytes

    def answer(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The records as a part of an answer: places by number, arrays by name."""
        kept = [(site, numbers) for site, numbers in self.records if site >= 0]
        arrays = {f"r{place}": numbers for place, (_, numbers) in enumerate(kept)}
        return {"records": [site for site, _ in kept]}, arrays


def as_numbers(value: Any) -> Any:
    """A copy of an array, tensor or real number, floats in double precision; None for anything else.

    >>> as_numbers(np.float32([1, 2])).dtype, as_numbers("no")
    (dtype('float64'), None)
    """
    if isinstance(value, float):
        return np.float64(value).reshape(())
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.kind in "fbiu" and (value.ndim or value.dtype.kind == "f"):
            return np.array(value, float if value.dtype.kind == "f" else value.dtype)
        return None
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        if value.is_complex() or value.numel() > MOST_NUMBERS:
            return None
        value = value.detach().cpu()
        return value.double().numpy().copy() if value.is_floating_point() else value.numpy().copy()
    return None


class Loaded:
    """The statements of a program, run: a namespace in which its classes and functions are.

    >>> from clearhead.checking.source import read
    >>> source = read("net.py", b"def double(x): return 2 * x\\n")
    >>> Loaded(Program("two-layer", "", body=source.tree.body), source, {}, None).names["double"](3)
    6
    """

    def __init__(
        self, program: Program, source: Source, modules: dict[str, Source], recorder: Recorder | None
    ) -> None:
        self.recorder, self.source, self.modules = recorder, source, modules
        self.failed: list[tuple[int, str]] = []
        self.missing: list[str] = []
        self.unset: set[str] = set()  # what data would have told, which are not here
        self.defined: list[str] = []  # functions of the program itself, outside of classes
        self.inner: dict[str, dict[str, Any]] = {}
        module = sys.modules["learner"] = types.ModuleType("learner")
        self.names: dict[str, Any] = module.__dict__
        self.names.update({"__file__": source.name, **_offered(recorder)})
        self._run(program.body, source, self.names)

    def _run(self, body: list[ast.stmt], source: Source, names: dict[str, Any]) -> None:
        for node in body:
            tried = node.body if isinstance(node, ast.Try) else [node]
            imports = [part for part in tried if isinstance(part, _Import)]
            for part in imports:  # One that is tried has nothing else to it.
                self._import(part, names)
            if not imports:
                self._define(node, source, names)
            if isinstance(node, ast.FunctionDef) and names is self.names:
                self.defined.append(node.name)

    def _define(self, node: ast.stmt, source: Source, names: dict[str, Any]) -> None:
        is_definition = isinstance(node, ast.ClassDef | ast.FunctionDef)
        statements = [node]
        if self.recorder is not None and is_definition:
            statements = rewritten(node, self.recorder.sites, source.name)
        try:
            execute(statements, source.name, names)
        except Exception as error:
            self.unset |= set(_set_by(node))
            if is_definition:
                self.failed.append((line_of(error, source.name) or node.lineno, said(error)))

    def _import(self, node: _Import, names: dict[str, Any]) -> None:
        for alias in node.names:
            module = node.module or "" if isinstance(node, ast.ImportFrom) else alias.name
            stem = module.rpartition(".")[2] or alias.name
            root = module.partition(".")[0] or alias.name
            name = alias.asname or (alias.name if isinstance(node, ast.ImportFrom) else root)
            if stem in self.modules:
                whole = isinstance(node, ast.Import) or not node.module
                names.update(_taken(alias.name, name, self._module(stem), whole))
            elif isinstance(node, ast.ImportFrom) and _is_in(alias.name, book.module(module)):
                names.update(_taken(alias.name, name, book.module(module), False))
            elif root in NEVER:
                names[name] = Stub(name)
            else:
                single = type(node)(**{**dict(ast.iter_fields(node)), "names": [alias]})
                try:
                    execute([ast.copy_location(single, node)], "<import>", names)
                except Exception:
                    self.missing.append(module or alias.name)
                    names[name] = Stub(name, module or alias.name)

    def _module(self, stem: str) -> dict[str, Any]:
        """A module of the same folder: its definitions and constants, never its other statements."""
        if stem not in self.inner:
            names = self.inner[stem] = {"__name__": stem, **_offered(self.recorder)}
            source = self.modules[stem]
            kinds = ast.ClassDef | ast.FunctionDef | ast.Import | ast.ImportFrom | ast.Assign
            self._run([node for node in source.tree.body if isinstance(node, kinds)], source, names)
        return self.inner[stem]


def _is_in(wanted: str, names: dict[str, Any]) -> bool:
    return wanted in names or (wanted == "*" and bool(names))


def _offered(recorder: Recorder | None) -> dict[str, Any]:
    """What learners' code finds besides its own names and those of Python."""
    return {RECORD: recorder, "open": _open, "xrange": range, "unicode": str}


def _open(file: Any, *arguments: Any, **named: Any) -> Any:
    """Open a file by its name: a number that is tried as one would take a descriptor of the process."""
    if isinstance(file, int):
        raise FileNotFoundError(f"{file} is no name of a file")
    return open(file, *arguments, **named)


def _taken(wanted: str, name: str, inner: dict[str, Any], whole: bool) -> dict[str, Any]:
    """What an import takes from a module's names: the whole module, all that is public, or one."""
    if whole:
        return {name: types.SimpleNamespace(**inner)}
    if wanted == "*":
        return {key: value for key, value in inner.items() if not key.startswith("_")}
    return {name: inner[wanted]} if wanted in inner else {}


def execute(statements: list[ast.stmt], file: str, names: dict[str, Any]) -> None:
    """Run statements in a namespace; their lines are those of a file, and annotations are not evaluated."""
    module = ast.fix_missing_locations(ast.Module(statements, []))
    exec(compile(module, file, "exec", __future__.annotations.compiler_flag, dont_inherit=True), names)


def _set_by(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement gives a value."""
    for part in ast.walk(statement):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            yield part.id


def said(error: BaseException) -> str:
    """An exception in one line.

    >>> said(ValueError("no")), said(ValueError("\\ud800"))
    ('ValueError: no', 'ValueError: ?')
    """
    text = " ".join(str(error).split())[:300]
    text = text.encode("utf-8", "replace").decode()  # Half a surrogate can be sent nowhere.
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def line_of(error: BaseException, file: str) -> int:
    """The last line of a file that an exception passed through; 0 if none."""
    return [0, *lines_of(error, file)][-1]


def lines_of(error: BaseException, file: str) -> Iterator[int]:
    """The lines of a file that an exception passed through, the outermost first."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            yield trace.tb_lineno
        trace = trace.tb_next
