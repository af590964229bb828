"""The loop, against loops written by hand."""

import copy
import dataclasses
import math
import os
import pty
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

from clearhead import train
from clearhead.data import Data, Examples, Scaling
from clearhead.learners import LanguageLearner
from clearhead.train import fit
from clearhead.transformer import LanguageModel, SequenceClassifier
from clearhead.two_layer_nn import TwoLayerNN

NOTHING = Examples(np.zeros(0, np.int64), np.zeros(0, np.int64))
LISTS = ("epoch", "lr", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy")


def table(num_train=23, seed=0, wrong_validation=False):
    """23 to train, 7 to validate, 5 to test; 6 features, 3 classes that can be told apart."""
    generator = np.random.default_rng(seed)
    parts = []
    for count in (num_train, 7, 5):
        Y = np.arange(count) % 3
        X = generator.normal(size=(count, 6)) + 2 * np.eye(3, 6)[Y]
        parts.append(Examples(X.astype(np.float32), (Y + wrong_validation * (count == 7)) % 3))
    return Data(*parts, ("a", "b", "c"), Scaling(np.zeros(6), np.ones(6)), (6,))


def text(length=61, num_symbols=5):
    numbers = np.random.default_rng(2).integers(0, num_symbols, length)
    numbers[:num_symbols] = np.arange(num_symbols)
    train, held = (Examples(part[:-1], part[1:]) for part in (numbers[:50], numbers[50:]))
    return Data(train, held, NOTHING, tuple("abcde"[:num_symbols]), None)


def without_validation(data):
    return dataclasses.replace(data, validation=Examples(data.train.X[:0], data.train.Y[:0]))


def network(seed=0, dtype=np.float32):
    return TwoLayerNN(6, 4, 3, seed=seed, dtype=dtype)


def classifier(seed=0):
    torch.manual_seed(seed)
    return SequenceClassifier((3, 2), 3, model_dim=8, num_heads=2, num_layers=1)


def language_model(seed=0):
    torch.manual_seed(seed)
    return LanguageModel(5, 4, model_dim=8, num_heads=2, num_layers=1)


def weights(model):
    values = model.params if isinstance(model, TwoLayerNN) else model.state_dict()
    return {name: np.asarray(value).copy() for name, value in values.items()}


def assert_same_weights(model, other):
    one, two = (value if isinstance(value, dict) else weights(value) for value in (model, other))
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)


def without_seconds(history):
    return {name: numbers for name, numbers in history.items() if name != "seconds"}


class Recorded(TwoLayerNN):
    """A network that notes each batch and learning rate."""

    def update(self, X, Y, lr):
        self.__dict__.setdefault("seen", []).append((X.copy(), lr))
        return super().update(X, Y, lr)


# The network, bit for bit.


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_a_network_learns_exactly_as_a_loop_by_hand(schedule, dtype):
    data, model, own = table(), network(dtype=dtype), network(dtype=dtype)
    run = fit(model, data, epochs=3, lr=0.4, batch_size=5, schedule=schedule, seed=11)

    generator, step = np.random.default_rng(11), 0
    history = {name: [] for name in LISTS}
    for epoch in range(3):
        order = generator.permutation(23)
        losses, rights = [], []
        for start in range(0, 23, 5):
            rows = order[start : start + 5]
            lr = 0.4 if schedule == "constant" else 0.4 * (0.5 * (1 + math.cos(math.pi * (step / 15))))
            y, values = own.forward(data.train.X[rows])
            losses += [-math.log(y[i, label]) for i, label in enumerate(data.train.Y[rows])]
            rights += list(y.argmax(axis=1) == data.train.Y[rows])
            gradients = own.backward(data.train.X[rows], data.train.Y[rows], values)
            own.params = {n: value - lr * gradients["d" + n] for n, value in own.params.items()}
            step += 1
        y, _ = own.forward(data.validation.X)
        right = y.argmax(axis=1) == data.validation.Y
        history["epoch"].append(epoch + 1)
        history["lr"].append(lr)
        history["train_loss"].append(np.mean(losses))
        history["train_accuracy"].append(100 * np.mean(rights))
        history["validation_loss"].append(-np.log(y[range(7), data.validation.Y]).mean())
        history["validation_accuracy"].append(100 * np.mean(right))

    assert_same_weights(model, own)
    assert all(value.dtype == dtype for value in model.params.values())
    for name, numbers in history.items():
        np.testing.assert_allclose(run.history[name], numbers, rtol=1e-6, err_msg=name)
    assert run.model is model


