"""The top level of a file that trains there: run statement by statement, with our examples where it has data.

Nothing is run that reads, writes, asks or loads, nor a function that does.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from clearhead.checking.binding import role_of
from clearhead.checking.find import Program
from clearhead.checking.recorder import Loaded, Recorder, execute
from clearhead.checking.rewriting import rewritten
from clearhead.checking.source import Source
from clearhead.checking.stubs import Stub

FEW = 8  # records of a statement that makes data ready, and may fail
_OUTSIDE = re.compile(
    r"open|os|sys|io|input|exec|eval|compile|subprocess|shutil|socket|requests|urllib|http|pathlib|Path|pickle|json"
    r"|joblib|h5py|csv|glob|argparse|exit|quit|__import__|importlib|ctypes|threading|multiprocessing|signal"
    r"|(\w+_)?(save|load|dump|download|fetch|write|read)(_\w+)?|(save|load)(z|txt|fig)|genfromtxt|to_csv"
)
_DEFINES = ast.FunctionDef | ast.ClassDef


class Script:
    """What a main program does; `names` holds its variables once it has run."""

    def __init__(self, source: Source, modules: dict[str, Source]) -> None:
        self.source, self.modules = source, modules
        self.body = list(_main(source.tree))
        self.names: dict[str, Any] = {}
        imports = ast.Import | ast.ImportFrom
        self.does = any(not isinstance(node, _DEFINES | imports) for node in self.body)

    def run(self, recorder: Recorder, values: Mapping[str, Any]) -> None:
        """Run what keeps to itself, with values by the roles of names."""
        running = _Running(self, recorder, values)
        self.names = running.names
        running.run(self.body)


class _Running(Loaded):
    """Statements run one by one; names that one of them does not set get our values by their roles."""

    def __init__(self, script: Script, recorder: Recorder, values: Mapping[str, Any]) -> None:
        super().__init__(Program("two-layer", ""), script.source, script.modules, recorder)
        self.values = values
        self.outside = _reaching_out(script.source.tree)

    def run(self, body: list[ast.stmt]) -> None:
        self._run(body, self.source, self.names)

    def _define(self, node: ast.stmt, source: Source, names: dict[str, Any]) -> None:
        names["__name__"] = "__main__"
        if isinstance(node, _DEFINES) or not _reaches_out(node, self.outside):
            self._execute(node, source, names)
        for name in _names_set(node):
            role = role_of(name).replace("amb", "Y")
            if role in self.values and isinstance(names.get(name, Stub("")), Stub):
                value = self.values[role]
                names[name] = np.array(value) if isinstance(value, np.ndarray) else value

    def _execute(self, node: ast.stmt, source: Source, names: dict[str, Any]) -> None:
        assert self.recorder is not None
        before = len(self.recorder.records)
        try:
            execute(rewritten(node, self.recorder.sites, source.name), source.name, names)
        except TimeoutError:
            raise
        except (Exception, SystemExit):
            if len(self.recorder.records) > before + FEW:  # What fell was more than making data ready.
                raise


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


def _names_set(node: ast.stmt) -> Iterator[str]:
    targets = node.targets if isinstance(node, ast.Assign) else []
    for target in targets:
        yield from (part.id for part in ast.walk(target) if isinstance(part, ast.Name))
