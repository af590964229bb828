"""The top level of a file that trains there: run statement by statement, with our examples for its own.

Where it loads data, ours take their place at once; where it makes them, before they are first used together
with their labels, so many and of the same form. Nothing is run that reads, writes, asks or loads, nor a
function that does.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from clearhead.checking.binding import role_of
from clearhead.checking.find import Program
from clearhead.checking.recorder import Loaded, Recorder, execute, lines_of, said
from clearhead.checking.rewriting import rewritten
from clearhead.checking.source import Source
from clearhead.checking.stubs import Stub

FEW = 8  # records of a statement that makes data ready, and may fail
_OUTSIDE = re.compile(
    r"open|os|sys|io|input|exec|eval|compile|subprocess|shutil|socket|requests|urllib|http|pathlib|Path|pickle|json"
    r"|joblib|h5py|csv|glob|argparse|exit|quit|__import__|importlib|ctypes|threading|multiprocessing|signal"
    r"|(\w+_)?(save|load|dump|download|fetch|write|read)(_\w+)?|(save|load)(z|txt|fig)|genfromtxt|to_csv"
)
MOST_EXAMPLES, MOST_NUMBERS = 1000, 20_000  # of a script's own, that ours take the place of
_DEFINES = ast.FunctionDef | ast.ClassDef


class Script:
    """What a main program does.

    As far as it has run, `names` holds its variables, `sizes` and `examples` tell of its data.
    """

    def __init__(self, source: Source, modules: dict[str, Source]) -> None:
        self.source, self.modules = source, modules
        self.body = list(_main(source.tree))
        self.names: dict[str, Any] = {}
        self.fallen = 0  # statements that stopped, and were gone past
        self.crash: dict[str, Any] = {}  # what stopped the first that used examples which the script made
        self.sizes: dict[str, int] = {}
        self.examples = 0
        imports: list[ast.stmt] = [
            node for node in self.body if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        self.does = any(not isinstance(node, _DEFINES) for node in self.body if node not in imports)
        if self.does:  # What takes long to import would take the time of a run.
            Loaded(Program("two-layer", "", body=imports), source, modules, None)

    @property
    def loops(self) -> bool:
        """Whether there is a loop in which methods are called."""
        parts = (part for node in self.body if not isinstance(node, _DEFINES) for part in ast.walk(node))
        loops = (part for part in parts if isinstance(part, ast.For | ast.While))
        calls = (part for loop in loops for part in ast.walk(loop) if isinstance(part, ast.Call))
        return any(isinstance(call.func, ast.Attribute) for call in calls)

    def run(self, recorder: Recorder, values: Mapping[str, Any]) -> None:
        """Run what keeps to itself, with values by the roles of names."""
        running = _Running(self, recorder, values)
        self.names, self.fallen, self.sizes, self.examples = running.names, 0, {}, 0
        running.run(self.body)


class _Running(Loaded):
    """Statements run one by one; names that one of them does not set get our values by their roles."""

    def __init__(self, script: Script, recorder: Recorder, values: Mapping[str, Any]) -> None:
        super().__init__(Program("two-layer", ""), script.source, script.modules, recorder)
        self.script, self.values = script, values
        self.stands_in = False  # whether something stands for data that is not here
        self.drawn: Mapping[str, Any] = {}  # what stands for data that the script made
        self.outside = _reaching_out(script.source.tree)

    def run(self, body: list[ast.stmt]) -> None:
        self._run(body, self.source, self.names)

    def _define(self, node: ast.stmt, source: Source, names: dict[str, Any]) -> None:
        names["__name__"] = "__main__"
        if not isinstance(node, _DEFINES):
            self._exchange(node, names)
        if isinstance(node, _DEFINES) or not _reaches_out(node, self.outside):
            self._execute(node, source, names)
        if name := _loaded(node, source):
            names[name], self.stands_in = _DataSet(self.values["drawn"]), True
            return
        for name in _names_set(node):
            role = role_of(name).replace("amb", "Y")
            if role in self.values and isinstance(names.get(name, Stub("")), Stub):
                value, self.stands_in = self.values[role], True
                names[name] = np.array(value) if isinstance(value, np.ndarray) else value

    def _exchange(self, node: ast.stmt, names: dict[str, Any]) -> None:
        """Put our examples and labels for those that a statement uses together, which the script has made."""
        used = {name: names[name] for name in _names_used(node) if isinstance(names.get(name), np.ndarray)}
        labels = {name: form for name, value in used.items() if (form := _Labels.of(name, value))}
        told = [form for name, form in labels.items() if role_of(name) in ("Y", "amb")]
        # An array of places holds whole numbers too, as many as there are examples.
        best = min(told or labels.values(), key=lambda form: form.classes, default=None)
        inputs = [name for name, value in used.items() if name not in labels and _may_be_inputs(value, best)]
        if best is None or not inputs:
            return
        name, N = min(inputs, key=lambda each: role_of(each) != "X"), best.examples
        value = used[name]
        rows = value if len(value) == N else value.T
        own = np.ones(rows.shape[1], bool)
        own[[0, -1]] = np.ptp(rows[:, [0, -1]], axis=0) > 0  # A column of ones stays.
        D, C = int(own.sum()), max(form.classes for form in told or [best] if form.examples == N)
        if N > MOST_EXAMPLES or N * D > MOST_NUMBERS or not D:
            return
        drawn = self._drawn(D, C, N)
        if np.isin(rows[:, own], drawn["X"]).all():
            return  # These are ours already.
        drawn = {key: value[:N] for key, value in drawn.items()}
        made = np.array(rows, float)
        made[:, own] = drawn["X"]
        names[name] = made if rows is value else made.T
        for each, form in labels.items():
            if form.examples == N and form.classes <= C:
                names[each] = form.filled(drawn)

    def _drawn(self, D: int, C: int, N: int) -> Mapping[str, Any]:
        """At least so many examples: those that there are already, unless they are of another kind."""
        known = self.values["drawn"] if self.stands_in and not self.drawn else self.drawn
        width, classes = (known[name].shape[1] if known else 0 for name in ("X", "Y"))
        if (width, classes) != (D, C) or len(known["X"]) < N:
            self.drawn = known = self.values["draw"](D, C, N)
            self.script.examples = N
        self.script.sizes = {"D": D, "C": C}
        return known

    def _execute(self, node: ast.stmt, source: Source, names: dict[str, Any]) -> None:
        assert self.recorder is not None
        before = len(self.recorder.records)
        try:
            execute(rewritten(node, self.recorder.sites, source.name), source.name, names)
        except TimeoutError:
            raise
        except (Exception, SystemExit) as error:
            self.script.fallen += 1
            is_own = self.script.examples and not self.stands_in and not isinstance(error, SystemExit)
            if is_own and not self.script.crash:
                message = said(error)
                lines = [0, *lines_of(error, source.name)]
                self.script.crash = {"line": lines[-1], "call": lines[:2][-1], "message": message}
            if len(self.recorder.records) > before + FEW:  # What fell was more than making data ready.
                raise


class _DataSet:
    """What stands for a data set of a library, with our examples and labels; more is asked of none.

    >>> _DataSet({"X": np.ones((2, 3)), "labels": np.arange(2)})["target"]
    array([0, 1])
    """

    def __init__(self, drawn: Mapping[str, Any]) -> None:
        self.data = self.images = self.features = drawn["X"].copy()
        self.target = self.targets = self.labels = drawn["labels"].copy()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Stub(name)

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)


class _Labels(NamedTuple):
    """Labels as a script has them: of so many examples and classes, of a shape and a type."""

    examples: int
    classes: int
    like: Any

    @staticmethod
    def of(name: str, value: Any) -> "_Labels | None":
        """What an array holds, if these may be labels: whole numbers from 0, or one 1 for each example."""
        if (
            role_of(name) == "X"
            or value.ndim not in (1, 2)
            or value.dtype.kind not in "fiu"
            or not 4 <= value.size <= MOST_NUMBERS
        ):
            return None
        if not np.isin(value, np.arange(value.size)).all():
            return None
        if value.ndim == 1 or 1 in value.shape:
            return _Labels(value.size, int(value.max()) + 1, value) if np.ptp(value) else None
        for axis in (1, 0):
            if value.max() == 1 and (value.sum(axis=axis) == 1).all():
                return _Labels(value.shape[1 - axis], value.shape[axis], value)
        return None

    def filled(self, drawn: Mapping[str, Any]) -> Any:
        """Our labels in the same form."""
        single = self.like.ndim == 1 or 1 in self.like.shape
        made = drawn["labels"] if single else drawn["Y"]
        made = made if single or len(self.like) == self.examples else made.T
        return made.reshape(self.like.shape).astype(self.like.dtype)


def _main(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements of a main program: also those under its guard, and of a function that is called alone.

    >>> code = "def main():\\n  x = 1\\nif __name__ == '__main__':\\n  main()"
    >>> [ast.unparse(node) for node in _main(ast.parse(code))][1:]
    ['x = 1']
    """
    alone = {
        f"{node.name}()": node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and not node.args.args
    }
    for node in tree.body:
        for part in (
            node.body if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test) else [node]
        ):
            called = alone.get(ast.unparse(part)) if isinstance(part, ast.Expr) else None
            yield from (
                inner for inner in (called.body if called else [part]) if not isinstance(inner, ast.Return)
            )


