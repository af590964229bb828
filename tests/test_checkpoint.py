"""Runs as folders: written whole or not at all, read back bit for bit, refused in one sentence."""

import dataclasses
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch

from clearhead import load, load_data, models
from clearhead.checkpoint import Run, check_folder, examples_of, replace
from clearhead.data import Data, Examples, Scaling
from clearhead.models import build, parameters
from clearhead.train import fit
from clearhead.transformer import LanguageModel, SequenceClassifier
from clearhead.two_layer_nn import TwoLayerNN

FILES = {"config.json", "history.jsonl", "model.safetensors"}
KINDS = ("two-layer", "attention", "language")
NAMES = ("ant", "bee", "고양이")


def table(folder):
    """Images of 3 by 2 with 3 classes by name, 41 of them, in units of their own."""
    generator = np.random.default_rng(0)
    Y = np.arange(41) % 3
    X = 100 + 7 * (generator.normal(size=(41, 3, 2)) + Y[:, np.newaxis, np.newaxis])
    np.savez(folder / "images.npz", X=X, Y=np.array(NAMES)[Y])
    return folder / "images.npz"


def trained(kind, folder, **more):
    """A run as the command line makes it: model and order from one seed."""
    path = table(folder)
    if kind == "language":
        path = folder / "text.txt"
        path.write_text("안녕 hello\n" * 11, "utf-8")
    data = load_data(path, seed=2)
    torch.manual_seed(2)
    model = {
        "two-layer": lambda: TwoLayerNN(6, 4, 3, seed=2),
        "attention": lambda: SequenceClassifier((3, 2), 3, model_dim=8, num_heads=2, num_layers=1),
        "language": lambda: LanguageModel(len(data.labels), 5, model_dim=8, num_heads=2, num_layers=1),
    }[kind]()
    arguments = dict(epochs=3, lr=0.05, batch_size=7, schedule="cosine", seed=2)
    return fit(model, data, **{**arguments, **more})


@pytest.fixture(scope="module")
def runs(one_thread, tmp_path_factory):
    return {kind: trained(kind, tmp_path_factory.mktemp(kind)) for kind in KINDS}


@pytest.fixture
def saved(runs, tmp_path):
    runs["two-layer"].save(tmp_path / "run")
    return tmp_path / "run"


def assert_same_weights(model, other):
    one, two = parameters(model), parameters(other)
    assert one.keys() == two.keys()
    for name in one:
        assert one[name].dtype == two[name].dtype
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)


# There and back.


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_comes_back_as_it_was_saved(kind, runs, tmp_path):
    run = runs[kind]
    run.save(tmp_path / "deep" / "run")
    back = load(tmp_path / "deep" / "run")
    assert {path.name for path in (tmp_path / "deep" / "run").iterdir()} == FILES
    assert type(back.model) is type(run.model)
    assert back.kind == run.kind == kind
    assert_same_weights(back.model, run.model)
    assert back.labels == run.labels
    assert back.history == run.history
    assert len(back.history["epoch"]) == 3
    # JSON knows no tuples.
    assert back.config == json.loads(json.dumps(run.config))
    if kind == "language":
        assert back.scaling is run.scaling is None
        assert back.sample("h", 20, seed=3) == run.sample("h", 20, seed=3)
    else:
        np.testing.assert_array_equal(back.scaling.mean, run.scaling.mean)
        np.testing.assert_array_equal(back.scaling.spread, run.scaling.spread)
        X = 100 + 7 * np.random.default_rng(5).normal(size=(9, 6))
        np.testing.assert_array_equal(back.predict(X).probabilities, run.predict(X).probabilities)


def test_float64_stays_float64(tmp_path):
    data = load_data(table(tmp_path), seed=2)
    run = fit(TwoLayerNN(6, 4, 3, seed=2, dtype=np.float64), data, epochs=1, lr=0.1, batch_size=7)
    run.save(tmp_path / "run")
    assert load(tmp_path / "run").model.dtype == np.float64
    assert_same_weights(load(tmp_path / "run").model, run.model)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_attention_of_another_precision_trains_and_comes_back(dtype, tmp_path):
    data = load_data(table(tmp_path), seed=2)
    torch.manual_seed(2)
    model = SequenceClassifier((3, 2), 3, model_dim=8, num_heads=2, num_layers=1).to(dtype)
    run = fit(model, data, epochs=2, lr=0.05, batch_size=7, patience=2)
    assert {value.dtype for value in model.parameters()} == {dtype}
    run.save(tmp_path / "run")
    X = 100 + 7 * np.random.default_rng(5).normal(size=(9, 6))
    near = 0.05 if dtype == torch.bfloat16 else 1e-5
    np.testing.assert_allclose(load(tmp_path / "run").predict(X).probabilities, run.predict(X).probabilities,
                               atol=near)  # fmt: skip