def test_every_example_is_visited_once_an_epoch_in_a_new_order():
    data = table()
    data.train.X[:, 0] = np.arange(23)
    model = Recorded(6, 4, 3, seed=0)
    fit(model, data, epochs=3, lr=0.01, batch_size=5)
    assert [len(X) for X, _ in model.seen] == [5, 5, 5, 5, 3] * 3
    visited = np.concatenate([X[:, 0] for X, _ in model.seen]).reshape(3, 23)
    for order in visited:
        np.testing.assert_array_equal(np.sort(order), np.arange(23))
    assert len({tuple(order) for order in visited}) == 3


def test_what_on_epoch_kept_of_a_network_stays_as_it_was():
    kept, copies = [], []

    def keep(run):
        kept.append(run.model.params["W1"])
        copies.append(run.model.params["W1"].copy())

    start = network()
    held = start.params["W1"]
    before = held.copy()
    fit(start, table(), epochs=3, lr=0.5, batch_size=5, on_epoch=keep)
    np.testing.assert_array_equal(held, before)
    for one, other in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (kept[0] != kept[1]).any()


def test_a_network_with_parameters_of_whole_numbers_is_trained():
    model = network()
    model.params = {name: np.rint(value * 3).astype(int) for name, value in model.params.items()}
    fit(model, table(), epochs=1, lr=0.5, batch_size=5)
    assert {value.dtype for value in model.params.values()} == {np.dtype(np.float32)}


def test_labels_stay_with_their_examples():
    data = table()
    data.train.X[:, 0] = data.train.Y
    pairs = []

    class Paired(TwoLayerNN):
        def update(self, X, Y, lr):
            pairs.extend(zip(X[:, 0], Y.argmax(axis=1), strict=True))
            return super().update(X, Y, lr)

    fit(Paired(6, 4, 3), data, epochs=1, lr=0.01, batch_size=5)
    assert len(pairs) == 23
    assert all(x == y for x, y in pairs)


# Seeds.


@pytest.mark.parametrize(("make", "data"), [(network, table), (classifier, table), (language_model, text)])
def test_the_same_seed_gives_the_same_weights_and_history_and_another_seed_others(make, data):
    runs = [
        fit(make(), data(), epochs=3, lr=0.05, batch_size=5, schedule="cosine", seed=seed)
        for seed in (4, 4, 5)
    ]
    assert_same_weights(runs[0].model, runs[1].model)
    assert without_seconds(runs[0].history) == without_seconds(runs[1].history)
    assert runs[0].history["train_loss"] != runs[2].history["train_loss"]
    assert any((weights(runs[0].model)[n] != v).any() for n, v in weights(runs[2].model).items())


def test_the_order_does_not_depend_on_the_global_generators():
    first = fit(classifier(), table(), epochs=2, lr=0.01, batch_size=5)
    second = classifier()
    torch.manual_seed(99)
    np.random.seed(99)
    assert_same_weights(first.model, fit(second, table(), epochs=2, lr=0.01, batch_size=5).model)


# Learning rates, steps, history.


def test_the_cosine_begins_at_lr_halves_midway_and_ends_almost_at_zero():
    model = Recorded(6, 4, 3, seed=0)
    run = fit(model, table(), epochs=4, lr=0.5, batch_size=5, schedule="cosine")
    rates = [lr for _, lr in model.seen]
    assert len(rates) == 20
    np.testing.assert_allclose(rates[0], 0.5)
    np.testing.assert_allclose(rates[10], 0.25)
    assert 0 < rates[-1] < 0.004
    assert all(np.diff(rates) < 0)
    np.testing.assert_allclose(run.history["lr"], rates[4::5])


