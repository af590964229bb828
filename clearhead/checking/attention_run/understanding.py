"""Finds out what a learner's attention is called with: by name where names tell, else by trying.

Runs inside the sandbox.
"""

import ast
import re
from collections.abc import Sequence
from typing import Any

from clearhead.checking import probes
from clearhead.checking.allowance import Allowance
from clearhead.checking.attention_run.arguments import (
    INPUTS,
    SIZES,
    UNEVEN_HEAD,
    constructor_ways,
    forward_ways,
    roles_by_use,
)
from clearhead.checking.attention_run.settings import Settings, constants_of
from clearhead.checking.attention_run.subject import AttentionSubject
from clearhead.checking.binding import arguments_of, role_of
from clearhead.checking.certain import certain
from clearhead.checking.recorder import Loaded, line_of, said

SECONDS = 4.0
# What a message has in it where a sequence may be asked for without a batch.
_ALONE = (
    r"to unpack|<= 2 dimensions|must be 2D|matrices expected|is invalid for input|not match|shapes cannot"
)
# What a message has in it when it was we who called wrongly, or had no such module.
_OURS = (
    r"Stub|Settings|ModuleNotFoundError|missing \d+ required|unexpected keyword|dtype|'int' object"
    r"|'str' object|same datatype|Expected \d-?D|expected input|argument #1 'indices'|channels"
)


class Understanding:
    """Tries ways to construct and to call, until vectors come out; `crash` says what came else."""

    def __init__(self, subject: AttentionSubject, loaded: Loaded) -> None:
        self.subject, self.loaded = subject, loaded
        self.crash: dict[str, Any] = {}
        self.uneven: dict[str, Any] = {}  # a crash where the heads together are no token's length
        self.fixed = False  # whether the code may fix sizes that names do not speak of

    def reached(self) -> bool:
        """Whether a way was found; the subject then knows it."""
        found = self._reached()
        if not found and re.search(_ALONE, str(self.crash.get("message"))):
            first, self.crash, self.subject.alone = self.crash, {}, True
            found = self._reached()
            self.crash = first
        return found

    def _reached(self) -> bool:
        allowance = Allowance(SECONDS)
        arguments = self.subject.arguments(self.loaded)
        constants = constants_of(self.loaded.source.tree)
        used = roles_by_use(self._constructor())
        for self.fixed in (False, True):
            ways = constructor_ways(
                arguments, self.subject.sizes, constants, lambda: bool(self.crash.get("sure")), used
            )
            for named in ways:
                if allowance.over or (self.fixed and self.subject.sizes["M"] in named.values()):
                    continue
                sizes = dict(self.subject.sizes)
                if self._is_right(named):
                    return True
                self.subject.sizes = sizes
        return False

    def _constructor(self) -> ast.AST:
        """The constructor of the class in the source; an empty piece of code where there is none."""
        parts = (
            part for node in ast.walk(self.loaded.source.tree)
            if isinstance(node, ast.ClassDef) and node.name == self.subject.name
            for part in node.body if getattr(part, "name", "") == "__init__"
        )  # fmt: skip
        return next(parts, ast.Module([], []))

    def _is_right(self, named: dict[str, Any], before: Sequence[dict[str, Any]] = ()) -> bool:
        """Whether vectors come out, if need be with the sizes that the code turns out to fix."""
        self.subject.named = named
        try:
            module = self.subject.make(self.loaded)
        except Exception as error:
            self._crashed(error, named)
            return False
        if not named or ((self._is_told(named) or self.fixed) and not self.subject.fits(module)):
            asked = self.subject.sizes
            self.subject.sizes = dict(asked)
            self.subject.read_sizes(module, self.loaded)
            sizes = dict(self.subject.sizes)
            other = self._resized(named, asked)
            if other not in (*before, named) and self._is_right(other, (*before, named)):
                return True
            self.subject.named, self.subject.sizes = named, sizes
        ways = forward_ways(arguments_of(module.forward))
        return any(self._comes_through(module, inputs) for inputs in ways)

    def _comes_through(self, module: Any, inputs: list[tuple[str, str]]) -> bool:
        subject = self.subject
        subject.inputs = inputs
        try:
            out = subject.call(module, subject.given("self", probes.SEEDS[0]))
        except Exception as error:
            self._crashed(error, subject.named, module)
            return False
        if subject.outputs(out):
            return True
        self.crash.setdefault("shape", [list(value.shape) for value in subject.tensors(out)][:3])
        return False

    def _resized(self, named: dict[str, Any], before: dict[str, int]) -> dict[str, Any]:
        """The same way with the sizes that the code fixes, by name, or by the size that it was before."""
        guessed = {size: role for role, size in before.items()}
        return {
            name: self.subject.sizes.get(role_of(name, SIZES) or guessed.get(value, ""), value)
            if type(value) is int else value for name, value in named.items()
        }  # fmt: skip

    def _is_told(self, named: dict[str, Any]) -> bool:
        """Whether names alone say what the constructor wants."""
        settings = [value for value in named.values() if isinstance(value, Settings)]
        required = [a for a in self.subject.arguments(self.loaded) if a.required]
        return all(role_of(a.name, SIZES) for a in required) and not any(each.asked for each in settings)

    def _crashed(self, error: BaseException, named: dict[str, Any], module: Any = None) -> None:
        """Keep the first message, or the first one with a line; it is sure where the call was by name."""
        line, message = line_of(error, self.loaded.source.name), said(error)
        merged = probes.ATTENTION["A"] * UNEVEN_HEAD
        if UNEVEN_HEAD in named.values() and re.search(rf"cannot be multiplied \(\d+x{merged} and", message):
            self.uneven = {"line": line, "message": message}
        if "message" in self.crash and (not line or self.crash.get("line")):
            return
        sure = line and self._is_told(named) and not self._is_ours(error, message, module)
        sure = sure or certain(self.loaded.source.tree, line, message)
        self.crash.update(line=line, message=message, sure=bool(sure))

    def _is_ours(self, error: BaseException, message: str, module: Any) -> bool:
        """Whether the call may be to blame: with a mask left out, or tokens of a length that is not taken."""
        if isinstance(error, AssertionError) or re.search(_OURS, message) or self.loaded.missing:
            return True
        line = self.loaded.source.line(line_of(error, self.loaded.source.name))
        is_taken_apart = "to unpack" in message and re.search(r"shape|size\(|= *\w+$", line)
        if re.match(r"raise\b", line) or is_taken_apart:
            return True
        if module is None:
            return False
        required = [role_of(a.name, INPUTS) for a in arguments_of(module.forward) if a.required]
        if not all(required) or ("mask" in required and "NoneType" in message):
            return True
        fixed = self.subject.sizes["M"] != probes.ATTENTION["A"] * probes.ATTENTION["K"]
        if fixed and self.subject.named:
            return True
        return "cannot be multiplied" in message and not self.subject.fits(module)