def test_a_tilde_is_the_home_folder(runs, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    runs["two-layer"].save("~/run")
    assert {path.name for path in (tmp_path / "home" / "run").iterdir()} == FILES
    assert_same_weights(load("~/run").model, runs["two-layer"].model)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_patches_of_images_survive(tmp_path):
    data = load_data(table(tmp_path), seed=2)
    model = SequenceClassifier((3, 2), 3, patch=(3, 1), model_dim=8, num_heads=2, num_layers=1)
    run = fit(model, data, epochs=1, lr=0.1, batch_size=7)
    run.save(tmp_path / "run")
    X = np.random.default_rng(5).normal(size=(4, 3, 2))
    np.testing.assert_array_equal(
        load(tmp_path / "run").predict(X).probabilities, run.predict(X).probabilities
    )


@pytest.mark.parametrize("kind", KINDS)
def test_config_json_alone_is_enough_to_repeat_the_run(kind, runs, tmp_path, monkeypatch):
    runs[kind].save(tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text("utf-8"))
    monkeypatch.chdir(tmp_path)
    source = config["data"]
    data = load_data(**{key: source[key] for key in ("name_or_path", "seed", "target", "validation")})
    assert data.source["sha256"] == source["sha256"]
    torch.manual_seed(config["training"]["seed"])
    model = build(config["model"]["kind"], config["model"]["settings"])
    again = fit(model, data, **config["training"])
    assert_same_weights(again.model, runs[kind].model)
    assert again.history["validation_loss"] == runs[kind].history["validation_loss"]
    assert set(config) == {"format", "model", "data", "training", "versions", "labels", "scaling"}
    assert config["versions"]["clearhead"]


def test_the_history_is_a_line_an_epoch_and_leaves_out_what_was_not_measured(runs, tmp_path):
    runs["two-layer"].save(tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "history.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert set(lines[0]) == {"epoch", "lr", "train_loss", "train_accuracy", "validation_loss",
                             "validation_accuracy", "seconds"}  # fmt: skip
    data = load_data(table(tmp_path), validation=0)
    run = fit(TwoLayerNN(6, 4, 3), data, epochs=2, lr=0.1, batch_size=7)
    run.save(tmp_path / "blind")
    assert "validation_loss" not in (tmp_path / "blind" / "history.jsonl").read_text()
    assert load(tmp_path / "blind").history == run.history


def test_labels_of_a_text_are_its_symbols_in_order(runs, tmp_path):
    runs["language"].save(tmp_path / "run")
    labels = ("\n", " ", "e", "h", "l", "o", "녕", "안")
    assert load(tmp_path / "run").labels == labels
    assert "안" in (tmp_path / "run" / "config.json").read_text("utf-8")


# Written whole or not at all.


@pytest.mark.parametrize("function", ["replace", "fsync"])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_crash_leaves_each_file_as_it_was_or_as_it_should_be(function, at, saved, tmp_path, monkeypatch):
    old = {name: (saved / name).read_bytes() for name in FILES}
    longer = trained("two-layer", tmp_path, epochs=4)
    longer.save(tmp_path / "whole")
    new = {name: (tmp_path / "whole" / name).read_bytes() for name in FILES}
    assert all(old[name] != new[name] for name in FILES)
    real, calls = getattr(os, function), []

    def crash(*arguments):
        calls.append(arguments)
        if len(calls) == at:
            raise OSError("the disk is full")
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(os, function, crash)
        with pytest.raises(OSError, match=r"^the disk is full$"):
            longer.save(saved)
    now = {path.name: path.read_bytes() for path in saved.iterdir()}
    assert now.keys() == FILES
    written = [name for name in FILES if now[name] == new[name]]
    # A disk that is full shows before any file takes its place.
    assert len(written) == (at - 1 if function == "replace" else 0)
    assert all(now[name] == old[name] for name in FILES - set(written))
    load(saved)


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_crash_of_the_first_save_leaves_something_that_is_refused_clearly(at, runs, tmp_path, monkeypatch):
    real, calls = os.replace, []

    def crash(*arguments):
        calls.append(arguments)
        if len(calls) == at:
            raise OSError("the disk is full")
        return real(*arguments)

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(OSError, match=r"^the disk is full$"):
        runs["two-layer"].save(tmp_path / "run")
    assert len(list((tmp_path / "run").iterdir())) == at - 1
    with pytest.raises(FileNotFoundError, match=r"run is no run: config.json is missing; pass a folder that"):
        load(tmp_path / "run")


def test_a_file_is_written_to_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    order = []
    fsync, rename = os.fsync, os.replace
    monkeypatch.setattr(
        os, "fsync", lambda file: order.append(("fsync", os.fstat(file).st_size)) or fsync(file)
    )
    monkeypatch.setattr(os, "replace", lambda *paths: order.append("replace") or rename(*paths))
    replace({tmp_path / "file": b"12345"})
    assert order == [("fsync", 5), "replace"]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_ctrl_c_while_writing_leaves_no_temporary_file(tmp_path, monkeypatch):
    def interrupt(file):
        raise KeyboardInterrupt

    (tmp_path / "file").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        replace({tmp_path / "file": b"new"})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"old"}