def test_attention_warms_up_over_the_first_twentieth_of_all_steps(monkeypatch):
    rates = []
    step = LanguageLearner.step

    def recorded(self, X, Y, lr):
        rates.append(lr)
        return step(self, X, Y, lr)

    monkeypatch.setattr(LanguageLearner, "step", recorded)
    fit(language_model(), text(), epochs=2, lr=0.02, batch_size=5, steps=100)
    np.testing.assert_allclose(rates[:6], np.array([0.2, 0.4, 0.6, 0.8, 1, 1]) * 0.02)
    assert len(rates) == 100
    assert set(rates[5:]) == {0.02}
    rates.clear()
    fit(language_model(), text(), epochs=2, lr=0.02, batch_size=5, steps=40, schedule="cosine")
    own = [0.02 * min(1, (i + 1) / 2) * (1 + math.cos(math.pi * i / 40)) / 2 for i in range(40)]
    np.testing.assert_allclose(rates, own)


@pytest.mark.parametrize(("steps", "epochs"), [(7, 7), (17, 4), (20, 3), (101, 8)])
def test_steps_are_shared_out_evenly_and_add_up(steps, epochs):
    model, counts = Recorded(6, 4, 3, seed=0), []
    fit(model, table(), epochs=epochs, lr=0.01, batch_size=5, steps=steps,
        on_epoch=lambda run: counts.append(len(model.seen)))  # fmt: skip
    assert counts[-1] == steps
    shares = np.diff([0, *counts])
    assert len(shares) == epochs
    assert set(shares) <= {steps // epochs, -(-steps // epochs)}
    # Passes go on where the epoch before stopped: every example as often as any other, to one.
    seen = np.concatenate([X[:, 0] for X, _ in model.seen])
    times = np.unique(seen, return_counts=True)[1]
    assert times.max() - times.min() <= 1


def test_the_training_means_weigh_each_example_alike_and_not_each_batch(monkeypatch):
    answers = iter([(1.0, 10.0), (2.0, 20.0), (3.0, 30.0), (4.0, 40.0), (9.0, 90.0)])
    monkeypatch.setattr("clearhead.learners.NetworkLearner.step", lambda *_: next(answers))
    run = fit(network(), table(), epochs=1, lr=0.1, batch_size=5)
    np.testing.assert_allclose(run.history["train_loss"], [(5 * (1 + 2 + 3 + 4) + 3 * 9) / 23])
    np.testing.assert_allclose(run.history["train_accuracy"], [(50 * (1 + 2 + 3 + 4) + 3 * 90) / 23])


@pytest.mark.parametrize("make", [network, classifier])
def test_without_validation_examples_its_lists_stay_empty(make):
    run = fit(make(), without_validation(table()), epochs=2, lr=0.1, batch_size=5)
    assert run.history["validation_loss"] == run.history["validation_accuracy"] == []
    assert all(len(run.history[name]) == 2 for name in (*LISTS[:4], "seconds"))


def test_validation_changes_nothing_in_what_is_learnt():
    for make in (network, classifier):
        with_it = fit(make(), table(), epochs=2, lr=0.1, batch_size=5)
        without = fit(make(), without_validation(table()), epochs=2, lr=0.1, batch_size=5)
        assert_same_weights(with_it.model, without.model)


def test_validation_comes_after_the_epoch():
    seen = []
    model = classifier()

    def compare(run):
        with torch.no_grad():
            p = model(torch.tensor(table().validation.X)).softmax(dim=-1).numpy()
        seen.append(-np.log(p[range(7), table().validation.Y]).mean())

    run = fit(model, table(), epochs=3, lr=0.02, batch_size=5, on_epoch=compare)
    np.testing.assert_allclose(run.history["validation_loss"], seen, rtol=1e-5)
    assert len(set(seen)) == 3


def test_on_epoch_gets_the_one_run_after_each_epoch_the_last_one_of_patience_too():
    seen = []
    run = fit(network(), table(), epochs=3, lr=0.1, batch_size=5,
              on_epoch=lambda run: seen.append((run, list(run.history["epoch"]))))  # fmt: skip
    assert [epochs for _, epochs in seen] == [[1], [1, 2], [1, 2, 3]]
    assert all(one is run for one, _ in seen)
    counts = []
    run = fit(network(), table(wrong_validation=True), epochs=50, lr=1.0, batch_size=5, patience=2,
              on_epoch=lambda run: counts.append(len(run.history["epoch"])))  # fmt: skip
    assert counts == run.history["epoch"]
    assert len(counts) < 50


# Early stopping.


@pytest.mark.parametrize("make", [network, classifier])
@pytest.mark.parametrize("patience", [1, 3])
def test_patience_stops_and_goes_back_to_the_best_weights(make, patience):
    copies = []
    data = table()
    # What is learnt from noise is worth nothing on other noise: validation gets better, then worse.
    data.train.Y[:] = np.random.default_rng(3).permutation(data.train.Y)
    mixed = np.where(np.arange(23) % 2, np.arange(23) % 3, data.train.Y)
    data = dataclasses.replace(data, train=Examples(data.train.X, mixed))
    lr = 1.0 if make is network else 0.02
    run = fit(make(), data, epochs=300, lr=lr, batch_size=5, patience=patience,
              on_epoch=lambda run: copies.append(weights(run.model)))  # fmt: skip
    losses = run.history["validation_loss"]
    best = int(np.argmin(losses))
    assert 0 < best < len(losses) - 1 < 299
    assert len(losses) == best + 1 + patience
    assert run.config["training"]["best_epoch"] == best + 1
    assert_same_weights(run.model, copies[best])
    assert any((copies[best][name] != copies[-1][name]).any() for name in copies[-1])


def test_patience_that_never_runs_out_keeps_the_best_weights_all_the_same():
    copies = []
    data = table(wrong_validation=True)
    run = fit(network(), data, epochs=4, lr=1.0, batch_size=5, patience=50,
              on_epoch=lambda run: copies.append(weights(run.model)))  # fmt: skip
    best = int(np.argmin(run.history["validation_loss"]))
    assert best < 3
    assert_same_weights(run.model, copies[best])


def test_without_patience_the_last_weights_stay_however_bad():
    copies = []
    run = fit(network(), table(wrong_validation=True), epochs=4, lr=1.0, batch_size=5,
              on_epoch=lambda run: copies.append(weights(run.model)))  # fmt: skip
    assert np.argmin(run.history["validation_loss"]) < 3
    assert_same_weights(run.model, copies[-1])
    assert "best_epoch" not in run.config["training"]


# Ctrl-C.


@pytest.mark.parametrize(("make", "data"), [(network, table), (language_model, text)])
def test_ctrl_c_keeps_what_was_learnt(make, data):
    copies = []

    def interrupt(run):
        copies.append(weights(run.model))
        if len(copies) == 2:
            raise KeyboardInterrupt

    run = fit(make(), data(), epochs=9, lr=0.05, batch_size=5, on_epoch=interrupt)
    assert run.history["epoch"] == [1, 2]
    assert run.config["training"]["interrupted"] is True
    assert_same_weights(run.model, copies[1])


def test_ctrl_c_says_on_standard_error_when_it_came(capsys):
    def interrupt(run):
        if run.history["epoch"] == [1, 2]:
            raise KeyboardInterrupt

    fit(network(), table(), epochs=9, lr=0.05, batch_size=5, on_epoch=interrupt)
    said = "stopped by Ctrl-C in epoch 2; what was learnt until then is kept\n"
    assert capsys.readouterr() == ("", said)


def test_ctrl_c_before_the_first_step_leaves_the_model_as_it_was(monkeypatch):
    def interrupt(bar):
        raise KeyboardInterrupt

    monkeypatch.setattr(train._Bar, "__enter__", interrupt)
    run = fit(network(), table(), epochs=9, lr=0.05, batch_size=5)
    assert run.config["training"]["interrupted"] is True
    assert_same_weights(run.model, network())


def test_ctrl_c_within_an_epoch_leaves_every_list_of_the_same_length():
    class Interrupted(Recorded):
        def update(self, X, Y, lr):
            if len(self.__dict__.get("seen", [])) == 8:
                raise KeyboardInterrupt
            return super().update(X, Y, lr)

    model = Interrupted(6, 4, 3, seed=0)
    run = fit(model, table(), epochs=9, lr=0.1, batch_size=5)
    assert len(model.seen) == 8
    assert {len(numbers) for numbers in run.history.values()} == {1}
    before = TwoLayerNN(6, 4, 3, seed=0)
    assert any((before.params[name] != value).any() for name, value in run.model.params.items())


def test_ctrl_c_with_patience_goes_back_to_the_best_weights():
    copies = []

    def interrupt(run):
        copies.append(weights(run.model))
        if len(copies) == 4:
            raise KeyboardInterrupt

    data = table(wrong_validation=True)
    run = fit(network(), data, epochs=9, lr=1.0, batch_size=5, patience=8, on_epoch=interrupt)
    best = int(np.argmin(run.history["validation_loss"]))
    assert best < 3
    assert_same_weights(run.model, copies[best])


# Divergence.


@pytest.mark.parametrize("lr", [2e38, 1e39, 1e300])
def test_a_network_that_diverges_names_epoch_step_and_parameter_as_a_slow_replay_does(lr):
    data, own = table(), network()
    with pytest.raises(FloatingPointError) as error:
        fit(network(), data, epochs=9, lr=lr, batch_size=5, seed=3)

    generator = np.random.default_rng(3)
    with np.errstate(all="ignore"):
        gone, step = [], 0
        while not gone:
            if step % 5 == 0:
                order = generator.permutation(23)
            rows = order[5 * (step % 5) : 5 * (step % 5) + 5]
            own.train_step(data.train.X[rows], data.train.Y[rows], lr)
            gone = [n for n in ("W2", "b2", "W1", "b1") if not np.isfinite(own.params[n]).all()]
            step += 1
            assert step < 45, "this rate must reach a parameter, or the test shows nothing"
        epoch, step = 1 + (step - 1) // 5, 1 + (step - 1) % 5
    sentence = f"training diverged in epoch {epoch}, step {step}: {gone[0]} is no longer finite; "
    assert str(error.value) == f"{sentence}use a lower lr than {lr:g}."


def test_a_loss_that_is_not_finite_after_the_last_step_stops_too():
    # One step, and no second one that could notice.
    model = network()
    model.params["W2"][:] = 3e38
    model.update = lambda X, Y, lr: np.full((len(X), 3), 1 / 3, np.float32)
    with pytest.raises(FloatingPointError, match=r"epoch 1, step 1: W2 has grown to 3e\+38; use a lower lr"):
        fit(model, table(), epochs=1, lr=0.1, batch_size=23)
    with pytest.raises(FloatingPointError, match=r"epoch 1, step 1: [\w.]+ has grown to \S+; use a lower lr"):
        fit(classifier(), table(), epochs=1, lr=1e38, batch_size=23)
    with pytest.raises(FloatingPointError, match=r"epoch 1, step 1: [\w.]+ has grown to inf; use a lower lr"):
        fit(classifier(), without_validation(table()), epochs=1, lr=1e39, batch_size=23)


def test_a_classifier_that_diverges_names_epoch_step_and_parameter_as_a_slow_replay_does():
    lr, data, own = 1e30, without_validation(table()), classifier()
    with pytest.raises(FloatingPointError) as error:
        fit(classifier(), data, epochs=3, lr=lr, batch_size=5)
    groups = [{"params": [p for p in own.parameters() if p.ndim > 1], "weight_decay": 0.1},
              {"params": [p for p in own.parameters() if p.ndim < 2], "weight_decay": 0.0}]  # fmt: skip
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99), fused=True)
    order = np.random.default_rng(0).permutation(23)
    for step in range(5):
        rows = order[5 * step : 5 * step + 5]
        for group in optimizer.param_groups:
            group["lr"] = lr * min(1, (step + 1) / 15 / 0.05)
        optimizer.zero_grad()
        scores = own(torch.tensor(data.train.X[rows]))
        torch.nn.functional.cross_entropy(scores, torch.tensor(data.train.Y[rows])).backward()
        gone = [n for n, p in own.named_parameters() if not torch.isfinite(p.grad).all()]
        if gone:
            break
        torch.nn.utils.clip_grad_norm_(own.parameters(), 1.0)
        optimizer.step()
    assert gone
    # Backwards, the last layer is the first to see it.
    assert str(error.value) == (f"training diverged in epoch 1, step {step + 1}: {gone[-1]} is no longer "
                                "finite; use a lower lr than 1e+30.")  # fmt: skip


