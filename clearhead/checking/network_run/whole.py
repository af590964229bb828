"""Training recorded as a whole, for code whose parts cannot be called by themselves.

Either its own training function is called, or its top level is run, with our examples where it loads data.
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from clearhead.checking import probes
from clearhead.checking.allowance import Allowance
from clearhead.checking.binding import bindings, call
from clearhead.checking.network_run.construction import OPTIONAL, POOL, Built
from clearhead.checking.network_run.learner import LABELS, Learner
from clearhead.checking.network_run.making import Making, forms_of_labels, turned, values_to_make
from clearhead.checking.network_run.network import Network
from clearhead.checking.network_run.script import Script
from clearhead.checking.network_run.sending import Send
from clearhead.checking.network_run.updates import GIVEN_TO_TRAIN, TRAIN
from clearhead.checking.recorder import Recorder
from clearhead.checking.slots import slots_of
from clearhead.checking.subject import quiet, seed_all

SECONDS = 0.5  # for one run
ENOUGH = 50_000  # values of one run: what comes later is no other than what was
SHORT = 0.1  # for one of what is looked at besides
LOOK = 0.2  # for a look at which variables a script sets
MOST = 4  # times as long for finding one that trains

Values = Mapping[str, Any]
Sizes = Mapping[str, int]


class Trial(NamedTuple):
    """A way to train: what runs, with which form of examples and labels, and the roles that it takes."""

    run: Callable[[Values, Sizes], Any]  # the probe's values by their roles, of given sizes
    sizes: Sizes
    columns: bool
    labels: str
    function: str = ""
    binding: Mapping[str, str] = MappingProxyType({})
    roles: frozenset[str] = frozenset()
    examples: int = 0  # where they are not so many as the probes have
    reg: float = 0.0  # the strength of a penalty on the weights
    seconds: float = SECONDS  # for one run

    def values(self, seed: int, sizes: Sizes) -> dict[str, Any]:
        """Examples and settings by the roles of arguments and of names."""
        drawn, held = (
            probes.training(each, sizes["D"], sizes["C"], self.examples)
            for each in (seed, seed + probes.HELD)
        )
        return {
            "X": turned(drawn["X"], self.columns), "Y": forms_of_labels(drawn, self.columns)[self.labels],
            "X_val": turned(held["X"], self.columns),
            "Y_val": forms_of_labels(held, self.columns)[self.labels],
            "lr": probes.RATE, "reg": self.reg, "drawn": drawn,
            "draw": functools.partial(probes.training, seed), **probes.TRAINING,
        }  # fmt: skip

    def record(self, recorder: Recorder, seed: int, sizes: Sizes) -> bool:
        """Run and record; whether it did not end in an exception."""
        run = functools.partial(self.run, self.values(seed, sizes), sizes)
        return recorded(recorder, run, self.seconds)


def train_beside(learner: Learner, send: Send) -> None:
    """Send the same of a loop at the top level, beside what is checked by itself; or why it fell."""
    trial = _first_whole(learner, (each._replace(seconds=SHORT) for each in _scripts(learner)), send)
    if trial is None and learner.fallen:
        send({"part": "fallen", **learner.fallen}, {})


def train_whole(learner: Learner, network: Network | None, send: Send) -> Trial | None:
    """Send the records of the first training that runs, on the examples of each seed; it is returned."""
    return _first_whole(learner, _trials(learner, network), send)


def _first_whole(learner: Learner, trials: Iterator[Trial], send: Send) -> Trial | None:
    allowance = Allowance(MOST * SECONDS)
    recorder = learner.recorder
    for trial in trials:
        if allowance.over:
            break
        sizes = _trained(recorder, trial)
        if sizes:
            trial = trial._replace(sizes=sizes)
            _send_whole(recorder, trial, send)
            return trial
    return None


def _send_whole(recorder: Recorder, trial: Trial, send: Send) -> None:
    """Send what one training is recorded to make, then another one, and both with a penalty if one is taken.

    The first is recorded already.
    """
    for part, reg in (("whole", 0.0), *([("penalised", probes.PENALTY)] if "reg" in trial.roles else ())):
        for seed in probes.SEEDS:
            is_known = (part, seed) == ("whole", probes.SEEDS[0])
            if is_known or trial._replace(reg=reg).record(recorder, seed, trial.sizes):
                meta, arrays = recorder.answer()
                sites = [site.row() for site in recorder.sites]
                header = {"part": part, "seed": seed, "sizes": dict(trial.sizes), "function": trial.function,
                          "examples": trial.examples}  # fmt: skip
                send({**header, "roles": sorted(trial.roles), "sites": sites, **meta}, arrays)


def built_by_training(learner: Learner, trial: Trial) -> Built | None:
    """The parameters that a bare function returns once it has trained; None if it returns none."""
    making = Making(trial.function, dict(trial.binding), {}, trial.labels, whole=True)
    try:
        slots = slots_of(making.make(learner, trial.sizes, probes.NETWORK["N"]), trial.sizes)
    except Exception:
        return None
    return Built(making, slots) if slots is not None else None


def _trained(recorder: Recorder, trial: Trial) -> Sizes:
    """The sizes with which a way trains: those given, or those of its own weights; empty if none."""
    sizes = trial.sizes
    for _ in range(2):
        runs = trial.record(recorder, probes.SEEDS[0], sizes)
        if runs and _has_trained(recorder, sizes, trial.values(probes.SEEDS[0], sizes)):
            return sizes
        named = {recorder.sites[site].target: value for site, value in recorder.records if site >= 0}
        found = slots_of({target: value for target, value in named.items() if target}, None)
        if found is None or found.sizes.items() <= sizes.items():
            break
        sizes = found.sizes
    return {}


def recorded(recorder: Recorder, run: Callable[[], Any], seconds: float = SECONDS) -> bool:
    """Run and record; whether it did not end in an exception, other than for want of time."""
    recorder.clear()
    recorder.on, recorder.allowance, recorder.most = True, Allowance(seconds), ENOUGH
    seed_all()
    try:
        with quiet():
            run()
    except TimeoutError:
        return True
    except (Exception, SystemExit):
        return False
    finally:
        recorder.on, recorder.allowance, recorder.most = False, Allowance(), math.inf
    return True


def _has_trained(recorder: Recorder, sizes: Sizes, values: Values) -> bool:
    """Whether matrices that are no examples and no labels changed in one place."""
    given = [*np.unique(values["X"]), 0, 1]
    seen: dict[int, Any] = {}
    for site, value in recorder.records:
        if site >= 0 and value.dtype.kind == "f" and value.ndim == 2 and sizes["D"] != value.shape[1]:
            before = seen.setdefault(site, value)
            differs = before.shape == value.shape and not np.array_equal(before, value)
            if differs and not np.isin(value, given).all():
                return True
    return False


# Ways to train


def _trials(learner: Learner, network: Network | None) -> Iterator[Trial]:
    """Likelier ones first."""
    if network is None:
        yield from _calls(learner)
    elif way := network.plan.way("train"):

        def again(values: Values, _: Sizes) -> Any:
            with learner.recording():
                thing, others = network.ready(probes.SEEDS[0])
                return network.call(thing, way, {**others, **values})

        roles = _told(learner, way.name, way.binding)
        yield Trial(again, network.sizes, network.plan.columns, way.labels, way.name, way.binding, roles)
    yield from _scripts(learner)


def _calls(learner: Learner) -> Iterator[Trial]:
    """Each way to make an instance and to call what may train it."""
    constructors: Sequence[Any] = [{}]
    if not learner.bare:
        constructors = list(bindings(learner.arguments(), POOL, OPTIONAL, 20))
    for constructor, name in itertools.product(constructors, learner.ways("train", "step", "initialize")):
        for binding in bindings(learner.arguments(name), (*TRAIN, "config"), GIVEN_TO_TRAIN, 20):
            roles = _told(learner, "", constructor) | _told(learner, name, binding)
            run = functools.partial(_call, learner, constructor, name, binding)
            forms = LABELS if "X" in binding.values() else ()
            for columns, labels in itertools.product((False, True), forms):
                yield Trial(run, probes.NETWORK, columns, labels, name, binding, roles)


def _told(learner: Learner, name: str, binding: Mapping[str, str]) -> frozenset[str]:
    """The roles that arguments are given; the rate counts only where a name or its use asks for it."""
    roles = set(binding.values())
    return frozenset(roles if "lr" not in roles or "lr" in learner.told(name, binding) else roles - {"lr"})


def _call(
    learner: Learner, constructor: Mapping[str, str], name: str, binding: dict[str, str], values: Values,
    sizes: Sizes,
) -> Any:  # fmt: skip
    known = {**values_to_make(learner, sizes, probes.TRAINING["N"]), **values}
    with learner.recording():
        thing: Any = SimpleNamespace(params=None)
        if not learner.bare:
            thing = learner.subject.make(**{key: known[role] for key, role in constructor.items()})
        return call(learner.subject.function(thing, name), binding, known)


def _scripts(learner: Learner) -> Iterator[Trial]:
    """The top level of the file, of the sizes that its parameters have; first what does not fall."""
    script = Script(learner.source, learner.modules)
    later: list[tuple[int, Trial]] = []
    for columns, labels in itertools.product((False, True), LABELS[:2] if script.does else ()):
        trial = Trial(lambda values, _: script.run(learner.recorder, values), probes.NETWORK, columns, labels)
        values, recorder = trial.values(probes.SEEDS[0], trial.sizes), Recorder()
        recorded(recorder, functools.partial(script.run, recorder, values), LOOK)
        learner.fallen = learner.fallen or script.crash
        named = {key: value for key, value in script.names.items() if not key.startswith("__")}
        found = slots_of(named, None)
        sizes = found.sizes if found is not None else trial.sizes
        own = {} if script.fallen else script.sizes  # Else the examples may have been ours, of another size.
        trial = trial._replace(sizes={**sizes, **own}, examples=script.examples)
        if script.fallen:
            later.append((script.fallen, trial))
        else:
            yield trial
    yield from (trial for _, trial in sorted(later, key=lambda each: each[0]))