def test_a_folder_that_a_crash_left_half_full_can_be_written_again(runs, tmp_path, monkeypatch):
    def interrupt(*paths):
        raise KeyboardInterrupt

    (tmp_path / "model.safetensors").write_bytes(b"first")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            runs["two-layer"].save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
    runs["two-layer"].save(tmp_path)
    assert load(tmp_path).labels == runs["two-layer"].labels


def test_a_folder_with_other_things_is_left_alone(runs, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(
        FileExistsError, match=r"holds other files and no run; choose a new or empty folder\.$"
    ):
        runs["two-layer"].save(tmp_path)
    with pytest.raises(
        FileExistsError, match=r"thesis.tex is a file; a run is a folder: choose another name\.$"
    ):
        runs["two-layer"].save(tmp_path / "thesis.tex")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    (tmp_path / "config.json").write_text("of another program")
    with pytest.raises(FileExistsError, match="holds other files and no run"):
        runs["two-layer"].save(tmp_path)
    assert (tmp_path / "config.json").read_text() == "of another program"
    (tmp_path / "empty").mkdir()
    assert check_folder(tmp_path / "empty") == check_folder(str(tmp_path / "empty")) == tmp_path / "empty"
    assert check_folder(tmp_path / "new") == tmp_path / "new"


def test_a_run_may_be_written_over_a_run(saved, runs):
    runs["attention"].save(saved)
    assert load(saved).kind == "attention"


# Damage.


def edited(change):
    """Damage to config.json: `change` works on what is in it, in place."""

    def damage(folder):
        config = json.loads((folder / "config.json").read_text("utf-8"))
        change(config)
        (folder / "config.json").write_text(json.dumps(config), "utf-8")

    return damage


def cut(name, keep=0.5):
    def damage(folder):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(keep * len(content))])

    return damage