@pytest.mark.parametrize("name", ["blocks.0.narrow.bias", "embedding.weight", "last_norm.weight"])
def test_a_planted_infinity_is_named_in_the_step_after_it(name):
    model = classifier()

    def plant(run):
        if len(run.history["epoch"]) == 2:
            with torch.no_grad():
                dict(model.named_parameters())[name].flatten()[1] = math.inf

    with pytest.raises(FloatingPointError, match=f"epoch 3, step 1: {re.escape(name)} is no longer finite; "):
        fit(model, table(), epochs=5, lr=0.01, batch_size=5, on_epoch=plant)


# Learning in earnest.


def test_attention_learns_the_digits_a_little():
    from clearhead import load_data

    torch.manual_seed(0)
    model = SequenceClassifier((8, 8), 10, model_dim=16, num_heads=8, num_layers=1)
    run = fit(model, load_data("digits"), epochs=10, lr=1e-2, batch_size=32, schedule="cosine")
    assert run.history["validation_accuracy"][-1] > 75
    assert run.history["train_loss"][-1] < run.history["train_loss"][0] / 2


def test_a_language_model_learns_a_text_that_repeats():
    numbers = np.tile(np.array([0, 3, 1, 4, 2]), 40)
    part = Examples(numbers[:-1], numbers[1:])
    data = Data(part, part, NOTHING, tuple("abcde"), None)
    run = fit(language_model(), data, epochs=20, lr=0.02, batch_size=5, schedule="cosine")
    assert run.history["validation_accuracy"][-1] > 95
    assert run.history["validation_loss"][-1] < 0.3 < 1 < run.history["train_loss"][0]


