"""Runs a learner's attention on the probes, as it is and recorded, and sends what comes of each.

Runs inside the sandbox.
"""

import contextlib
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.attention_run.subject import AttentionSubject, Given
from clearhead.checking.mask_forms import FORMS, LENGTHS, blocking, values_of
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
        roles = {role for role, _ in self.subject.inputs} & {"x", "q", "k", "v", "context"}
        for seed in probes.SEEDS:
            self._observe("self", seed)
            if len(roles) > 1:
                self._observe("cross", seed)
            for name in self.subject.mask_arguments:
                self._masked(seed, name)
                if seed == probes.SEEDS[0]:
                    self._hide_first(name)
            self._masked_by_all(seed)
        for other in self.subject.flagged(self.plain):
            flag = next(iter(other.flags), "") or next(n for n in other.named if n not in self.subject.named)
            flagged = Observing(other, self.plain, self.recorded, self.recorder, self.send)
            for seed in probes.SEEDS:
                flagged._observe("flagged", seed, flag=flag)
        self._edges()

    def once(self) -> Any:
        """Call the code as it is on the first probe."""
        seed = probes.SEEDS[0]
        return self.subject.call(self.subject.ready(self.plain, seed), self.subject.given("self", seed))

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

    def _observe(self, kind: str, seed: int, masks: Given | None = None, **header: Any) -> None:
        """Run the code as it is, then recorded."""
        about = {"kind": kind, "seed": seed, **header}
        given = self.subject.given(kind, seed)
        before = {role: tensor.clone() for role, tensor in given.items()}
        try:
            outs = self._outs(self.subject.ready(self.plain, seed), given, masks)
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
            outs = self._outs(module, self.subject.given(kind, seed), masks)
        except Exception:
            return  # Then there is nothing but the outputs.
        finally:
            self.recorder.on = False
        places, arrays = self.recorder.answer()
        self.send({"part": "records", **about, **places, "out": _digest(outs)}, arrays)

    def _outs(self, module: Any, given: Given, masks: Given | None = None) -> list[Any]:
        """The outputs of a call as arrays, sequences first."""
        with self.torch.no_grad():
            outs = self.subject.outputs(self.subject.call(module, given, masks))
        if self.subject.tokens_first:
            outs = [tensor.transpose(0, 1) for tensor in outs]
        return [tensor.detach().double().numpy().copy() for tensor in outs[:MOST_OUTPUTS]]

    def _outs_with(self, seed: int, masks: Given) -> list[Any]:
        """The outputs with masks; none where the code does not take them."""
        with contextlib.suppress(Exception):
            return self._outs(self.subject.ready(self.plain, seed), self.subject.given("self", seed), masks)
        return []

    def _masked(self, seed: int, name: str) -> None:
        """The forms of a mask that the code takes, and what comes of each."""
        allowed = probes.mask(seed, self.subject.sizes["B"], self.subject.sizes["T"])
        for form in FORMS:
            values = self._values_taken(seed, name, allowed, form)
            if values:
                mask = self.subject.mask(allowed, form, values)
                self._observe("masked", seed, {name: mask}, form=form, values=values, argument=name)
            if form == LENGTHS:
                continue
            added = self._outs_with(seed, {name: self.subject.mask(allowed, form, "added")})
            if added:
                about = {"part": "observed", "kind": "added", "seed": seed, "form": form, "values": "added"}
                self.send({**about, "argument": name, "out": []}, {"out0": added[0]})

    def _hide_first(self, name: str) -> None:
        """What comes of each form of a mask that hides nothing, or the first token, which then is another."""
        seed, axis = probes.SEEDS[0], 1 if self.subject.tokens_first else 0
        given = self.subject.given("self", seed)
        other = {role: x.clone() for role, x in given.items()}
        for x in other.values():
            x.select(1 - axis, 0).add_(1)
        open_ = np.ones((self.subject.sizes["B"], *[self.subject.sizes["T"]] * 2), bool)
        closed = open_.copy()
        closed[..., 0] = False
        ways = itertools.product(FORMS, ("bool", "int", "added"), (False, True))
        for form, values, hides in ways:
            if form != LENGTHS and not (hides and values == "added"):
                arrays = {}
                with contextlib.suppress(Exception):
                    for key, allowed, tokens in (
                        ("open", open_, given), ("before", closed, given), ("after", closed, other)
                    ):  # fmt: skip
                        masks = {name: self.subject.mask(allowed != hides, form, values)}
                        arrays[key] = self._outs(self.subject.ready(self.plain, seed), tokens, masks)[0]
                    self.send({"part": "hidden", "argument": name}, arrays)

    def _values_taken(self, seed: int, name: str, allowed: Any, form: str) -> str:
        """The kind of values that a mask must have in a form; nothing where none is taken."""
        kinds = ((each, self.subject.mask(allowed, form, each)) for each in values_of(form))
        return next((each for each, mask in kinds if self._outs_with(seed, {name: mask})), "")

    def _masked_by_all(self, seed: int) -> None:
        """What comes of several masks at once, each in the first form that its argument takes."""
        names = self.subject.mask_arguments
        masks, taken = {}, []
        for place, name in enumerate(names if len(names) > 1 else ()):
            allowed = probes.mask(seed + place, self.subject.sizes["B"], self.subject.sizes["T"])
            for form in FORMS:
                values = self._values_taken(seed, name, allowed, form)
                if values:
                    masks[name] = self.subject.mask(allowed, form, values)
                    taken.append([name, form, place])
                    break
        if len(masks) > 1:
            self._observe("all masks", seed, masks, taken=taken)

    def _edges(self) -> None:
        """One of a batch alone, tokens in reverse or fewer, the same twice, a query that may see nothing."""
        made: dict[str, Any] = {"part": "edges"}
        arrays: dict[str, Any] = {}
        with contextlib.suppress(Exception):
            arrays["alone"] = self._alone()
        with contextlib.suppress(Exception):
            arrays["reversed"] = self._reversed()
        with contextlib.suppress(Exception):
            made["wavers"] = self._wavers()
        made["shorter"] = self._shorter()
        for name in self.subject.mask_arguments[:1]:
            for hides in (False, True):
                for nothing in self._with_nothing_allowed(name, hides)[:1]:
                    arrays["nothing hidden" if hides else "nothing"] = nothing
        self.send(made, arrays)

    def _alone(self) -> Any:
        seed, axis = probes.SEEDS[0], 1 if self.subject.tokens_first else 0
        module, given = self.subject.ready(self.plain, seed), self.subject.given("self", seed)
        alone = Observing(self.subject.of_batch(1), self.plain, self.recorded, self.recorder, self.send)
        return alone._outs(module, {role: x.narrow(axis, 0, 1) for role, x in given.items()})[0]

    def _reversed(self) -> Any:
        seed, axis = probes.SEEDS[0], 0 if self.subject.tokens_first else 1
        given = {role: x.flip(axis) for role, x in self.subject.given("self", seed).items()}
        return self._outs(self.subject.ready(self.plain, seed), given)[0]

    def _shorter(self) -> dict[str, Any]:
        """What an exception says where each sequence has a token less; empty if there is none."""
        seed, axis = probes.SEEDS[0], 0 if self.subject.tokens_first else 1
        fewer = self.subject.sizes["T"] - 1
        try:
            given = {role: x.narrow(axis, 0, fewer) for role, x in self.subject.given("self", seed).items()}
            self._outs(self.subject.ready(self.plain, seed), given)
        except Exception as error:
            return {"line": line_of(error, self.plain.source.name), "message": said(error)}
        return {}

    def _wavers(self) -> bool:
        """Whether evaluation depends on chance."""
        module = self.subject.ready(self.plain, probes.SEEDS[0])
        named = self.subject.passed(module, self.subject.given("self", probes.SEEDS[0]))
        outs = []
        with self.torch.no_grad(), quiet():
            for seed in (1, 2):
                self.torch.manual_seed(seed)
                outs.append(self.torch.nan_to_num(self.subject.outputs(self.subject.run(module, named))[0]))
        return not self.torch.equal(*outs)

    def _with_nothing_allowed(self, name: str, hides: bool) -> list[Any]:
        """The outputs where a query may attend to nothing, as true in a mask allows or `hides`."""
        seed = probes.SEEDS[0]
        allowed = probes.mask(seed, self.subject.sizes["B"], self.subject.sizes["T"])
        for form in FORMS:
            blocked = blocking(allowed, form)
            for values in values_of(form):
                mask = self.subject.mask(~blocked if hides else blocked, form, values)
                outs = self._outs_with(seed, {name: mask})
                if outs:
                    return outs
        return []


def _is_reached(tensor: Any) -> bool:
    return tensor.grad is not None and bool(tensor.grad.abs().max() > 1e-12)


def _digest(outs: list[Any]) -> list[float]:
    return [float(np.nan_to_num(out).sum()) for out in outs[:1]]
