"""A learner's multi-head attention in PyTorch: understood by trying, and run on the probes.

Runs inside the sandbox, where torch is loaded already. It knows no right value.
"""

import ast
import contextlib
from typing import Any

from clearhead.checking.attention_run.bare import as_module
from clearhead.checking.attention_run.dropped import filled_in_vain, left_out, thrown_away
from clearhead.checking.attention_run.observing import Observing, Send
from clearhead.checking.attention_run.packed import take_apart
from clearhead.checking.attention_run.parameters import norms_of, repeated
from clearhead.checking.attention_run.plain import as_known
from clearhead.checking.attention_run.ready_made import called
from clearhead.checking.attention_run.rearranging import stand_in
from clearhead.checking.attention_run.roles import tell_roles
from clearhead.checking.attention_run.subject import AttentionSubject
from clearhead.checking.attention_run.triangles import triangles
from clearhead.checking.attention_run.understanding import Understanding
from clearhead.checking.find import Program
from clearhead.checking.handed import handed
from clearhead.checking.recorder import Loaded, Recorder
from clearhead.checking.source import Source


class AttentionRun:
    """One learner's attention: what its constructor and its forward want, and what comes of the probes."""

    def __init__(self, program: Program, source: Source, modules: dict[str, Source], send: Send) -> None:
        self.program, self.send, self.files = program, send, (source, modules)
        self.recorder = Recorder()
        self.subject = AttentionSubject(program.name)
        with self.subject.in_double():
            self.plain = Loaded(program, source, modules, None)
            self.recorded = Loaded(program, source, modules, self.recorder)
        self.is_bare = program.name in self.plain.defined  # Nothing registers its weights.
        for loaded in (self.plain, self.recorded):
            stand_in(loaded.names, loaded.missing)
            if self._is_function(loaded.names.get(program.name)):
                makers = [loaded.names[name] for name in program.functions if name in loaded.names]
                functions = {node.name: node for node in program.body if isinstance(node, ast.FunctionDef)}
                used = handed(functions[program.name], functions) if program.name in functions else {}
                loaded.names[program.name] = as_module(loaded.names[program.name], makers, used)
            elif isinstance(loaded.names.get(program.name), type):
                take_apart(loaded.names[program.name], source.tree)
                self.is_bare = not issubclass(loaded.names[program.name], self.subject.torch.nn.Module)
                loaded.names[program.name] = as_known(loaded.names[program.name])

    def _is_function(self, implementation: Any) -> bool:
        return callable(implementation) and not isinstance(implementation, type)

    def run(self) -> None:
        """Find out, then observe; each part is sent as soon as it is there."""
        with self.subject.in_double():
            self._run()

    def _run(self) -> None:
        if self.plain.failed and self.program.name not in self.plain.names:
            line, message = self.plain.failed[0]
            self.send({"part": "crash", "phase": "definition", "line": line, "message": message}, {})
            return
        understanding = Understanding(self.subject, self.plain)
        if not understanding.reached():
            self.send({"part": "crash", "phase": "forward", **understanding.crash}, {})
            return
        with contextlib.suppress(Exception):
            self.subject.find_order(self.plain)
            tell_roles(self.subject, self.plain)
        observing = Observing(self.subject, self.plain, self.recorded, self.recorder, self.send)
        module = self.subject.make(self.plain)
        self.send(
            {
                "part": "understood", "sizes": dict(self.subject.sizes), "inputs": self.subject.inputs,
                "hides": self.subject.hides, "bare": self.is_bare, "alone": self.subject.alone,
                "parameters": [parameter.row() for parameter in self.subject.parameters(module)],
                "sites": [site.row() for site in self.recorder.sites], "lines": self.program.lines,
                "repeated": repeated(module),
                "norms": {name: len([*norm.parameters()]) for name, norm in norms_of(module).items()},
                "gradient": observing.gradients(),
                "uneven": understanding.uneven,
                "dropped": thrown_away(self.program.body), "left_out": left_out(self.program.body),
                "in_vain": filled_in_vain(self.program.body),
                "called": called(self.subject.torch, observing.once),
            },
            {},
        )  # fmt: skip
        observing.run()
        with contextlib.suppress(Exception):
            for name, table in triangles(self.subject, self.program, *self.files):
                about = {"part": "triangle", "name": name, "line": self.program.masks[name]}
                self.send(about, {"table": table})