# What is refused.


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"epochs": 0}, ValueError, "epochs=0 must be at least 1."),
        ({"epochs": 2.5}, TypeError, "epochs=2.5 must be a whole number."),
        ({"epochs": None}, TypeError, "epochs=None must be a whole number."),
        ({"batch_size": 0}, ValueError, "batch_size=0 must be at least 1."),
        ({"batch_size": 2.5}, TypeError, "batch_size=2.5 must be a whole number."),
        ({"patience": 0}, ValueError, "patience=0 must be at least 1."),
        ({"steps": 0}, ValueError, "steps=0 must be at least 1."),
        ({"seed": -1}, ValueError, "seed=-1 must be at least 0."),
        ({"seed": "x"}, TypeError, "seed='x' must be a whole number."),
        ({"lr": 0}, ValueError, "lr=0 must be above 0: a step goes against the gradient."),
        ({"lr": -0.1}, ValueError, "lr=-0.1 must be above 0: a step goes against the gradient."),
        ({"lr": math.nan}, ValueError, "lr=nan must be above 0"),
        ({"lr": math.inf}, ValueError, "lr=inf must be above 0"),
        ({"lr": "0.1"}, TypeError, "lr='0.1' must be a number."),
        ({"lr": None}, TypeError, "lr=None must be a number."),
        ({"data": "digits"}, TypeError, "data must be what load_data returns; got str."),
        ({"epochs": 5, "steps": 4}, ValueError, "steps=4 leaves some of the epochs=5 without a step; use "
         "fewer epochs."),
        ({"schedule": "linear"}, ValueError, "schedule='linear' must be one of constant, cosine."),
    ],
)  # fmt: skip
def test_arguments_that_do_not_fit_are_refused_before_anything_is_learnt(arguments, error, message):
    model = network()
    before = copy.deepcopy(model.params)
    with pytest.raises(error, match="^" + re.escape(message)):
        fit(model, **{"data": table(), "epochs": 2, "lr": 0.1, "batch_size": 5, **arguments})
    assert_same_weights(model, before)