DAMAGES = {
    "config cut short": cut("config.json"),
    "config empty": cut("config.json", 0),
    "config no UTF-8": lambda folder: (folder / "config.json").write_bytes(b"\xff\xfe{"),
    "config a list": lambda folder: (folder / "config.json").write_text("[1, 2]"),
    "no format": edited(lambda config: config.pop("format")),
    "no labels": edited(lambda config: config.pop("labels")),
    "labels a number": edited(lambda config: config.update(labels=3)),
    "a label less": edited(lambda config: config["labels"].pop()),
    "no scaling": edited(lambda config: config.pop("scaling")),
    "scaling words": edited(lambda config: config.update(scaling={"mean": "a", "spread": "b"})),
    "scaling of other sizes": edited(lambda config: config["scaling"].update(mean=[1, 2], spread=[1, 2])),
    "no spread": edited(lambda config: config["scaling"].pop("spread")),
    "no model": edited(lambda config: config.pop("model")),
    "model a word": edited(lambda config: config.update(model="big")),
    "kind unknown": edited(lambda config: config["model"].update(kind="huge")),
    "a setting too many": edited(lambda config: config["model"]["settings"].update(wings=2)),
    "a setting that cannot be": edited(lambda config: config["model"]["settings"].update(num_hiddens=-1)),
    "other sizes": edited(lambda config: config["model"]["settings"].update(num_hiddens=5)),
    "no data": edited(lambda config: config.pop("data")),
    "no shape": edited(lambda config: config["data"].pop("shape")),
    "other columns": edited(lambda config: config["data"].update(columns=["a", "b"])),
    "history cut short": cut("history.jsonl"),
    "history no UTF-8": lambda folder: (folder / "history.jsonl").write_bytes(b"\xff\n"),
    "history of words": lambda folder: (folder / "history.jsonl").write_text('"epoch"\n'),
    "history of numbers": lambda folder: (folder / "history.jsonl").write_text("3\n"),
    "weights cut short": cut("model.safetensors"),
    "weights empty": cut("model.safetensors", 0),
    "weights noise": lambda folder: (folder / "model.safetensors").write_bytes(b"x" * 300),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damage_of_any_kind_gives_one_clear_sentence(damage, saved):
    damage(saved)
    with pytest.raises(
        ValueError, match=rf"^{re.escape(str(saved))} is damaged \(\w+: .+\); train it again\.$"
    ):
        load(saved)


@pytest.mark.parametrize("kind", ["attention", "language"])
def test_weights_of_another_size_are_damage_for_attention_too(kind, runs, tmp_path):
    runs[kind].save(tmp_path / "run")
    edited(lambda config: config["model"]["settings"].update(model_dim=16))(tmp_path / "run")
    with pytest.raises(
        ValueError, match=r"run is damaged \(RuntimeError: the parameters are not of the sizes"
    ):
        load(tmp_path / "run")


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
@pytest.mark.parametrize(("kind", "name"), [("two-layer", "W2"), ("attention", "classes.bias")])
def test_weights_that_are_not_finite_are_damage(kind, name, bad, runs, tmp_path):
    runs[kind].save(tmp_path / "run")
    path = tmp_path / "run" / "model.safetensors"
    values = {key: value.copy() for key, value in safetensors.numpy.load_file(path).items()}
    values[name].flat[1] = bad
    safetensors.numpy.save_file(values, path)
    with pytest.raises(
        ValueError, match=rf"run is damaged \(ValueError: {name} is not finite\); train it again"
    ):
        load(tmp_path / "run")


def test_a_scaling_beside_a_language_model_is_damage(runs, tmp_path):
    runs["language"].save(tmp_path / "run")
    edited(lambda config: config.update(scaling={"mean": 0, "spread": 1}))(tmp_path / "run")
    with pytest.raises(ValueError, match=r"run is damaged \(ValueError: scaling is for classifiers\)"):
        load(tmp_path / "run")


def test_another_format_names_the_version_that_reads_it(saved):
    edited(lambda config: config.update(format=2, versions={"clearhead": "9.9"}))(saved)
    with pytest.raises(ValueError, match=r"run is in another format; read it with clearhead 9\.9\.$"):
        load(saved)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_folder_that_lacks_a_file_is_no_run(name, saved):
    (saved / name).unlink()
    with pytest.raises(
        FileNotFoundError, match=f"run is no run: {re.escape(name)} is missing; pass a folder"
    ):
        load(saved)


def test_what_is_no_folder_is_no_run(tmp_path):
    for path in (tmp_path / "nothing", Path(__file__)):
        with pytest.raises(FileNotFoundError, match=r"is no run: config.json is missing"):
            load(path)


# Prediction.


@pytest.mark.parametrize("kind", ["two-layer", "attention"])
def test_predictions_equal_a_computation_from_raw_inputs_by_hand(kind, runs, tmp_path):
    run = runs[kind]
    raw = np.load(table(tmp_path))["X"]
    seen = load_data(tmp_path / "images.npz", seed=2).train.X
    X = 100 + 7 * np.random.default_rng(6).normal(size=(5, 3, 2))
    # What the scaling must be: one mean and spread, of the training part.
    low, high = raw.min(), raw.max()
    np.testing.assert_allclose([seen.mean(), seen.std()], [0, 1], atol=1e-6)
    assert low < run.scaling.mean < high
    flat = ((X - run.scaling.mean) / run.scaling.spread).reshape(5, 6).astype(np.float32)
    if kind == "two-layer":
        W1, b1, W2, b2 = (run.model.params[name].astype(float) for name in ("W1", "b1", "W2", "b2"))
        z2 = 1 / (1 + np.exp(-(flat @ W1 + b1))) @ W2 + b2
    else:
        with torch.no_grad():
            z2 = run.model(torch.tensor(flat)).double().numpy()
    y = np.exp(z2) / np.exp(z2).sum(axis=1, keepdims=True)
    labels, probabilities = run.predict(X)
    np.testing.assert_allclose(probabilities, y, rtol=1e-5)
    assert labels.tolist() == [NAMES[i] for i in y.argmax(axis=1)]
    for other in (X.reshape(5, 6), X.tolist(), X.astype(np.float32).astype(np.float64)):
        np.testing.assert_allclose(run.predict(other).probabilities, y, rtol=1e-4)
    np.testing.assert_allclose(run.predict(X[:1]).probabilities, y[:1], rtol=1e-5)


def test_many_examples_are_predicted_in_chunks_with_the_same_result(runs, monkeypatch):
    X = 100 + 7 * np.random.default_rng(6).normal(size=(23, 6))
    for kind in ("two-layer", "attention"):
        whole = runs[kind].predict(X).probabilities
        with monkeypatch.context() as patch:
            patch.setattr(models, "ROWS_AT_ONCE", 5)
            np.testing.assert_allclose(runs[kind].predict(X).probabilities, whole, rtol=1e-5)


def test_whole_numbers_and_booleans_are_numbers(runs):
    X = np.random.default_rng(6).integers(0, 2, (5, 6))
    expected = runs["two-layer"].predict(X.astype(float)).probabilities
    for kind in (np.uint8, np.int64, bool):
        np.testing.assert_array_equal(runs["two-layer"].predict(X.astype(kind)).probabilities, expected)


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (np.zeros((5, 4)), ValueError, r"^X must be \(examples, 3, 2\) as in training; got \(5, 4\)\.$"),
        (np.zeros((5, 2, 3)), ValueError, r"^X must be \(examples, 3, 2\) as in training; got \(5, 2, 3\)"),
        (np.zeros((3, 2)), ValueError, r"got \(3, 2\)\. For one example of 6 numbers, pass X\[np.newaxis\]"),
        (np.zeros(6), ValueError, r"got \(6,\)\. For one example of 6 numbers, pass X\[np.newaxis\]\.$"),
        (np.zeros(5), ValueError, r"^X must be \(examples, 3, 2\) as in training; got \(5,\)\.$"),
        (3.0, ValueError, r"^X must be \(examples, 3, 2\) as in training; got \(\)\.$"),
        ([["a"] * 6], TypeError, r"^X must hold numbers; got <U1. Convert it with X.astype\(float\)\.$"),
        ([[None] * 6], TypeError, r"^X must hold numbers; got object"),
        (np.zeros((5, 6), complex), TypeError, r"^X must hold numbers; got complex128"),
        ([[0] * 6, [0, 0, np.nan, 0, 0, 0]], ValueError, r"^X\[1\] holds a number that is not finite; "),
        (np.full((2, 3, 2), np.inf), ValueError, r"^X\[0\] holds a number that is not finite; "),
    ],
)  # fmt: skip
def test_inputs_that_do_not_fit_are_refused_in_one_sentence(X, error, message, runs):
    for kind in ("two-layer", "attention"):
        with pytest.raises(error, match=message):
            runs[kind].predict(X)


