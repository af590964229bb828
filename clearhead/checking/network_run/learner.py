"""A learner's program, loaded: its functions, and what became of calling them."""

import ast
import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from clearhead.checking.binding import Argument, arguments_of, role_of
from clearhead.checking.certain import certain
from clearhead.checking.find import Program
from clearhead.checking.flows import calls_in, hands_singles, pairs_in
from clearhead.checking.network_run import names
from clearhead.checking.network_run.uses import Roles, called_in, uses_in
from clearhead.checking.recorder import Loaded, Recorder, line_of, said
from clearhead.checking.source import Source
from clearhead.checking.stubs import Stub
from clearhead.checking.subject import Subject

LABELS = ("one-hot", "index", "column")  # the forms in which functions take them
PAIRS = ("pair", "pair_val", "pairs", "pairs_val")  # roles of examples with their labels
MADE = "made "  # begins the roles of instances of the learner's own classes
TRIES = 4.0  # seconds for finding out what one function wants
# Labels or sizes in another form than was tried.
_FORM = r"indices|integer|iterable|subscriptable|out of range|unpack"


@dataclass(frozen=True)
class Way:
    """One way to call a function: its arguments' roles, the form of labels, what is called before."""

    name: str
    binding: dict[str, str] = field(default_factory=dict)
    labels: str = ""
    before: str = ""

    @property
    def roles(self) -> set[str]:
        """What the function is given; pairs, and what is made for it, have examples with their labels."""
        roles = set(self.binding.values())
        whole = any(role in PAIRS or role.startswith(MADE) for role in roles)
        return roles | {"X", "Y"} if whole else roles


