"""The learner's code, run as it is or so that every expression hands its value to a recorder.

Runs inside the sandbox. Lines and columns stay those of the file.
"""

import ast
import importlib
import sys
import types
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import numpy as np

from clearhead.checking.find import Program
from clearhead.checking.source import Source

MOST_NUMBERS = 300_000  # of one value that is kept
MOST_BYTES = 24 << 20  # of all values of a phase
MOST_TIMES = 24  # that one place is kept from the beginning, and again from the end
NEVER = frozenset(
    "matplotlib seaborn plotly tqdm IPython wandb google cv2 torchsummary torchviz ipywidgets graphviz bokeh "
    "tensorboard tensorboardX pylab torchinfo termcolor colorama tkinter PyQt5 streamlit".split()
)


class Site:
    """A place in the source whose values are kept."""

    def __init__(self, node: Any, target: str, function: str, file: str, kind: str) -> None:
        self.line, self.column = node.lineno, node.col_offset
        self.end = (node.end_lineno, node.end_col_offset)
        self.target, self.function, self.file, self.kind = target, function, file, kind

    def row(self) -> list[Any]:
        """What the parent is told of it."""
        return [self.line, self.column, *self.end, self.target, self.function, self.file, self.kind]


class Recorder:
    """Copies values at the moment that they are made, within a budget."""

    def __init__(self) -> None:
        self.sites: list[Site] = []
        self.on = False
        self.clear()

    def clear(self) -> None:
        """Forget all values, and keep the places."""
        self.records: list[tuple[int, Any]] = []
        self.left = MOST_BYTES
        self.times: dict[int, int] = {}
        self.late: dict[int, list[int]] = {}

    def site(self, node: Any, target: str, function: str, file: str, kind: str = "") -> int:
        """A number for a place."""
        self.sites.append(Site(node, target, function, file, kind))
        return len(self.sites) - 1

    def __call__(self, site: int, value: Any) -> Any:
        """Keep a copy of the value, if it is one of numbers; it is handed on as it is."""
        if self.on:
            self.keep(site, value)
        return value

    def keep(self, site: int, value: Any) -> None:
        """Keep a copy of an array, a tensor or a real number."""
        if isinstance(value, list | tuple) and 0 < len(value) <= 8:
            for part in value:
                if not isinstance(part, float | int | str):
                    self.keep(site, part)
            return
        numbers = as_numbers(value)
        if numbers is None or numbers.size > MOST_NUMBERS or numbers.nbytes > self.left:
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
    """A float copy of an array, tensor or real number; None for anything else."""
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