def test_a_number_too_large_for_the_scaled_inputs_is_refused(runs):
    X = np.zeros((5, 6))
    X[2, 3] = 1e300
    network = runs["two-layer"]
    for run in (network, runs["attention"], dataclasses.replace(network, scaling=None)):
        with pytest.raises(ValueError, match=r"^X\[2\] holds a number too large for this run; replace it or"):
            run.predict(X)


@pytest.mark.parametrize("kind", ["two-layer", "attention"])
def test_a_classifier_without_scaling_sees_the_numbers_as_they_are(kind, runs, tmp_path):
    run = dataclasses.replace(runs[kind], scaling=None)
    run.save(tmp_path / "run")
    X = np.random.default_rng(6).normal(size=(5, 6))
    expected = runs[kind].predict(runs[kind].scaling.mean + runs[kind].scaling.spread * X).probabilities
    np.testing.assert_allclose(run.predict(X).probabilities, expected, rtol=1e-5)
    back = load(tmp_path / "run")
    np.testing.assert_array_equal(back.predict(X).probabilities, run.predict(X).probabilities)
    back.config["data"]["sha256"] = "other"
    path = table(tmp_path)
    examples, what = examples_of(back, str(path), None)
    assert (len(examples.Y), what) == (41, f"all of {path}")
    np.testing.assert_allclose(examples.X, np.load(path)["X"].reshape(41, 6), rtol=1e-6)


