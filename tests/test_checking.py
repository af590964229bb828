"""Learners' files, right ones and wrong ones, and what is said of them.

Here they run in this process, as they are trusted; the sandbox has tests of its own.
"""

import functools
from pathlib import Path

import mixtures
import numpy as np
import plants_attention
import plants_network
import pytest
from programs import rest_slow

from clearhead.checking import inside
from clearhead.checking.diagnose import diagnosed

LEARNERS = Path(__file__).parent / "learners"

# A row with nothing to attend to is nan in these, which is said of them.
NAN_ROWS = {"attention_course", "attention_heads", "attention_loop", "attention_plain", "attention_slow"}

FILES = {
    path.stem: path
    for path in sorted(LEARNERS.glob("*_*"))
    if path.stem.startswith(("network_", "attention_"))
}
PLANTS = [*plants_network.PLANTS, *plants_attention.PLANTS]
CORE = {"network": ("forward", "backward"), "attention": ("output",)}


def verdict_of(text, name="learner.py", modules=None):
    """What is said of a source."""
    parts = []
    arrays = {"content": np.frombuffer(text.encode("utf-8"), np.uint8)}
    arrays |= {
        f"module/{stem}": np.frombuffer(code.encode(), np.uint8) for stem, code in (modules or {}).items()
    }
    job = {"name": name, "modules": list(modules or {}), "target": "", "only": ""}
    inside.answer(job, arrays, lambda data, arrays: parts.append((data, arrays)))
    return diagnosed(parts)


def of_style(style, text):
    return verdict_of(text, FILES[style].name)


@functools.cache
def correct(style):
    """What is said of a style as it stands; nobody changes it."""
    return of_style(style, FILES[style].read_text("utf-8"))


def ids(verdict):
    """Ids that were named, and those that the same numbers would have."""
    return {finding.id for finding in verdict.findings} | {
        alternative for finding in verdict.findings for alternative in finding.alternatives
    }


def errors(verdict):
    return [finding.id for finding in verdict.findings if finding.severity == "error"]


def planted(plant):
    return (plants_network if plant.style.startswith("network") else plants_attention).planted(plant)


def lines(plant):
    return (plants_network if plant.style.startswith("network") else plants_attention).line(plant)


@pytest.mark.parametrize("style", FILES)
def test_a_correct_implementation_is_accused_of_nothing(style):
    verdict = correct(style)
    assert errors(verdict) == []
    warnings = [finding.id for finding in verdict.findings if finding.severity == "warning"]
    assert warnings == (["fully_masked_row_nan"] if style in NAN_ROWS else [])


@pytest.mark.parametrize("style", FILES)
def test_a_correct_implementation_is_understood(style):
    checks = correct(style).checks
    assert [checks[name].status for name in CORE[style.partition("_")[0]]] == ["pass"] * len(
        CORE[style.partition("_")[0]]
    )


@pytest.mark.slow
def test_all_planted_mistakes_are_named_nearly_all_at_their_line_and_alone():
    alone = placed = 0
    unnamed = set()
    for plant in PLANTS:
        verdict = of_style(plant.style, planted(plant))
        found = [finding for finding in verdict.findings if finding.id == plant.mistake]
        alone += not [identity for identity in errors(verdict) if identity != plant.mistake]
        if not found and plant.mistake not in ids(verdict):
            unnamed.add((plant.style, plant.mistake))
        notebook = FILES[plant.style].suffix == ".ipynb"
        placed += bool(found) and (notebook or found[0].line in lines(plant))
    assert unnamed == set()
    assert alone >= 0.99 * len(PLANTS)
    assert placed >= 0.92 * len(PLANTS)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("make", [mixtures.network, mixtures.attention])
def test_a_mixture_of_right_ways_is_right(make, seed):
    verdict = verdict_of(make(seed))
    assert [finding.id for finding in verdict.findings if finding.severity != "note"] == []
    assert all(verdict.checks[name].status == "pass" for name in CORE[make.__name__])


@pytest.mark.slow
@pytest.mark.parametrize("make", [mixtures.network, mixtures.attention])
def test_two_hundred_mixtures_accuse_nobody(make):
    for seed in range(100, 200):
        assert [f.id for f in verdict_of(make(seed)).findings if f.severity != "note"] == [], seed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "wrong"),
    [(mixtures.network, mixtures.WRONG), (mixtures.attention, mixtures.ATTENTION_WRONG)],
    ids=["network", "attention"],
)
def test_two_mistakes_at_once_are_both_named(make, wrong):
    pairs = mixtures.pairs(wrong)
    both = sum({*pair} <= ids(verdict_of(make(seed, pair))) for seed, pair in enumerate(pairs))
    assert both >= 0.9 * len(pairs)


@pytest.mark.parametrize("mistake", rest_slow(10, mixtures.WRONG))
def test_one_mistake_in_a_network_of_any_mixture_is_named_alone(mistake):
    verdict = verdict_of(mixtures.network(5, [mistake]))
    assert mistake in ids(verdict)
    assert set(errors(verdict)) <= {mistake}


@pytest.mark.parametrize("mistake", rest_slow(4, mixtures.ATTENTION_WRONG))
def test_one_mistake_in_an_attention_of_any_mixture_is_named_alone(mistake):
    verdict = verdict_of(mixtures.attention(5, [mistake]))
    assert mistake in ids(verdict)
    assert set(errors(verdict)) <= {mistake}