def test_patience_without_validation_is_refused():
    with pytest.raises(
        ValueError, match=r"^patience=3 needs validation data; load it with a validation share"
    ):
        fit(network(), without_validation(table()), epochs=2, lr=0.1, batch_size=5, patience=3)


@pytest.mark.parametrize("part", ["train", "validation"])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_examples_that_are_not_finite_are_refused(bad, part):
    data = table()
    getattr(data, part).X[3, 2] = bad
    with pytest.raises(
        ValueError, match=rf"^data\.{part}\.X holds a number that is not finite; replace or leave out"
    ):
        fit(network(), data, epochs=2, lr=0.1, batch_size=5)


@pytest.mark.parametrize(("make", "data"), [(network, table), (classifier, table), (language_model, text)])
def test_a_training_set_without_examples_is_refused(make, data):
    whole = data()
    empty = dataclasses.replace(whole, train=Examples(whole.train.X[:0], whole.train.Y[:0]))
    with pytest.raises(ValueError, match=r"^data\.train has no examples; there is nothing to learn from\.$"):
        fit(make(), empty, epochs=2, lr=0.1, batch_size=5)


def test_a_model_of_another_kind_is_refused():
    with pytest.raises(
        TypeError, match=r"^model must be a TwoLayerNN, SequenceClassifier or LanguageModel; got Linear"
    ):
        fit(torch.nn.Linear(6, 3), table(), epochs=2, lr=0.1, batch_size=5)