def test_a_language_model_does_not_predict_and_a_classifier_does_not_sample(runs):
    with pytest.raises(
        TypeError, match=r"^predict is for classifiers, and this run is a language model; use sample\.$"
    ):
        runs["language"].predict(np.zeros((5, 6)))
    with pytest.raises(
        TypeError, match=r"^sample is for language models, and this run is a classifier; use predict\.$"
    ):
        runs["two-layer"].sample("a", 3)


def test_data_made_in_python_is_predicted_and_saved_too(tmp_path):
    X, Y = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32), np.arange(20) % 3
    parts = [Examples(X[rows], Y[rows]) for rows in (slice(12), slice(12, 17), slice(17, 20))]
    data = Data(*parts, ("a", "b", "c"), Scaling(np.zeros(6), np.ones(6)))
    run = fit(TwoLayerNN(6, 4, 3, seed=0), data, epochs=1, lr=0.1, batch_size=5)
    run.save(tmp_path / "run")
    np.testing.assert_array_equal(
        load(tmp_path / "run").predict(X).probabilities, run.predict(X).probabilities
    )


# Sampling.


def test_a_sample_goes_on_from_its_prompt_and_is_the_same_for_the_same_seed(runs):
    run = runs["language"]
    texts = [run.sample("he", 40, seed=seed) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]
    assert all(text.startswith("he") and len(text) == 42 for text in texts)
    assert set("".join(texts)) <= set(run.labels)
    assert run.sample("안녕", 0) == "안녕"


def test_a_sample_is_drawn_by_the_models_chances(runs):
    run, symbols = runs["language"], []
    numbers = [run.labels.index(symbol) for symbol in "hello"]
    for _ in range(6):  # a slow loop: always the likeliest
        with torch.no_grad():
            symbols.append(int(run.model(torch.tensor([numbers[-5:]]))[0, -1].argmax()))
        numbers.append(symbols[-1])
    expected = "hello" + "".join(run.labels[symbol] for symbol in symbols)
    assert run.sample("hello", 6, temperature=0, seed=7) == expected
    # Almost no temperature is the likeliest too; a high one leaves it.
    assert run.sample("hello", 6, temperature=1e-4, seed=8) == expected
    assert len({run.sample("hello", 6, temperature=50, seed=seed) for seed in range(5)}) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("héllo", 3), "^prompt has 'é', which the text of this run never had; leave it out\\.$"),
        (("", 3), r"^prompt is empty; give at least one character to go on from\.$"),
        (("h", -1), r"length=-1"),
        (("h", 3, -1.0), r"^temperature=-1.0 must be 0 or more; 0 takes the likeliest\.$"),
        (("h", 3, float("nan")), r"^temperature=nan must be 0 or more"),
    ],
)
def test_a_prompt_that_cannot_be_is_refused(arguments, message, runs):
    prompt, length, temperature = (*arguments, 1.0)[:3]
    with pytest.raises(ValueError, match=message):
        runs["language"].sample(prompt, length, temperature=temperature)


def test_a_run_without_history_can_be_saved(tmp_path):
    run = Run(TwoLayerNN(2, 4, 3), ("a", "b", "c"), Scaling(np.zeros(2), np.ones(2)), {},
              {"model": {"kind": "two-layer", "settings": models.settings_of(TwoLayerNN(2, 4, 3))},
               "data": {"shape": (2,), "columns": ()}})  # fmt: skip
    run.save(tmp_path / "run")
    assert load(tmp_path / "run").history["epoch"] == []
