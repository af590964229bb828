"""What a network's gradients are multiplied with, all in all: averaged once, and down the slope."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from clearhead.checking.align import Match, Site, listed
from clearhead.checking.findings import Finding, Verdict
from clearhead.checking.network_diagnosis.answer import ROLES, NetworkAnswer, any_of
from clearhead.checking.network_diagnosis.gradients import Gradients, moved_along, same
from clearhead.checking.network_diagnosis.places import at, made_at
from clearhead.checking.network_diagnosis.updates import Made, update_line

Factors = dict[str, float]
NEAR = 1e-6
_SMALL = 13  # whole numbers that are written as such


def judge_factors(answer: NetworkAnswer, verdict: Verdict, made: Made, without: Collection[str]) -> None:
    """Say which factors are not one, but for the gradients that are wrong in themselves."""
    judge = _Judge(answer, verdict, made, without)
    judge.signs()
    judge.averages()
    judge.others()


class _Judge:
    def __init__(self, answer: NetworkAnswer, verdict: Verdict, made: Made, without: Collection[str]) -> None:
        self.answer, self.verdict, self.made = answer, verdict, made
        self.values, self.N = made.explanation.values[0], answer.sizes["N"]
        self.records = answer.records(*made.kinds)
        self.by_return = self._factors(made.by_return, without, self._as_returned)
        self.whole = {**self.by_return, **self._factors(made.by_move, without, self._as_moved)}
        self.odd = {role: factor for role, factor in self.whole.items() if abs(factor - 1) > NEAR}

    def _as_returned(self, role: str, gradient: Any) -> float | None:
        return same(self.answer, gradient, self.values[f"d{role}"])

    def _as_moved(self, role: str, step: Any) -> float | None:
        return moved_along(self.answer, self.values, role, step)

    def _factors(
        self,
        seen: Sequence[Gradients],
        without: Collection[str],
        factor_of: Callable[[str, Any], float | None],
    ) -> Factors:
        steps = seen[0] if seen else {}
        roles = [role for role in ROLES if role in steps and role not in without and any_of(steps[role])]
        factors = {role: factor_of(role, steps[role]) for role in roles}
        return {role: factor for role, factor in factors.items() if factor is not None}

    def _matches(self, name: str) -> list[Match]:
        """The records of a value, times any number, in their order."""
        # Errors of two classes are each other's negatives, example by example.
        found = self.records.matches(self.values[name], scaled=True, parts=self.answer.sizes["C"] > 2)
        return sorted(found, key=lambda match: match.record.order)

    # Signs

    def signs(self) -> None:
        """Gradients that point up: turned in themselves, or followed in the wrong direction."""
        ascending = [role for role, factor in self.odd.items() if factor < 0]
        if not ascending:
            return
        turned = [match for match in self._matches("dz2") if match.factor < 0]
        by_update = (
            all(self.by_return.get(role, -1) > 0 for role in ascending) if self.by_return else not turned
        )
        identity, other = ("update_ascends", "gradient_sign")[:: 1 if by_update else -1]
        is_open = not self.by_return and {*ascending} >= {*self.whole}  # The error reaches all of them.
        finding = Finding(identity, alternatives=[other] if is_open else [])
        if by_update:
            role = sorted(ascending)[0]
            finding.step, finding.line = role, update_line(self.answer, self.made, ascending)
            finding.values = {"names": listed(ascending)}
            finding.yours, finding.expected = (f"{role}_next = {role} {sign} lr d{role}" for sign in "+-")
            self.verdict.add(self.made.update, finding)
            return
        finding.step = "dz2"
        at(finding, turned[0].record.site if turned else None, self.answer.line_of("backward"))
        finding.yours, finding.expected = "dz2 = (Y - y) / N", f"dz2 = {self.answer.right['dz2'].formula}"
        self.verdict.add("backward", finding)

    # Averages

    def averages(self) -> None:
        """Gradients that are sums, or that are divided by the number of examples twice."""
        if self.N == 1:
            return
        for identity, wanted in (
            ("gradient_not_averaged", float(self.N)),
            ("gradient_averaged_twice", 1 / self.N),
        ):
            roles = [role for role, factor in self.odd.items() if _is(factor, wanted)]
            if roles:
                self.verdict.add("backward", self._average(identity, wanted, roles))
            self.odd = {role: factor for role, factor in self.odd.items() if role not in roles}

    def _average(self, identity: str, wanted: float, roles: Sequence[str]) -> Finding:
        answer, whole = self.answer, len(roles) == len(self.whole)
        in_update = bool(self.by_return) and all(_is(self.by_return.get(role, wanted), 1) for role in roles)
        weights = [role for role in roles if role.startswith("W")]
        finding = Finding(identity, "dz2" if whole else f"d{(weights or roles)[0]}")
        site = self._where(identity, wanted, roles)
        begin = "backward" if "backward" in answer.functions and not in_update else self.made.kind
        at(finding, site, update_line(answer, self.made) if in_update else answer.line_of(begin))
        finding.values = {"names": listed(f"d{role}" for role in roles), "N": self.N, "part": not whole}
        if identity == "gradient_not_averaged" and not in_update and not answer.parts.get("differences"):
            finding.level = "note"  # With a loss that is a sum, which is not seen, it would be right.
        finding.evidence = {"ratio_of": f"d{roles[0]}", "ratio": "N" if wanted > 1 else "1/N"}
        if whole:
            finding.expected = f"dz2 = {answer.right['dz2'].formula}"
            finding.yours = "dz2 = y - Y" if wanted > 1 else "dz2 = (y - Y) / N / N"
        return finding

    def _where(self, identity: str, wanted: float, roles: Sequence[str]) -> Site | None:
        """Where a factor too many is first; where a value is last without the factor that it lacks."""
        whole, twice = len(roles) == len(self.whole), identity == "gradient_averaged_twice"
        chain = ["dz2", "dh", "dz1"] if whole else ["dz1"] if {*roles} == {"W1", "b1"} else []
        gradients = [f"d{role}" for role in roles]
        # What is divided twice, the first of all that are; what is not averaged, each by itself.
        ends = [gradients] if twice else [[name] for name in gradients]
        for names in [["dz2"], *ends] if whole and not twice else [*([name] for name in chain), *ends]:
            matches = (match for name in names for match in self._matches(name))
            found = [match for match in matches if _is(match.factor, wanted, 1e-8)]
            found.sort(key=lambda match: match.record.order)
            sites = [match.record.site for match in found]
            own = [site for site in sites if site.function == sites[0].function]
            if own:
                return own[0 if twice or whole else -1]
        return None

    # Others

    def others(self) -> None:
        """Another factor, where it is sure that it is one."""
        rest = {role: factor for role, factor in self.odd.items() if not _is(factor, 1)}
        if "update_before_use" in self.verdict.ids():  # It may be updated once more.
            rest.pop("W2", None)
        returned = {role for role, factor in self.by_return.items() if abs(factor - 1) > NEAR}
        is_sure = self.answer.is_rated and self.answer.sure(self.made.kind, "train")
        if not rest or not (rest.keys() & returned or is_sure):
            return
        if self.by_return and not returned and len({round(factor, 9) for factor in self.whole.values()}) == 1:
            return  # All move along right gradients by as much: a rate of their own, or the first of a mean.
        role, factor = next(iter(rest.items()))
        site = made_at(self.answer, self.values[f"d{role}"], self.made.kinds, scaled=True)
        finding = at(Finding("gradient_scaled", f"d{role}"), site, self.answer.line_of("backward"))
        names = listed(f"d{name}" for name in rest)
        finding.values = {"names": names, "factor": _written(factor, self.answer.sizes)}
        self.verdict.add("backward", finding)


def _is(factor: float, wanted: float, near: float = NEAR) -> bool:
    """Whether a factor is a number, of either sign."""
    return abs(abs(factor) / wanted - 1) < near


def _written(factor: float, sizes: Mapping[str, int]) -> str:
    """A factor as a learner would write it: 2, 1/2, N, 1/C ...

    >>> _written(7.0, {"N": 7}), _written(0.5, {"N": 7})
    ('N', '1/2')
    """
    known = {
        **{letter: sizes[letter] for letter in "NCHD" if letter in sizes},
        **{str(n): n for n in range(2, _SMALL)},
    }
    for text, value in known.items():
        if abs(factor - value) < 1e-9:
            return text
        if abs(factor - 1 / value) < 1e-9:
            return f"1/{text}"
    return f"{factor:.4g}"