class _Rewriter(ast.NodeTransformer):
    """Wraps expressions in calls of the recorder."""

    def __init__(self, recorder: Recorder, file: str) -> None:
        self.recorder, self.file = recorder, file
        self.where: list[str] = []

    def _wrapped(self, node: Any, target: str = "", kind: str = "", at: Any = None) -> ast.expr:
        number = self.recorder.site(at or node, target, ".".join(self.where), self.file, kind)
        call = ast.Call(ast.Name("__record__", ast.Load()), [ast.Constant(number), node], [])
        for part in (call, call.func, call.args[0]):
            ast.copy_location(part, node)
        return call

    def _said(self, target: Any, at: Any, kind: str = "") -> ast.stmt:
        """A statement that hands on what a target now holds."""
        value = ast.parse(ast.unparse(target), mode="eval").body
        for part in ast.walk(value):
            ast.copy_location(part, at)
        return ast.copy_location(ast.Expr(self._wrapped(value, ast.unparse(target), kind, at)), at)

    def _plain(self, node: Any) -> Any:
        """The node with what stands inside it wrapped, itself not."""
        return super().generic_visit(node)

    def generic_visit(self, node: Any) -> Any:
        if isinstance(node, ast.JoinedStr | ast.FormattedValue):
            return node
        made = super().generic_visit(node)
        if isinstance(node, ast.Call | ast.BinOp | ast.UnaryOp | ast.IfExp):
            return self._wrapped(made)
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            return self._wrapped(made)
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Load)
            and node.attr in ("T", "mT", "data")
        ):
            return self._wrapped(made)
        return made

    def visit_Call(self, node: ast.Call) -> Any:
        if isinstance(node.func, ast.Attribute):
            node.func.value = self.visit(node.func.value)
        elif not isinstance(node.func, ast.Name):
            node.func = self.visit(node.func)
        node.args = [self.visit(part) for part in node.args]
        for word in node.keywords:
            word.value = self.visit(word.value)
        if isinstance(node.func, ast.Name) and node.func.id in (
            "super",
            "range",
            "len",
            "locals",
            "globals",
            "vars",
        ):
            return node
        return self._wrapped(node)

    def visit_Assign(self, node: ast.Assign) -> Any:
        target, after = node.targets[0], []
        value = node.value
        if (
            isinstance(target, ast.Tuple)
            and isinstance(value, ast.Tuple)
            and len(target.elts) == len(value.elts)
        ):
            value.elts = [
                self._named(part, ast.unparse(name))
                for part, name in zip(value.elts, target.elts, strict=True)
            ]
        elif isinstance(target, ast.Tuple | ast.List):
            node.value = self.visit(value)
            after = [
                self._said(part, node)
                for part in target.elts
                if isinstance(part, ast.Name | ast.Attribute | ast.Subscript)
            ]
        else:
            node.value = self._named(value, ast.unparse(target))
            if isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Constant):
                root = target.value
                while isinstance(root, ast.Subscript) and not isinstance(root.slice, ast.Constant):
                    root = root.value
                after = [self._said(root, node)]
        return [node, *after]

    def _named(self, value: Any, target: str) -> Any:
        made = self.visit(value)
        if made is not value or isinstance(value, ast.Call):
            if (
                isinstance(made, ast.Call)
                and isinstance(made.func, ast.Name)
                and made.func.id == "__record__"
            ):
                self.recorder.sites[made.args[0].value].target = target  # type: ignore[attr-defined]
                return made
        if isinstance(value, ast.Constant | ast.Lambda | ast.Dict | ast.List | ast.Tuple):
            return made
        return self._wrapped(made, target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        if node.value is not None:
            node.value = self._named(node.value, ast.unparse(node.target))
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        node.value = self.visit(node.value)
        root: Any = node.target
        while isinstance(root, ast.Subscript) and not isinstance(root.slice, ast.Constant):
            root = root.value
        parts = (
            [root]
            if root is node.target or any(isinstance(p, ast.Slice) for p in ast.walk(node.target))
            else [node.target, root]
        )
        return [node, *(self._said(part, node) for part in parts)]

    def visit_Return(self, node: ast.Return) -> Any:
        if node.value is not None and not isinstance(node.value, ast.Constant):
            if isinstance(node.value, ast.Tuple | ast.Dict | ast.List):
                node.value = self.visit(node.value)
            else:
                node.value = self._named(node.value, "return")
        return node

    def _function(self, node: Any) -> Any:
        self.where.append(node.name)
        node.body = _flat(self.visit(part) for part in node.body)
        names = [part.arg for part in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        # What came in is known too; after a docstring, which stays the first statement.
        lead = 1 if ast.get_docstring(node, clean=False) is not None else 0
        arguments = [
            self._said(ast.Name(name, ast.Load()), node, "argument")
            for name in names
            if name not in ("self", "cls")
        ]
        node.body[lead:lead] = arguments
        self.where.pop()
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = _function

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        self.where.append(node.name)
        node.body = _flat(self.visit(part) for part in node.body)
        self.where.pop()
        return node

    def visit_Lambda(self, node: ast.Lambda) -> Any:
        node.body = self.visit(node.body)
        return node

    def visit_Import(self, node: Any) -> Any:
        return node

    visit_ImportFrom = visit_Global = visit_Nonlocal = visit_Delete = visit_Match = visit_Import


def _flat(parts: Iterable[Any]) -> list[Any]:
    made: list[Any] = []
    for part in parts:
        made += part if isinstance(part, list) else [part]
    return made


class Stub:
    """Stands for a module that draws, shows progress or is not installed: it takes everything, and does nothing."""

    touched: ClassVar[set[str]] = set()  # the modules that are missed, of which something was asked

    def __init__(self, name: str, missed: str = "") -> None:
        self.__name__, self.__missed__ = name, missed

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Stub(name, self.__missed__)

    def __call__(self, *arguments: Any, **_: Any) -> Any:
        if self.__missed__:
            self.touched.add(self.__missed__)
        # tqdm(range(9)) is what it shows the progress of.
        if self.__name__.endswith(("tqdm", "trange", "track", "notebook")) and arguments:
            return range(arguments[0]) if self.__name__ == "trange" else arguments[0]
        if self.__name__ == "subplots":
            return Stub("figure"), Stub("axes")
        return Stub("value")

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: Any) -> None:
        return None


class Loaded:
    """The statements of a program, run: a namespace in which its classes and functions are."""

    def __init__(
        self, program: Program, source: Source, modules: dict[str, Source], recorder: Recorder | None
    ) -> None:
        self.recorder = recorder
        self.source, self.modules = source, modules
        self.names: dict[str, Any] = {
            "__name__": "learner",
            "__builtins__": __builtins__,
            "__record__": recorder,
        }
        self.failed: list[tuple[int, str]] = []
        self.missing: list[str] = []
        self.inner: dict[str, Any] = {}
        module = types.ModuleType("learner")
        sys.modules["learner"] = module
        self.names = module.__dict__
        self.names.update(__record__=recorder, __file__=source.name, xrange=range, unicode=str)
        self._run(program.body, source, self.names)

    def _run(self, body: list[ast.stmt], source: Source, names: dict[str, Any]) -> None:
        for node in body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._import(node, names)
                continue
            if isinstance(node, ast.Try) and any(
                isinstance(part, ast.Import | ast.ImportFrom) for part in node.body
            ):
                for part in node.body:
                    if isinstance(part, ast.Import | ast.ImportFrom):
                        self._import(part, names)
                continue
            statements = [node]
            if self.recorder is not None and isinstance(node, ast.ClassDef | ast.FunctionDef):
                # A tree of its own, since the original runs too.
                copied = _copy(node)
                statements = _flat([_Rewriter(self.recorder, source.name).visit(copied)])
            module = ast.fix_missing_locations(ast.Module(statements, []))
            try:
                exec(compile(module, source.name, "exec", dont_inherit=True), names)
            except Exception as error:
                if isinstance(node, ast.ClassDef | ast.FunctionDef):
                    self.failed.append((line_of(error, source.name) or node.lineno, said(error)))

    def _import(self, node: Any, names: dict[str, Any]) -> None:
        for alias in node.names:
            module = node.module or "" if isinstance(node, ast.ImportFrom) else alias.name
            root = module.partition(".")[0] or alias.name
            name = alias.asname or (alias.name if isinstance(node, ast.ImportFrom) else root)
            stem = module.rpartition(".")[2] or alias.name
            if stem in self.modules:
                inner = self._module(stem)
                if isinstance(node, ast.Import) or not node.module:
                    names[name] = types.SimpleNamespace(**inner)
                elif alias.name == "*":
                    names.update({key: value for key, value in inner.items() if not key.startswith("_")})
                elif alias.name in inner:
                    names[name] = inner[alias.name]
                continue
            if root in NEVER:
                names[name] = Stub(name)
                continue
            single = type(node)(**{**dict(ast.iter_fields(node)), "names": [alias]})
            statement = ast.fix_missing_locations(ast.copy_location(single, node))
            try:
                exec(compile(ast.Module([statement], []), "<import>", "exec", dont_inherit=True), names)
            except Exception:
                self.missing.append(module or alias.name)
                names[name] = Stub(name, module or alias.name)

    def _module(self, stem: str) -> dict[str, Any]:
        """A module of the same folder: its definitions and constants, never its other statements."""
        if stem not in self.inner:
            names = self.inner[stem] = {"__name__": stem, "__record__": self.recorder}
            source = self.modules[stem]
            kinds = ast.ClassDef | ast.FunctionDef | ast.Import | ast.ImportFrom | ast.Assign
            self._run([node for node in source.tree.body if isinstance(node, kinds)], source, names)
        return self.inner[stem]


def _copy(node: ast.stmt) -> ast.stmt:
    import copy

    return copy.deepcopy(node)


def said(error: BaseException) -> str:
    """An exception in one line.

    >>> said(ValueError("no"))
    'ValueError: no'
    """
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__


def line_of(error: BaseException, file: str) -> int:
    """The last line of a file that an exception passed through; 0 if none."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def have(module: str) -> bool:
    """Whether a module can be imported here."""
    try:
        importlib.import_module(module)
    except Exception:
        return False
    return True
