"""A learner's two-layer network in NumPy: understood by trying, and run on the probes.

Runs inside the sandbox. It knows no right value: it hands on what the code was given and what it made.
"""

import sys

from clearhead.checking import probes
from clearhead.checking.find import Program
from clearhead.checking.network_run.construction import construct
from clearhead.checking.network_run.differences import differences, regularised
from clearhead.checking.network_run.edges import edges
from clearhead.checking.network_run.learner import Learner
from clearhead.checking.network_run.names import says
from clearhead.checking.network_run.network import Network
from clearhead.checking.network_run.observing import initial, observe
from clearhead.checking.network_run.script import Script
from clearhead.checking.network_run.sending import Send
from clearhead.checking.network_run.training import train
from clearhead.checking.network_run.understanding import understand, understood
from clearhead.checking.network_run.whole import built_by_training, train_beside, train_whole
from clearhead.checking.source import Source
from clearhead.checking.stubs import Stub
from clearhead.checking.subject import quiet

__all__ = ["NetworkRun", "quiet"]


class NetworkRun:
    """One learner's network: what its functions want, and what they make of the probes."""

    makers = frozenset(("torch", "autograd", "jax", "tensorflow"))  # of gradients

    def __init__(self, program: Program, source: Source, modules: dict[str, Source], send: Send) -> None:
        Stub.touched.clear()
        self.before = {*sys.modules}
        self.learner, self.send = Learner(program, source, modules), send

    def run(self) -> None:
        """Find out, then observe; each part is sent as soon as it is there."""
        learner, plain = self.learner, self.learner.plain
        if plain.loaded.failed:
            line, message = plain.loaded.failed[0]
            self.send({"part": "crash", "phase": "definition", "line": line, "message": message}, {})
            if plain.name and plain.type is None:
                return
        built = construct(learner)
        if built is None:
            crash = learner.crashes.get("initialize", {"line": 0, "message": ""})
            self.send({"part": "crash", "phase": "initialize", **crash}, {})
            trial = train_whole(learner, None, self.send)
            if trial is None and learner.fallen:
                self.send({"part": "fallen", **learner.fallen}, {})
            built = built_by_training(learner, trial) if trial is not None and learner.bare else None
            if built is None:
                return
        network = Network(learner, built)
        learner.count(network.sizes["N"])
        understand(network)
        if network.making.whole:  # As a whole, already.
            network.plan.ways.pop("train", None)
        self.send(understood(network), {})
        self._observe(network)

    def _is_plain(self, network: Network) -> bool:
        """Whether all that there is can be called by itself, or a script has no update either."""
        known = network.plan.ways.keys()
        if not {"step", "train"} & known and Script(self.learner.source, self.learner.modules).does:
            return False
        trains = [name for name in self.learner.ways("train") if says(name, "train")]
        return "forward" in known and bool({"backward", "step"} & known) and ("train" in known or not trains)

    def _observe(self, network: Network) -> None:
        for seed in probes.SEEDS:
            observe(network, self.send, seed)
        for look in (initial, edges, differences, regularised, train):
            if look is not initial or not network.making.whole:
                look(network, self.send)
        loaded = sorted(self.makers & sys.modules.keys() - self.before)
        self.send({"part": "end", "missed": sorted(Stub.touched), "loaded": loaded}, {})
        if not network.making.whole and not self._is_plain(network):
            trial = train_whole(network.learner, network, self.send)
            if trial is None and network.learner.fallen:
                self.send({"part": "fallen", **network.learner.fallen}, {})
        elif not network.making.whole and Script(self.learner.source, self.learner.modules).loops:
            train_beside(network.learner, self.send)
