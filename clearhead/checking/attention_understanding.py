"""Finds out what a learner's attention is called with: by name where names tell, else by trying.

Runs inside the sandbox.
"""

import re
import time
from typing import Any

from clearhead.checking import probes
from clearhead.checking.attention_arguments import SIZES, constructor_ways, forward_ways
from clearhead.checking.attention_subject import AttentionSubject
from clearhead.checking.binding import arguments_of, role_of
from clearhead.checking.recorder import Loaded, line_of, said

SECONDS = 8
# What a message has in it when it was we who called wrongly, or had no such module.
_OURS = r"Stub|Configuration|ModuleNotFoundError|missing \d+ required|unexpected keyword"


class Understanding:
    """Tries ways to construct and to call, until vectors come out; `crash` says what came else."""

    def __init__(self, subject: AttentionSubject, loaded: Loaded) -> None:
        self.subject, self.loaded = subject, loaded
        self.crash: dict[str, Any] = {}

    def reached(self) -> bool:
        """Whether a way was found; the subject then knows it."""
        deadline = time.monotonic() + SECONDS
        arguments = self.subject.arguments(self.loaded)
        for named in constructor_ways(arguments, self.subject.sizes, lambda: bool(self.crash.get("sure"))):
            if time.monotonic() > deadline:
                break
            sizes = dict(self.subject.sizes)
            if self._is_right(named):
                return True
            self.subject.sizes = sizes
        return False

    def _is_right(self, named: dict[str, Any]) -> bool:
        self.subject.named = named
        try:
            module = self.subject.make(self.loaded)
        except Exception as error:
            self._crashed(error)
            return False
        if not named:
            self.subject.read_sizes(module)
        return any(
            self._comes_through(module, inputs) for inputs in forward_ways(arguments_of(module.forward))
        )

    def _comes_through(self, module: Any, inputs: list[tuple[str, str]]) -> bool:
        subject = self.subject
        subject.inputs = inputs
        try:
            out = subject.call(module, subject.given("self", probes.SEEDS[0]))
        except Exception as error:
            self._crashed(error)
            return False
        if subject.outputs(out):
            return True
        self.crash.setdefault("shape", [list(value.shape) for value in subject.tensors(out)][:3])
        return False

    def _crashed(self, error: BaseException) -> None:
        """Keep the first message, or the first one with a line; it is sure where the call was by name."""
        line, message = line_of(error, self.loaded.source.name), said(error)
        if "message" in self.crash and (not line or self.crash.get("line")):
            return
        named = all(role_of(a.name, SIZES) for a in self.subject.arguments(self.loaded) if a.required)
        blamed = re.search(_OURS, message) or self.loaded.missing
        self.crash.update(line=line, message=message, sure=bool(named and line and not blamed))
