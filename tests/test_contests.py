"""Contests name each that takes part once, clearhead first."""

import pytest

from clearhead import contests
from clearhead.machine import KERNELS


def test_clearhead_comes_first_in_every_contest():
    for some in contests.SHORT.values():
        for contest in some:
            assert contest.contestants[0].name == "clearhead"
            names = [one.name for one in contest.contestants]
            assert len(set(names)) == len(names)


@pytest.mark.parametrize("chosen", [True, False])
def test_numpys_own_kernels_take_part_where_others_were_chosen(chosen, monkeypatch):
    monkeypatch.delenv(KERNELS, raising=False)
    if chosen:
        monkeypatch.setenv(KERNELS, "Haswell")
    without = [one for one in contests.two_layer(64).contestants if one.environment == {KERNELS: None}]
    assert len(without) == chosen