class Learner:
    """A program as it is and rewritten so that it records; one of them is the `subject` at a time."""

    def __init__(self, program: Program, source: Source, modules: dict[str, Source]) -> None:
        self.program, self.source, self.modules = program, source, modules
        self.recorder = Recorder()
        self.plain, self.recorded = (
            Subject(Loaded(program, source, modules, recorder), program.name, program.functions)
            for recorder in (None, self.recorder)
        )
        self.subject = self.plain
        self.uses: dict[str, Roles] = {}
        known = (*self.plain.functions, *self.plain.helpers)
        names = {name: [a.name for a in self.arguments(name)] for name in known}
        self.calls = calls_in(source.tree, names)
        self.uses, self.kept = uses_in(source.tree, self.calls)
        self.called = called_in(source.tree)
        self.pairs = pairs_in(source.tree, self.calls)
        self.one_by_one = hands_singles(source.tree, known, _may_be_data)
        self.unwritten = {name.rpartition(".")[2] for name in program.unwritten}
        self.crashes: dict[str, dict[str, Any]] = {}
        self.fallen: dict[str, Any] = {}  # what stopped the file's own script
        self.ran: set[tuple[str, str]] = set()  # kinds and functions of which some call did not fail

    def count(self, examples: int) -> None:
        """Give constants that would count the examples of data that are not here the number of ours."""
        for loaded in (self.plain.loaded, self.recorded.loaded):
            unknown = [name for name, value in loaded.names.items() if isinstance(value, Stub)]
            for name in (*loaded.unset, *unknown):
                if role_of(name) == "N":
                    loaded.names[name] = examples

    @property
    def bare(self) -> bool:
        """Whether there are functions alone, which are handed their parameters."""
        return self.subject.type is None

    @contextlib.contextmanager
    def recording(self, recorded: bool = True) -> Iterator[None]:
        """Let the rewritten code be the one that runs; it records while the recorder is on."""
        self.subject = self.recorded if recorded else self.plain
        try:
            yield
        finally:
            self.subject = self.plain

    def ways(self, kind: str, *others: str) -> list[str]:
        """The functions that may be of a kind, likelier ones first, without those not written yet."""
        found = names.ways(self.subject.functions, kind, *others, called=self.called)
        found = [name for name in found if name not in self.unwritten]
        if kind == "train":  # Where names tell nothing, what calls the others trains.
            inner = set(self.called_within(found))
            found.sort(key=lambda name: name in inner and not names.says(name, kind))
        return found

    def called_within(self, names: Sequence[str]) -> list[str]:
        """Of some functions those that others of them call."""
        inner = {c.function for c in self.calls for name in names if c.caller == name != c.function}
        return [name for name in names if name in inner]

    def arguments(self, name: str = "") -> list[Argument]:
        """The arguments of a function; without a name, those of the class."""
        arguments = arguments_of(self.subject.unbound(name) if name else self.subject.type)
        used = self.uses.get(name or self.program.name, {})
        for argument in arguments:
            role = used.get(argument.name, "")
            if role and not argument.required and len(argument.name) == 1:
                argument.role = role  # One letter with a default may be anything.
            elif role != "params":
                argument.role = argument.role or role
            elif argument.role == "y":  # Of `p` one takes "W1": it is no probability.
                argument.role = role
        return arguments

    def told(self, name: str, binding: Mapping[str, str]) -> set[str]:
        """The roles that a function is given in arguments whose names, or uses, say so."""
        return {a.role for a in self.arguments(name) if a.role and binding.get(a.name) == a.role}

    def sure(self, kind: str, name: str) -> bool:
        """Whether the names of a function and of all that it must be given say what they are."""
        named = names.says(name, kind) or (kind == "backward" and names.says(name, "loss"))
        return named and _told(self.arguments(name))

    def crashed(
        self, kind: str, error: BaseException, name: str = "", binding: Mapping[str, str] | None = None
    ) -> None:
        """Keep the first exception of a kind: that of the likeliest way to call it.

        It is `sure` where all arguments got what their names want, and nothing else is to blame, and
        `certain` where it comes of the code alone.
        """
        if isinstance(error, NotImplementedError):
            self.unwritten.add(name)
        message = said(error)
        callable_ = bool(name) or not self.bare
        arguments = self.arguments(name) if callable_ else []
        got = all(_agrees(a.role, (binding or {}).get(a.name, a.role)) for a in arguments)
        named = callable_ and got and _told(arguments) and (not name or names.says(name, kind))
        named = named and (self.bare or _told(self.arguments()))
        missed = r"'?(Stub|Configuration)'?|ModuleNotFoundError|FileNotFoundError"
        blamed = self.plain.loaded.missing or re.search(f"{missed}|{_FORM}", message) or self._kept(message)
        line = line_of(error, self.source.name)
        whole = {"X", "Y"} <= {*(binding or {}).values()}  # It wants nothing that another one makes.
        is_certain = certain(self.source.tree, line, message)
        crash = {"line": line, "message": message, "function": name, "whole": whole,
                 "sure": bool(named and not blamed) or is_certain, "certain": is_certain}  # fmt: skip
        if kind not in self.crashes or (is_certain and not self.crashes[kind]["certain"]):
            self.crashes[kind] = crash

    def _kept(self, message: str) -> bool:
        """Whether what an exception misses is kept by another function, which was not called before."""
        missed = re.search(r"has no attribute '(\w+)'|KeyError: '(\w+)'", message)
        if missed is None:
            return False
        parts = [part for node in self.program.body for part in ast.walk(node)]
        if "'NoneType'" in message:  # It may wait for what another one puts in the place of None.
            return any(map(_leaves_open, parts))
        stored = [part for part in parts if isinstance(getattr(part, "ctx", None), ast.Store)]
        if missed[1]:
            return any(getattr(part, "attr", "") == missed[1] for part in stored)
        return any(getattr(getattr(part, "slice", None), "value", "") == missed[2] for part in stored)


def _leaves_open(part: ast.AST) -> bool:
    """Whether an attribute is given None, to be filled later."""
    if not isinstance(part, ast.Assign) or not isinstance(part.value, ast.Constant):
        return False
    return part.value.value is None and any(isinstance(target, ast.Attribute) for target in part.targets)


def _may_be_data(name: str) -> bool:
    return role_of(name) in ("", "X", "Y", "amb", "X_val", "Y_val")


def _agrees(named: str, given: str) -> bool:
    """Whether what an argument was given is what its name says, or what the learner's own code hands it."""
    return given == named or (named == "amb" and given in ("y", "Y")) or given.endswith(")")


def _told(arguments: list[Argument]) -> bool:
    """Whether every argument that must be given has a name that says what it is."""
    return all(argument.role for argument in arguments if argument.required)
