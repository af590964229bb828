"""Batches, steps and scores of each model, against slow loops."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from clearhead.data import Data, Examples, Scaling
from clearhead.learners import learner_of
from clearhead.train import fit
from clearhead.transformer import LanguageModel, SequenceClassifier
from clearhead.two_layer_nn import TwoLayerNN

NOTHING = Examples(np.zeros(0, np.int64), np.zeros(0, np.int64))


def table(num_train=23, num_features=6, num_classes=3, seed=0):
    """A table by hand: 23 to train, 7 to validate, 5 to test; 6 features, 3 classes."""
    generator = np.random.default_rng(seed)
    parts = []
    for count in (num_train, 7, 5):
        Y = np.arange(count) % num_classes
        X = generator.normal(size=(count, num_features)) + np.eye(num_classes, num_features)[Y]
        parts.append(Examples(X.astype(np.float32), Y))
    scaling = Scaling(np.zeros(num_features), np.ones(num_features))
    return Data(*parts, tuple("abc"[:num_classes]), scaling, (num_features,))


def text(numbers, held=(0, 1, 0), num_symbols=None):
    numbers, held = np.array(numbers), np.array(held)
    labels = tuple(chr(97 + i) for i in range(num_symbols or numbers.max() + 1))
    parts = (Examples(part[:-1], part[1:]) for part in (numbers, held))
    return Data(*parts, NOTHING, labels, None)


def language_model(num_symbols, context, seed=0):
    torch.manual_seed(seed)
    return LanguageModel(num_symbols, context, model_dim=8, num_heads=2, num_layers=1)


def classifier(input_shape=(3, 2), num_classes=3, seed=0):
    torch.manual_seed(seed)
    return SequenceClassifier(input_shape, num_classes, model_dim=8, num_heads=2, num_layers=1)


@pytest.mark.parametrize("context", [1, 2, 4, 5, 7])
@pytest.mark.parametrize("length", [14, 29, 30])
def test_a_pass_over_a_text_visits_windows_side_by_side_each_once(context, length):
    # Every symbol of this text occurs once, so a window's symbols say where it stood.
    data = text(np.arange(length + 1))
    learner = learner_of(language_model(length + 1, context))
    generator = np.random.default_rng(3)
    offsets, orders = set(), set()
    for _ in range(40):
        starts = learner.order(data.train, generator)
        assert len(starts) == learner.count(data.train)
        windows = [learner.batch(data.train, starts[i : i + 1]) for i in range(len(starts))]
        for X, Y in windows:
            assert X.shape == (1, context)
            assert torch.equal(Y, X + 1)
        seen = sorted(int(x) for X, _ in windows for x in X.flatten())
        assert seen == list(range(seen[0], seen[0] + len(starts) * context))
        # Nothing but less than a window is left over at either end, together less than two.
        assert seen[0] < context
        assert length - 1 - seen[-1] < 2 * context
        offsets.add(seen[0])
        orders.add(tuple(starts - starts.min()))
    possible = set(range(context))
    assert offsets == possible
    assert (len(orders) > 1) == (learner.count(data.train) > 1)


@pytest.mark.parametrize("length", [3, 8, 12, 13, 2067])
def test_the_loss_of_a_text_equals_a_slow_loop_over_its_windows_the_shorter_last_one_too(length):
    context = 4
    numbers = np.random.default_rng(1).integers(0, 5, length + 1)
    data = text(np.arange(20) % 5, held=numbers, num_symbols=5)
    model = language_model(5, context)
    with torch.no_grad():
        model.symbols.weight.normal_(std=1.0)
    loss, accuracy = learner_of(model).evaluate(data.validation)
    surprise, right = 0.0, 0
    with torch.no_grad():
        for start in range(0, length, context):
            window = numbers[start : min(start + context, length)]
            p = model(torch.tensor(window)[None]).double().softmax(dim=-1)[0].numpy()
            for place in range(len(window)):
                following = numbers[start + place + 1]
                surprise -= math.log(p[place, following])
                right += p[place].argmax() == following
    np.testing.assert_allclose(loss, surprise / length, rtol=2e-6)
    np.testing.assert_allclose(accuracy, 100 * right / length, rtol=1e-6)


@pytest.mark.parametrize("count", [7, 256, 261])
def test_the_loss_of_a_classifier_is_the_mean_over_all_examples(count):
    data = table(num_train=count)
    model = classifier()
    with torch.no_grad():
        model.classes.weight.normal_()
    loss, accuracy = learner_of(model).evaluate(data.train)
    with torch.no_grad():
        p = model(torch.tensor(data.train.X)).double().softmax(dim=-1).numpy()
    np.testing.assert_allclose(loss, -np.log(p[range(count), data.train.Y]).mean(), rtol=1e-6)
    np.testing.assert_allclose(accuracy, 100 * (p.argmax(axis=1) == data.train.Y).mean(), rtol=1e-6)


def test_a_step_of_attention_is_adamw_with_decay_on_matrices_only_and_a_clipped_gradient():
    data, model, twin = table(), classifier(), classifier()
    with torch.no_grad():
        for value in (model.classes.weight, twin.classes.weight):
            value.mul_(100)  # so that the gradient's norm is above 1 and clipping shows
    learner = learner_of(model)
    first = {name: torch.zeros_like(value) for name, value in twin.named_parameters()}
    second = {name: torch.zeros_like(value) for name, value in twin.named_parameters()}
    norms = []
    for step, lr in enumerate((0.01, 0.003, 0.02), start=1):
        X, Y = learner.batch(data.train, np.arange(step, step + 11))
        loss, _ = learner.step(X, Y, lr)
        own = torch.nn.functional.cross_entropy(twin(X), Y)
        np.testing.assert_allclose(loss, own.item(), rtol=1e-5)
        gradients = torch.autograd.grad(own, list(twin.parameters()))
        norm = math.sqrt(sum(float((g.double() ** 2).sum()) for g in gradients))
        norms.append(norm)
        with torch.no_grad():
            for (name, value), gradient in zip(twin.named_parameters(), gradients, strict=True):
                gradient = gradient * min(1, 1 / norm)
                first[name] = 0.9 * first[name] + 0.1 * gradient
                second[name] = 0.99 * second[name] + 0.01 * gradient**2
                mean, spread = first[name] / (1 - 0.9**step), second[name] / (1 - 0.99**step)
                value.mul_(1 - lr * (0.1 if value.ndim > 1 else 0))
                value.sub_(lr * mean / (spread.sqrt() + 1e-8))
    assert max(norms) > 1
    for (name, value), own in zip(model.named_parameters(), twin.parameters(), strict=True):
        if "key_proj.bias" not in name:  # its gradient is zero, and AdamW divides it by itself
            torch.testing.assert_close(value, own, rtol=1e-3, atol=2e-5, msg=lambda m, n=name: f"{n}: {m}")


def test_attention_warms_up_over_a_twentieth_of_the_steps_and_the_network_does_not():
    learner = learner_of(classifier())
    shares = [0.001, 0.025, 0.05, 0.2, 1.0]
    np.testing.assert_allclose([learner.warmth(share) for share in shares], [0.02, 0.5, 1, 1, 1])
    assert learner_of(TwoLayerNN(6, 4, 3)).warmth(0.001) == 1


def test_a_gradient_that_is_not_a_number_is_named_although_the_loss_is_fine():
    for planted in (math.nan, math.inf):
        data, model = table(), classifier()
        model.blocks[0].widen.weight.register_hook(lambda g, planted=planted: g.fill_(planted))
        learner = learner_of(model)
        before = model.state_dict()["blocks.0.narrow.weight"].clone()
        with pytest.raises(FloatingPointError, match=r"^blocks\.0\.widen\.weight$"):
            learner.step(*learner.batch(data.train, np.arange(5)), 0.01)
        assert torch.equal(model.state_dict()["blocks.0.narrow.weight"], before)


def test_a_parameter_that_is_not_finite_is_named():
    data, model = table(), classifier()
    with torch.no_grad():
        model.blocks[0].attention.value_proj.weight[1, 2] = math.inf
    learner = learner_of(model)
    with pytest.raises(FloatingPointError, match=r"^blocks\.0\.attention\.value_proj\.weight$"):
        learner.step(*learner.batch(data.train, np.arange(5)), 0.01)


def test_a_loss_that_is_not_finite_is_named_where_every_parameter_and_gradient_is(monkeypatch):
    data, model = table(), classifier()
    learner = learner_of(model)
    scored = learner._scored

    def endless(X, Y):
        loss, accuracy = scored(X, Y)
        return loss + math.inf, accuracy

    monkeypatch.setattr(learner, "_scored", endless)
    with pytest.raises(FloatingPointError, match=r"^the loss$"):
        learner.step(*learner.batch(data.train, np.arange(5)), 0.01)


def test_float64_examples_teach_a_float32_classifier_as_float32_ones_do():
    data = table()
    double = [Examples(part.X.astype(float), part.Y) for part in (data.train, data.validation, data.test)]
    runs = [
        fit(classifier(), given, epochs=2, lr=0.01, batch_size=5)
        for given in (data, Data(*double, data.labels, data.scaling, data.shape))
    ]
    assert runs[0].history["validation_loss"] == runs[1].history["validation_loss"]


@pytest.mark.parametrize("wrong", [3, -1])
@pytest.mark.parametrize("part", ["train", "validation"])
@pytest.mark.parametrize("model", [lambda: TwoLayerNN(6, 4, 3), classifier])
def test_a_label_out_of_range_is_refused(model, part, wrong):
    data = table()
    getattr(data, part).Y[2] = wrong
    found = "0 to 3" if wrong == 3 else "-1 to 2"
    with pytest.raises(ValueError, match=rf"^Y must be class indices from 0 to 2; got {found}\.$"):
        fit(model(), data, epochs=1, lr=0.1, batch_size=4)


def without_validation(data):
    empty = Examples(data.train.X[:0], data.train.Y[:0])
    return dataclasses.replace(data, validation=empty)


@pytest.mark.parametrize(
    ("model", "data", "message"),
    [
        (lambda: TwoLayerNN(5, 4, 3), table, r"input_dim makes 5 numbers, but an example has 6; "
         r"build the model for 6\.$"),
        (lambda: TwoLayerNN(6, 4, 2), table, r"num_classes=2, but the data has 3 labels; use 3\.$"),
        (lambda: TwoLayerNN(6, 4, 3), lambda: text(np.arange(20) % 3), "data is a text, and this model "
         "learns from examples with labels; use a LanguageModel"),
        (lambda: classifier((2, 2)), table, r"input_shape makes 4 numbers, but an example has 6; "
         r"build the model for 6\.$"),
        (lambda: classifier((3, 2), 4), table, r"num_classes=4, but the data has 3 labels; use 3\.$"),
        (classifier, lambda: text(np.arange(20) % 3), "data is a text, and this model learns from examples"),
        (lambda: language_model(3, 4), table, "data is a table or images, and a LanguageModel learns from a "
         "text; use a SequenceClassifier"),
        (lambda: language_model(3, 4), lambda: text(np.arange(20) % 5), "num_symbols=3 must be 5, as many as "
         "the text has"),
        (lambda: language_model(5, 11), lambda: text(np.arange(21) % 5), "context=11 is too long for 20 "
         "symbols; use at most 10"),
    ],
)  # fmt: skip
def test_data_that_does_not_fit_the_model_is_refused_in_one_sentence(model, data, message):
    with pytest.raises(ValueError, match="^" + message):
        fit(model(), data(), epochs=1, lr=0.1, batch_size=4)


def test_the_longest_context_that_the_sentence_names_does_train():
    data = without_validation(text(np.arange(21) % 5))
    run = fit(language_model(5, 10), data, epochs=1, lr=0.01, batch_size=4)
    assert len(run.history["train_loss"]) == 1