def _reaching_out(tree: ast.Module) -> set[str]:
    """The functions, and the classes by their constructors, that reach out, be it through one another.

    >>> code = "def a(): open('x')\\ndef b(): a()\\nclass C:\\n  def __init__(self): b()\\ndef d(): return 1"
    >>> sorted(_reaching_out(ast.parse(code)))
    ['C', 'a', 'b']
    """
    bodies: list[tuple[str, ast.stmt]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name != "__init__":
            bodies.append((node.name, node))
        elif isinstance(node, ast.ClassDef):
            bodies += [(node.name, part) for part in node.body if getattr(part, "name", "") == "__init__"]
    known: set[str] = set()
    while (more := {name for name, body in bodies if _reaches_out(body, known)}) != known:
        known = more
    return known


def _reaches_out(node: ast.stmt, functions: set[str]) -> bool:
    """Whether a statement names something outside of the program, or a function that does."""
    names = {getattr(part, "attr", getattr(part, "id", "")) for part in ast.walk(node)}
    return any(name in functions or _OUTSIDE.fullmatch(name) for name in names)


def _may_be_inputs(value: Any, labels: _Labels | None) -> bool:
    """Whether a matrix has a row, or a column, for each of the examples that have labels."""
    return (
        value.ndim == 2
        and value.dtype.kind in "fiu"
        and labels is not None
        and labels.examples in value.shape
    )


def _names_used(node: ast.stmt) -> list[str]:
    """The names that a statement takes and does not set in a part; last those that it sets.

    >>> _names_used(ast.parse("for i in n:\\n  y[i] = x[i]\\n  w -= lr * x.sum()").body[0])
    ['n', 'x', 'lr', 'i', 'w']
    """
    names = [part for part in ast.walk(node) if isinstance(part, ast.Name)]
    in_part = {
        part.value.id
        for part in ast.walk(node)
        if isinstance(part, ast.Subscript)
        and isinstance(part.ctx, ast.Store)
        and isinstance(part.value, ast.Name)
    }
    are_set = {name.id: None for name in names if isinstance(name.ctx, ast.Store)}
    only_used = [name.id for name in names if name.id not in are_set]
    return [name for name in dict.fromkeys([*only_used, *are_set]) if name not in in_part]


def _loaded(node: ast.stmt, source: Source) -> str:
    """The name of a data set that a statement loads, of which the file takes its labels; "" if none.

    >>> from clearhead.checking.source import read
    >>> text = b"iris = load_iris()\\ny = iris.target"
    >>> source = read("a.py", text)
    >>> _loaded(source.tree.body[0], source)
    'iris'
    """
    name = "".join(_names_set(node)) if isinstance(node, ast.Assign) else ""
    called = getattr(node, "value", None)
    loads = isinstance(called, ast.Call) and re.search(r"\b(load|fetch)_\w+$", ast.unparse(called.func))
    taken = rf"\b{name}(\.|\[['\"])(target|label)"
    return name if name.isidentifier() and loads and re.search(taken, source.text) else ""


def _names_set(node: ast.stmt) -> Iterator[str]:
    targets = node.targets if isinstance(node, ast.Assign) else []
    for target in targets:
        yield from (part.id for part in ast.walk(target) if isinstance(part, ast.Name))
