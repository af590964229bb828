"""The report that a training leaves: what is in it is what the run is."""

import json
import re

import numpy as np
import pytest
from test_cli import TINY, clearhead, succeed

from clearhead import TwoLayerNN, fit, load_data
from clearhead.report import document, report
from clearhead.trace_json import unpacked


@pytest.fixture(scope="module")
def trained():
    data = load_data("digits", seed=0)
    return fit(TwoLayerNN(64, 9, 10, seed=0), data, epochs=2, lr=0.5, batch_size=32), data


def test_it_holds_the_scores_of_the_validation_set_and_the_surest_errors(trained):
    run, data = trained
    made = document(run, data)
    y, _ = run.model.forward(data.validation.X)
    right = y.argmax(axis=1) == data.validation.Y
    assert made["set"] == "validation"
    np.testing.assert_allclose(made["scores"]["accuracy"], 100 * right.mean())
    assert np.trace(made["scores"]["confusion"]) == right.sum()
    np.testing.assert_allclose(made["scores"]["loss"], run.history["validation_loss"][-1], rtol=1e-5)
    shares = [sample["share"] for sample in made["samples"]]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == pytest.approx(100 * y[~right].max())
    for sample in made["samples"]:
        assert sample["label"] != sample["guess"]
        np.testing.assert_array_equal(unpacked(sample["image"], (64,)), data.validation.X[sample["index"]])
    np.testing.assert_array_equal(unpacked(made["units"], (9, 64)), run.model.params["W1"].T)
    first = {value["name"]: value for value in made["trace"]["values"]}["X"]
    np.testing.assert_array_equal(unpacked(first, (1, 64))[0], data.validation.X[made["samples"][0]["index"]])


def test_the_page_shows_curves_confusion_samples_units_and_a_trace(trained, tab, tmp_path):
    run, data = trained
    (tmp_path / "report.html").write_text(report(run, data), "utf-8")
    tab.goto((tmp_path / "report.html").as_uri())
    tab.wait_for_selector('[data-ready="all"]')
    made = document(run, data)
    counts = tab.locator(".confusion tbody td").all_text_contents()
    assert [int(text.replace("·", "0")) for text in counts] == np.ravel(made["scores"]["confusion"]).tolist()
    assert tab.locator(".sample").count() == len(made["samples"])
    labels = [chart.get_attribute("aria-label") for chart in tab.locator(".curves svg").all()]
    assert re.search(r"loss: training \d\.\d+ → \d\.\d+; validation \d", labels[0])
    points = tab.locator("polyline").first.get_attribute("points").split()
    assert len(points) == 2
    first, last = (float(point.split(",")[1]) for point in points)
    assert first < last  # A loss that falls: y grows downwards.
    assert tab.locator('[data-value="dW1"]').count() == 1


@pytest.mark.parametrize("words", [
    ("two-layer", "--epochs", "1"),
    ("attention", "--epochs", "1", *TINY),
    ("two-layer", "--epochs", "1", "--validation", "0"),
])  # fmt: skip
def test_training_writes_it_into_the_run(words, capsys, tmp_path):
    out = succeed(capsys, "train", *words, "--out", tmp_path / "run")
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert f"a report to open in a browser: {tmp_path / 'run' / 'report.html'}" in " ".join(out.split())
    held = json.loads(re.search(r'id="document">(.*?)</script>', page)[1])
    assert held["format"] == "clearhead report"
    assert held["trace"]["kind"] == words[0]
    assert held["set"] == ("training" if "--validation" in words else "validation")
    succeed(capsys, "evaluate", tmp_path / "run")


@pytest.mark.parametrize("trouble", [RuntimeError, ValueError, MemoryError, KeyError])
def test_trouble_with_the_report_leaves_the_run(trouble, monkeypatch, capsys, tmp_path):
    def broken(run, data):
        raise trouble("no\nroom")

    monkeypatch.setattr("clearhead.report.report", broken)
    out = succeed(capsys, "train", "two-layer", "--epochs", "1", "--out", tmp_path / "run")
    assert "report.html could not be written: " in out
    assert "written to" in out
    assert "accuracy" in succeed(capsys, "evaluate", tmp_path / "run")


def test_a_text_has_a_report_without_classes(capsys, tmp_path):
    (tmp_path / "book.txt").write_text("abc abd " * 200, "utf-8")
    code, _, _ = clearhead(capsys, "train", "language", "--data", tmp_path / "book.txt", "--steps", "2", "--context", "8",
                           *TINY, "--out", tmp_path / "run")  # fmt: skip
    assert code == 0
    held = json.loads(
        re.search(r'id="document">(.*?)</script>', (tmp_path / "run" / "report.html").read_text("utf-8"))[1]
    )
    assert (held["scores"], held["samples"], held["units"]) == (None, [], None)
    assert held["trace"]["names"]["T"][:3] == held["trace"]["names"]["S"][:3]
