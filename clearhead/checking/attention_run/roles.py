"""Which tokens ask, are found and hand over, where the names of forward's arguments do not tell.

Runs inside the sandbox.
"""

from typing import Any

from clearhead.checking import probes
from clearhead.checking.attention_run.arguments import INPUTS
from clearhead.checking.attention_run.subject import AttentionSubject
from clearhead.checking.binding import role_of
from clearhead.checking.recorder import Loaded

ROLES = "qkv"
NOTHING = 1e-9


def tell_roles(subject: AttentionSubject, loaded: Loaded) -> None:
    """Read the arguments as values, keys, queries, if the other order in use is contradicted.

    A token that asks changes its own output alone; outputs follow a token that hands over in proportion.
    """
    names = {role: name for role, name in subject.inputs if role in ROLES}
    if len(names) < len(ROLES) or any(role_of(name, INPUTS) in (*ROLES,) for name in names.values()):
        return
    effects = {role: _effect(subject, loaded, role) for role in ROLES}
    asks = [role for role, (changed, _) in effects.items() if changed == 1]
    hands = [role for role, (changed, in_proportion) in effects.items() if changed > 1 and in_proportion]
    if asks == ["v"] or hands == ["q"]:
        turned = {"q": "v", "v": "q"}
    else:  # Where no token reaches another, nothing tells them apart, and all are given the same.
        turned = dict.fromkeys(ROLES, "x") if len(asks) == len(ROLES) else {}
    subject.inputs = [(turned.get(role, role), name) for role, name in subject.inputs]


def _effect(subject: AttentionSubject, loaded: Loaded, role: str) -> tuple[int, bool]:
    """How many outputs change with the first token of a role, and whether they do so in proportion."""
    seed = probes.SEEDS[0]
    outs = []
    for amount in (0, 1, 2):
        given = subject.given("cross", seed)
        given[role] = given[role].clone()
        given[role][0, 0] += amount
        with subject.torch.no_grad():
            outs.append(subject.outputs(subject.call(subject.ready(loaded, seed), given))[0])
    once, again = outs[1] - outs[0], outs[2] - outs[1]
    return int((_size(once) > NOTHING).sum()), bool((_size(again - once) < NOTHING).all())


def _size(values: Any) -> Any:
    return values.abs().amax(dim=-1)