def test_numbers_of_numpy_are_taken_as_numbers_and_can_be_saved(tmp_path):
    one, two = np.int64(1), np.int64(5)
    run = fit(network(), table(), epochs=one, lr=np.float32(0.5), batch_size=two, seed=one)
    run.save(tmp_path / "run")
    same = fit(network(), table(), epochs=1, lr=0.5, batch_size=5, seed=1)
    assert_same_weights(run.model, same.model)


# The progress bar, and what is loaded.

TRAINING = """
import sys, numpy as np
import clearhead.train as train
from clearhead import TwoLayerNN, load_data
train.SECONDS_BETWEEN_DRAWINGS = 0
run = train.fit(TwoLayerNN(64, 3, 10, seed=0), load_data("digits"), epochs=2, lr=0.5, batch_size=500,
                on_epoch=lambda run: print("after epoch", run.history["epoch"][-1], flush=True))
assert "torch" not in sys.modules, "torch was loaded"
"""


def environment(**more):
    """The terminal's own variables would decide instead of the streams."""
    hidden = ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS", "LINES")
    return {**{k: v for k, v in os.environ.items() if k not in hidden}, "TERM": "xterm", **more}


def all_of(descriptor):
    chunks = []
    try:
        while chunk := os.read(descriptor, 65536):
            chunks.append(chunk)
    except OSError:  # Linux says so when the last one at the other end has gone.
        pass
    finally:
        os.close(descriptor)
    return b"".join(chunks).decode()


def on_a_terminal(stdout_too):
    here, there = pty.openpty()
    out = there if stdout_too else subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", TRAINING], stdout=out, stderr=there,
                          env=environment()) as child:  # fmt: skip
        os.close(there)
        screen = all_of(here)
        piped = "" if stdout_too else child.stdout.read().decode()
    assert child.returncode == 0, screen
    return screen, piped


def test_a_terminal_shows_a_bar_with_rate_and_loss_that_goes_away():
    screen, _ = on_a_terminal(stdout_too=True)
    assert re.search(r"epoch 2/2.*examples/s  loss \d\.\d{4}.*\d:\d\d:\d\d", screen)
    assert "after epoch 1" in screen
    assert "\x1b[2K" in screen.rpartition("examples/s")[2]


def test_what_is_printed_goes_where_it_belongs_while_the_bar_is_on_the_screen():
    screen, piped = on_a_terminal(stdout_too=False)
    assert "examples/s" in screen
    assert piped == "after epoch 1\nafter epoch 2\n"


def test_without_a_terminal_nothing_is_drawn_and_a_network_never_loads_torch():
    child = subprocess.run(
        [sys.executable, "-c", TRAINING], capture_output=True, text=True, env=environment()
    )
    assert (child.returncode, child.stdout, child.stderr) == (0, "after epoch 1\nafter epoch 2\n", "")


def test_a_bar_is_drawn_at_most_so_often(monkeypatch):
    now, drawn = [0.0], []
    monkeypatch.setattr(train.time, "perf_counter", lambda: now[0])
    bar = train._Bar(epochs=3, total=100)
    monkeypatch.setattr(bar.progress, "update", lambda task, **fields: drawn.append(fields))
    for step in range(1, 101):
        now[0] = 0.03 * step
        bar.draw(2, step, seconds=0.5, seen=np.array([10.0, 25.0, 0.0]))
    assert len(drawn) == 25
    assert drawn[0] == {"completed": 4, "epoch": "2/3", "rate": "20", "loss": "2.5000"}
