"""Runs a learner's attention on the probes, as it is and recorded, and sends what comes of each.

Runs inside the sandbox.
"""

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.attention_subject import AttentionSubject, Given
from clearhead.checking.mask_forms import FORMS, VALUES, blocking
from clearhead.checking.recorder import Loaded, Recorder, line_of, said
from clearhead.checking.subject import quiet

Send = Callable[[dict[str, Any], dict[str, Any]], None]
MOST_OUTPUTS = 3


class Observing:
    """Probes of a subject that is understood: `plain` is its code as it is, `recorded` the rewritten one."""

    def __init__(
        self, subject: AttentionSubject, plain: Loaded, recorded: Loaded, recorder: Recorder, send: Send
    ) -> None:
        self.subject, self.plain, self.recorded, self.recorder = subject, plain, recorded, recorder
        self.send, self.torch = send, subject.torch

    def run(self) -> None:
        """Send a part for each probe as soon as it is there."""
        others = [role for role, _ in self.subject.inputs if role in ("q", "k", "v", "context")]
        for seed in probes.SEEDS:
            self._observe("self", seed)
            if len(others) > 1:
                self._observe("cross", seed)
            if self.subject.mask_argument is not None:
                self._masked(seed)
        self._edges()

    def gradients(self) -> dict[str, bool]:
        """Which parameters a loss of the output reaches."""
        with contextlib.suppress(Exception):
            seed = probes.SEEDS[0]
            module = self.subject.ready(self.plain, seed)
            parameters = self.subject.parameters(module)
            out = self.subject.outputs(self.subject.call(module, self.subject.given("self", seed)))[0]
            if not out.requires_grad:
                return {parameter.name: False for parameter in parameters}
            (out * out).sum().backward()
            return {p.name: _is_reached(p.tensor) for p in parameters if p.known}
        return {}

    def _observe(self, kind: str, seed: int, mask: Any = None, **header: Any) -> None:
        """Run the code as it is, then recorded."""
        about = {"kind": kind, "seed": seed, **header}
        given = self.subject.given(kind, seed)
        before = {role: tensor.clone() for role, tensor in given.items()}
        try:
            outs = self._outs(self.subject.ready(self.plain, seed), given, mask)
        except Exception as error:
            failed = {"line": line_of(error, self.plain.source.name), "message": said(error)}
            self.send({"part": "failed", **about, **failed}, {})
            return
        spoiled = [role for role, tensor in given.items() if not self.torch.equal(tensor, before[role])]
        arrays = {f"out{place}": value for place, value in enumerate(outs)}
        self.send({"part": "observed", **about, "out": _digest(outs), "spoiled": spoiled}, arrays)
        self.recorder.clear()
        try:
            module = self.subject.ready(self.recorded, seed)
            self.recorder.on = True
            outs = self._outs(module, self.subject.given(kind, seed), mask)
        except Exception:
            return  # Then there is nothing but the outputs.
        finally:
            self.recorder.on = False
        places, arrays = self.recorder.answer()
        self.send({"part": "records", **about, **places, "out": _digest(outs)}, arrays)

    def _outs(self, module: Any, given: Given, mask: Any = None) -> list[Any]:
        """The outputs of a call as arrays."""
        with self.torch.no_grad():
            outs = self.subject.outputs(self.subject.call(module, given, mask))
        return [tensor.detach().double().numpy().copy() for tensor in outs[:MOST_OUTPUTS]]

    def _outs_with(self, seed: int, allowed: Any, form: str, values: str) -> list[Any]:
        """The outputs with a mask in one form; none where the code does not take it."""
        with contextlib.suppress(Exception):
            mask = self.subject.mask(allowed, form, values)
            return self._outs(self.subject.ready(self.plain, seed), self.subject.given("self", seed), mask)
        return []

    def _masked(self, seed: int) -> None:
        """The forms of a mask that the code takes, and what comes of each."""
        allowed = probes.mask(seed, self.subject.sizes["B"], self.subject.sizes["T"])
        for form in FORMS:
            values = next((each for each in VALUES if self._outs_with(seed, allowed, form, each)), "")
            if values:
                mask = self.subject.mask(allowed, form, values)
                self._observe("masked", seed, mask, form=form, values=values)
            added = self._outs_with(seed, allowed, form, "added")
            if added:
                about = {"part": "observed", "kind": "added", "seed": seed, "form": form, "values": "added"}
                self.send({**about, "out": []}, {"out0": added[0]})

    def _edges(self) -> None:
        """One of a batch alone, the same twice, and a query that may attend to nothing."""
        made: dict[str, Any] = {"part": "edges"}
        arrays: dict[str, Any] = {}
        with contextlib.suppress(Exception):
            arrays["alone"] = self._alone()
        with contextlib.suppress(Exception):
            made["wavers"] = self._wavers()
        nothing = self._with_nothing_allowed() if self.subject.mask_argument is not None else []
        if nothing:
            arrays["nothing"] = nothing[0]
        self.send(made, arrays)

    def _alone(self) -> Any:
        seed = probes.SEEDS[0]
        module, given = self.subject.ready(self.plain, seed), self.subject.given("self", seed)
        with self.torch.no_grad():
            alone = self.subject.of_batch(1)
            return (
                alone.outputs(alone.call(module, {role: x[:1] for role, x in given.items()}))[0]
                .numpy()
                .copy()
            )

    def _wavers(self) -> bool:
        """Whether evaluation depends on chance."""
        module = self.subject.ready(self.plain, probes.SEEDS[0])
        named = self.subject.passed(module, self.subject.given("self", probes.SEEDS[0]))
        outs = []
        with self.torch.no_grad(), quiet():
            for seed in (1, 2):
                self.torch.manual_seed(seed)
                outs.append(self.torch.nan_to_num(self.subject.outputs(module(**named))[0]))
        return not self.torch.equal(*outs)

    def _with_nothing_allowed(self) -> list[Any]:
        seed = probes.SEEDS[0]
        allowed = probes.mask(seed, self.subject.sizes["B"], self.subject.sizes["T"])
        for form in FORMS:
            for values in VALUES:
                outs = self._outs_with(seed, blocking(allowed, form), form, values)
                if outs:
                    return outs
        return []


def _is_reached(tensor: Any) -> bool:
    return tensor.grad is not None and bool(tensor.grad.abs().max() > 1e-12)


def _digest(outs: list[Any]) -> list[float]:
    return [float(np.nan_to_num(out).sum()) for out in outs[:1]]
