"""The network against closed forms, slow loops, other libraries, differences and laws."""

import re
import time
import tracemalloc

import numpy as np
import pytest
import scipy.special
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, log_loss
from sklearn.neural_network import MLPClassifier

from clearhead import two_layer_nn as steps
from clearhead.blas import _gemm
from clearhead.two_layer_nn import TwoLayerNN

PARAMS = ("W1", "b1", "W2", "b2")
EXAMPLES, FEATURES, HIDDENS, CLASSES = 5, 4, 2, 3
FLOATS = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def drawn(examples=EXAMPLES, features=FEATURES, hiddens=HIDDENS, classes=CLASSES, seed=0, dtype=np.float64):
    """A network whose every parameter has unit scale, biases too; examples and class indices."""
    generator = np.random.default_rng(seed)
    net = TwoLayerNN(features, hiddens, classes, seed=seed, dtype=dtype)
    net.params = {
        name: generator.normal(size=value.shape).astype(dtype) for name, value in net.params.items()
    }
    X = generator.normal(size=(examples, features)).astype(dtype)
    return net, X, generator.integers(classes, size=examples)


def one_hot(Y, classes=CLASSES):
    table = np.zeros((len(Y), classes))
    for row, label in enumerate(Y):
        table[row, label] = 1
    return table


def slow_loss(Y, y):
    return sum(-np.log(y[n, label]) for n, label in enumerate(Y)) / len(Y)


def slow_accuracy(Y, y):
    return 100 * sum(np.argmax(y[n]) == label for n, label in enumerate(Y)) / len(Y)


def slow_forward(params, X):
    """One number at a time, with the textbook's σ and softmax."""
    W1, b1, W2, b2 = (np.asarray(params[name], np.float64) for name in PARAMS)
    y = np.zeros((len(X), len(b2)))
    for n in range(len(X)):
        h = [1 / (1 + np.exp(-(sum(X[n, d] * W1[d, j] for d in range(len(W1))) + b1[j])))
             for j in range(len(b1))]  # fmt: skip
        powers = [np.exp(sum(h[j] * W2[j, c] for j in range(len(h))) + b2[c])
                  for c in range(len(b2))]  # fmt: skip
        y[n] = [power / sum(powers) for power in powers]
    return y


def loss_of(net, X, Y):
    return net.compute_loss(Y, net.forward(X)[0])


def gradients_of(net, X, Y):
    return net.backward(X, Y, net.forward(X)[1])


def differences(net, X, Y, name, width=1e-3):
    """The loss's gradient by central differences of fourth order, a parameter at a time."""
    slopes = np.zeros_like(net.params[name])
    for index in np.ndindex(slopes.shape):
        here = net.params[name][index]
        losses = {}
        for steps_away in (-2, -1, 1, 2):
            net.params[name][index] = here + steps_away * width
            losses[steps_away] = loss_of(net, X, Y)
        net.params[name][index] = here
        slopes[index] = (8 * (losses[1] - losses[-1]) - (losses[2] - losses[-2])) / (12 * width)
    return slopes


def autograd(params, X, Y):
    """Loss and gradients by PyTorch, in its own words."""
    W1, b1, W2, b2 = leaves = [
        torch.tensor(params[name], dtype=torch.float64, requires_grad=True) for name in PARAMS
    ]
    h = torch.sigmoid(torch.as_tensor(X, dtype=torch.float64) @ W1 + b1)
    loss = torch.nn.functional.cross_entropy(h @ W2 + b2, torch.as_tensor(Y))
    return loss.item(), {
        f"d{name}": gradient.numpy()
        for name, gradient in zip(PARAMS, torch.autograd.grad(loss, leaves), strict=True)
    }


def assert_norm_ratio(ours, theirs, limit, name):
    ratio = np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)
    assert ratio < limit, f"{name}: {ratio:.2g}"


def assert_same(ours, theirs):
    """Equal bit for bit, name for name."""
    assert set(ours) == set(theirs)
    for name in ours:
        assert ours[name].dtype == theirs[name].dtype
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def copied(values):
    return {name: np.copy(value) for name, value in values.items()}


# Forward: closed forms, slow loops, libraries


def test_sigma_has_the_values_that_paper_gives():
    z1 = np.array([[0, np.log(3), -np.log(3)]])
    np.testing.assert_allclose(steps.hidden_values(z1), [[1 / 2, 3 / 4, 1 / 4]], rtol=1e-15)


def test_softmax_has_the_values_that_paper_gives():
    z2 = np.array([[0, np.log(2), np.log(5)], [7, 7, 7]])
    np.testing.assert_allclose(
        steps.probabilities(z2), [[1 / 8, 2 / 8, 5 / 8], [1 / 3, 1 / 3, 1 / 3]], rtol=1e-15
    )


def test_a_network_of_one_unit_is_worked_out_by_hand():
    net = TwoLayerNN(1, 1, 2, dtype=np.float64)
    net.params = {
        "W1": np.array([[2.0]]), "b1": np.array([np.log(3) - 6]),
        "W2": np.array([[4 * np.log(2), 0.0]]), "b2": np.array([0.0, np.log(8)]),
    }  # fmt: skip
    X = np.array([[3.0]])  # z1 = log 3, h = 3/4, z2 = 3 log 2 and log 8: the classes tie
    y, ff_dict = net.forward(X)
    np.testing.assert_allclose(ff_dict["z1"], [[np.log(3)]], rtol=1e-15)
    np.testing.assert_allclose(ff_dict["h"], [[0.75]], rtol=1e-15)
    np.testing.assert_allclose(ff_dict["z2"], [[np.log(8), np.log(8)]], rtol=1e-15)
    np.testing.assert_allclose(y, [[0.5, 0.5]], rtol=1e-15)
    grads = net.backward(X, [0], ff_dict)
    dh = -0.5 * 4 * np.log(2)
    expected = {"dz2": [[-0.5, 0.5]], "dW2": [[-0.375, 0.375]], "db2": [-0.5, 0.5], "dh": [[dh]],
                "dz1": [[dh * 3 / 16]], "dW1": [[dh * 9 / 16]], "db1": [dh * 3 / 16]}  # fmt: skip
    assert set(grads) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(grads[name], value, rtol=1e-14, err_msg=name)


def test_forward_equals_a_slow_loop_over_every_number():
    net, X, _ = drawn()
    np.testing.assert_allclose(net.forward(X)[0], slow_forward(net.params, X), rtol=1e-13)


def test_sigma_takes_a_number_a_row_and_whole_numbers():
    for z1 in (0.3, np.float64(0.3), np.array(0.3), [[0.3, -0.3]], np.array([[0, 1, -2]])):
        np.testing.assert_allclose(steps.hidden_values(np.array(z1) if type(z1) is list else z1),
                                   scipy.special.expit(z1), rtol=1e-12)  # fmt: skip


def test_sigma_and_softmax_equal_scipy():
    z = np.random.default_rng(0).normal(scale=20, size=(5, 4))
    # ½ tanh + ½ loses relative accuracy near 0, never more than an ulp of 1.
    np.testing.assert_allclose(steps.hidden_values(z), scipy.special.expit(z), rtol=1e-15, atol=2e-16)
    np.testing.assert_allclose(steps.probabilities(z), scipy.special.softmax(z, axis=1), rtol=1e-13)


def test_loss_and_accuracy_have_the_values_that_paper_gives():
    net = TwoLayerNN(dtype=np.float64)
    Y_hat = [[0.5, 0.3, 0.2], [0.5, 0.25, 0.25], [0.0, 0.0, 1.0], [0.1, 0.7, 0.2]]
    loss = (np.log(2) + np.log(4) + 0 - np.log(0.7)) / 4
    np.testing.assert_allclose(net.compute_loss([0, 1, 2, 1], Y_hat), loss, rtol=1e-15)
    assert net.evaluate([0, 1, 2, 1], Y_hat) == 75.0


def test_loss_and_accuracy_equal_scikit_learn():
    net, X, Y = drawn(examples=40)
    y, _ = net.forward(X)
    labels = range(CLASSES)
    np.testing.assert_allclose(net.compute_loss(Y, y), log_loss(Y, y, labels=labels), rtol=1e-13)
    np.testing.assert_allclose(net.evaluate(Y, y), 100 * accuracy_score(Y, y.argmax(1)), rtol=1e-13)


def test_the_loss_of_shared_labels_is_their_cross_entropy():
    net, X, _ = drawn()
    y, _ = net.forward(X)
    Y = np.random.default_rng(1).dirichlet(np.ones(CLASSES), EXAMPLES)
    expected = torch.nn.functional.cross_entropy(torch.tensor(np.log(y)), torch.tensor(Y)).item()
    np.testing.assert_allclose(net.compute_loss(Y, y), expected, rtol=1e-13)


# Gradients


@settings(deadline=None, derandomize=True)
@given(
    examples=st.integers(1, 6),
    features=st.integers(1, 5),
    hiddens=st.integers(1, 5),
    classes=st.integers(2, 5),
    seed=st.integers(0, 10_000),
)
def test_gradients_equal_central_differences_whatever_the_sizes(examples, features, hiddens, classes, seed):
    net, X, Y = drawn(examples, features, hiddens, classes, seed)
    grads = gradients_of(net, X, Y)
    for name in PARAMS:
        assert grads[f"d{name}"].shape == net.params[name].shape
        assert_norm_ratio(grads[f"d{name}"], differences(net, X, Y, name), 1e-7, name)


def test_gradients_equal_autograd():
    net, X, Y = drawn()
    grads = gradients_of(net, X, Y)
    loss, expected = autograd(net.params, X, Y)
    np.testing.assert_allclose(loss_of(net, X, Y), loss, rtol=1e-13)
    for name, gradient in expected.items():
        assert_norm_ratio(grads[name], gradient, 1e-12, name)


def test_the_errors_on_the_way_equal_autograd():
    net, X, Y = drawn()
    grads, (_, ff_dict) = gradients_of(net, X, Y), net.forward(X)
    W2, b2 = torch.tensor(net.params["W2"]), torch.tensor(net.params["b2"])
    z1 = torch.tensor(ff_dict["z1"], requires_grad=True)
    h = torch.sigmoid(z1)
    z2 = h @ W2 + b2
    loss = torch.nn.functional.cross_entropy(z2, torch.tensor(Y))
    for name, gradient in zip(("dz2", "dh", "dz1"), torch.autograd.grad(loss, (z2, h, z1)), strict=True):
        assert_norm_ratio(grads[name], gradient.numpy(), 1e-12, name)


def test_one_class_leaves_nothing_to_learn():
    net, X, Y = drawn(classes=1)
    y, _ = net.forward(X)
    np.testing.assert_array_equal(y, np.ones((EXAMPLES, 1)))
    assert net.compute_loss(Y, y) == 0
    assert net.evaluate(Y, y) == 100
    for name, gradient in gradients_of(net, X, Y).items():
        np.testing.assert_array_equal(gradient, np.zeros_like(gradient), err_msg=name)


@FLOATS
@pytest.mark.parametrize("height", [1e4, -1e4])
def test_saturated_units_pass_no_error_back_and_still_feed_the_output(height, dtype):
    net, X, Y = drawn(dtype=dtype)
    net.params["W1"][:], net.params["b1"][:] = 0, height
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        grads = gradients_of(net, X, Y)
    for name in ("dz1", "dW1", "db1"):
        np.testing.assert_array_equal(grads[name], np.zeros_like(grads[name]), err_msg=name)
    _, expected = autograd(net.params, X, Y)
    np.testing.assert_allclose(grads["dW2"], expected["dW2"], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(grads["db2"], expected["db2"], rtol=1e-5, atol=1e-7)


def test_saturated_and_awake_units_together_equal_central_differences():
    net, X, Y = drawn()
    net.params["b1"][0] = 1e4
    grads = gradients_of(net, X, Y)
    for name in PARAMS:
        assert_norm_ratio(grads[f"d{name}"], differences(net, X, Y, name), 1e-7, name)


@FLOATS
def test_sigma_and_softmax_stay_finite_far_out_and_raise_no_flag(dtype):
    z = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4], [1e4, 1e4, 1e4 - 1]], dtype)
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        h, y = steps.hidden_values(z), steps.probabilities(z)
    np.testing.assert_array_equal(h[0], np.array([1, 0, 0.5], dtype))
    np.testing.assert_array_equal(y[0], np.array([1, 0, 0], dtype))
    np.testing.assert_allclose(y[1], [1 / 3] * 3, rtol=1e-6)
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=1e-6)


def with_a_lost_example(dtype):
    """The first example's right class gets a probability of about 1e-20."""
    net, X, Y = drawn(dtype=dtype)
    Y = np.zeros_like(Y)
    net.params["b2"][:] = -np.log(1e20), 0, 0
    net.params["W2"][0] = 0  # the scores move a little with the second unit only
    return net, X, Y


def test_the_loss_of_a_lost_example_still_has_the_gradient_that_backward_gives():
    net, X, Y = with_a_lost_example(np.float64)
    assert 1e-22 < net.forward(X)[0][0, 0] < 1e-18
    grads = gradients_of(net, X, Y)
    for name in PARAMS:
        assert np.linalg.norm(grads[f"d{name}"]) > 1e-3
        assert_norm_ratio(grads[f"d{name}"], differences(net, X, Y, name), 1e-7, name)


def test_a_lost_example_is_as_surprising_in_float32():
    net, X, Y = with_a_lost_example(np.float32)
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        loss, grads = loss_of(net, X, Y), gradients_of(net, X, Y)
    expected_loss, expected = autograd(net.params, X, Y)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-5)
    for name, gradient in expected.items():
        assert_norm_ratio(grads[name], gradient, 1e-5, name)


@FLOATS
def test_a_right_class_of_probability_zero_costs_much_but_not_everything(dtype):
    net, X, Y = drawn(dtype=dtype)
    net.params["b2"][:] = -1e4, 0, 0
    Y = np.zeros_like(Y)
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        y, ff_dict = net.forward(X)
        loss, grads = net.compute_loss(Y, y), net.backward(X, Y, ff_dict)
    assert y[0, 0] == 0
    np.testing.assert_allclose(loss, -np.log(np.finfo(dtype).tiny), rtol=1e-6)
    np.testing.assert_allclose(grads["db2"][0], -1, rtol=1e-6)
    for name, gradient in grads.items():
        assert np.isfinite(gradient).all(), name


# Laws


def test_permuting_the_examples_permutes_the_outputs_and_keeps_the_gradients():
    net, X, Y = drawn()
    order = np.array([3, 0, 4, 2, 1])
    np.testing.assert_allclose(net.forward(X[order])[0], net.forward(X)[0][order], rtol=1e-13)
    here, there = gradients_of(net, X, Y), gradients_of(net, X[order], Y[order])
    for name in PARAMS:
        np.testing.assert_allclose(here[f"d{name}"], there[f"d{name}"], rtol=1e-11, atol=1e-15)


def test_adding_a_number_to_every_score_of_an_example_changes_nothing():
    z2 = np.random.default_rng(0).normal(size=(5, 3))
    shift = np.array([[1.0], [-7.0], [1000.0], [0.25], [-1e4]])
    np.testing.assert_allclose(steps.probabilities(z2 + shift), steps.probabilities(z2), rtol=1e-11)


def test_probabilities_are_positive_and_sum_to_one():
    net, X, _ = drawn()
    y, _ = net.forward(X)
    assert (y > 0).all()
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=1e-15)


def test_every_example_twice_has_the_same_loss_and_gradients():
    net, X, Y = drawn()
    here, there = gradients_of(net, X, Y), gradients_of(net, np.tile(X, (2, 1)), np.tile(Y, 2))
    for name in PARAMS:
        np.testing.assert_allclose(here[f"d{name}"], there[f"d{name}"], rtol=1e-11, atol=1e-15)


# One definition: the class runs the steps


@FLOATS
def test_the_values_of_the_class_equal_the_steps_one_by_one_bit_for_bit(dtype):
    net, X, labels = drawn(dtype=dtype)
    y, ff_dict = net.forward(X)
    grads = net.backward(X, labels, ff_dict)
    W1, b1, W2, b2 = (net.params[name] for name in PARAMS)
    Y = one_hot(labels).astype(dtype)
    z1 = steps.hidden_sum(X, W1, b1)
    h = steps.hidden_values(z1)
    z2 = steps.output_sum(h, W2, b2)
    assert_same(ff_dict, {"X": X, "z1": z1, "h": h, "z2": z2, "y": steps.probabilities(z2)})
    np.testing.assert_array_equal(y, ff_dict["y"])
    assert net.compute_loss(labels, y) == steps.cross_entropy(y, Y)
    assert net.evaluate(labels, y) == steps.accuracy(y, Y)
    dz2 = steps.output_error(y, Y)
    dh = steps.hidden_values_error(dz2, W2)
    dz1 = steps.hidden_error(dh, h)
    made = {
        "dW1": steps.hidden_weight_gradient(X, dz1), "db1": steps.hidden_bias_gradient(dz1),
        "dW2": steps.output_weight_gradient(h, dz2), "db2": steps.output_bias_gradient(dz2),
        "dz2": dz2, "dh": dh, "dz1": dz1,
    }  # fmt: skip
    assert_same(grads, made)
    expected = {name: steps.updated(net.params[name], grads[f"d{name}"], 0.5) for name in PARAMS}
    net.train_step(X, labels, 0.5)
    assert_same(net.params, expected)


def test_the_values_have_the_shapes_that_their_axes_say():
    net, X, Y = drawn()
    grads, ff_dict = gradients_of(net, X, Y), net.forward(X)[1]
    assert {name: value.shape for name, value in (net.params | ff_dict | grads).items()} == {
        "W1": (4, 2), "b1": (2,), "W2": (2, 3), "b2": (3,),
        "X": (5, 4), "z1": (5, 2), "h": (5, 2), "z2": (5, 3), "y": (5, 3),
        "dW1": (4, 2), "db1": (2,), "dW2": (2, 3), "db2": (3,),
        "dz2": (5, 3), "dh": (5, 2), "dz1": (5, 2),
    }  # fmt: skip


def test_what_forward_kept_is_untouched_by_a_second_forward_and_by_updates():
    net, X, Y = drawn()
    y, kept = net.forward(X)
    before = copied(kept)
    net.forward(X + 1)
    net.train_step(X, Y, 0.5)
    for value in net.params.values():
        value += 1
    assert_same(kept, before)
    np.testing.assert_array_equal(y, before["y"])


def test_what_forward_kept_shares_no_memory_with_the_parameters_or_with_a_second_forward():
    net, X, _ = drawn()
    (_, first), (_, second) = net.forward(X), net.forward(X)
    for name, value in first.items():
        for param in net.params.values():
            assert not np.shares_memory(value, param), name
        if name != "X":
            assert not np.shares_memory(value, second[name]), name


def test_training_changes_neither_the_examples_nor_the_labels():
    net, X, Y = drawn()
    Y = one_hot(Y)
    before = X.copy(), Y.copy()
    net.train(X, Y, X, Y, lr=0.5, n_epochs=2, batch_size=2, log_interval=0)
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(Y, before[1])


# Parameters at the start


def test_the_weights_start_normal_with_the_spread_of_glorot_and_bengio():
    params = TwoLayerNN(400, 300, 100, seed=0, dtype=np.float64).params
    for name, spread in (("W1", (2 / 700) ** 0.5), ("W2", (2 / 400) ** 0.5)):
        scaled = params[name].ravel() / spread
        # Five standard errors of each estimate.
        np.testing.assert_allclose(scaled.mean(), 0, atol=5 / scaled.size**0.5)
        np.testing.assert_allclose(scaled.std(), 1, atol=5 / (2 * scaled.size) ** 0.5)
        within = scipy.special.erf(0.5**0.5)
        error = (within * (1 - within) / scaled.size) ** 0.5
        np.testing.assert_allclose((abs(scaled) < 1).mean(), within, atol=5 * error)
        assert abs(scaled).max() > 3.5, "a normal distribution has tails"
    assert abs(np.corrcoef(params["W1"].ravel()[: 300 * 100], params["W2"].ravel())[0, 1]) < 0.03


def test_the_biases_start_at_zero():
    params = TwoLayerNN(4, 2, 3, seed=0).params
    np.testing.assert_array_equal(params["b1"], np.zeros(2, np.float32))
    np.testing.assert_array_equal(params["b2"], np.zeros(3, np.float32))


def test_the_same_seed_gives_the_same_parameters_and_another_seed_others():
    first, again, other = (TwoLayerNN(4, 2, 3, seed=seed).params for seed in (7, 7, 8))
    assert_same(first, again)
    for name in ("W1", "W2"):
        assert (first[name] != other[name]).all()


def test_without_a_seed_every_network_starts_differently():
    first, other = (TwoLayerNN(4, 2, 3).params for _ in range(2))
    assert (first["W1"] != other["W1"]).all()


def test_initializing_twice_gives_the_same_parameters_in_arrays_of_their_own():
    net = TwoLayerNN(4, 2, 3, seed=7)
    first, second = (net.initialize_parameters(4, 2, 3) for _ in range(2))
    assert_same(first, second)
    assert_same(first, net.params)
    net.train_step(np.eye(4), [0, 1, 2, 1], 0.5)
    assert_same(net.initialize_parameters(4, 2, 3), first)
    for name in PARAMS:
        assert not np.shares_memory(first[name], second[name])
        assert not np.shares_memory(first[name], net.params[name])


def test_the_defaults_are_those_of_mnist():
    shapes = {name: value.shape for name, value in TwoLayerNN().params.items()}
    assert shapes == {"W1": (784, 256), "b1": (256,), "W2": (256, 10), "b2": (10,)}
    assert TwoLayerNN().params["W1"].dtype == np.float32


# Labels


def test_one_hot_rows_and_class_indices_agree_everywhere():
    (net, X, Y), (other, _, _) = drawn(), drawn()
    table = one_hot(Y)
    y, ff_dict = net.forward(X)
    assert net.compute_loss(Y, y) == net.compute_loss(table, y)
    assert net.evaluate(Y, y) == net.evaluate(table, y)
    assert_same(net.backward(X, Y, ff_dict), net.backward(X, table, ff_dict))
    assert net.train_step(X, Y, 0.5) == other.train_step(X, table, 0.5)
    assert_same(net.params, other.params)
    training = dict(lr=0.5, n_epochs=3, batch_size=2, log_interval=0)
    assert net.train(X, Y, X, table, **training) == other.train(X, table, X, Y, **training)
    assert_same(net.params, other.params)


@pytest.mark.parametrize("kind", [list, np.float64, np.uint8, np.int64])
def test_class_indices_may_be_of_any_kind_of_number(kind):
    net, X, Y = drawn()
    y, _ = net.forward(X)
    labels = Y.tolist() if kind is list else Y.astype(kind)
    assert net.compute_loss(labels, y) == slow_loss(Y, y)


# Kinds of numbers


@FLOATS
@pytest.mark.parametrize("given", [np.float32, np.float64, np.int64, np.uint8])
def test_every_value_gradient_and_parameter_keeps_the_dtype_of_the_network(dtype, given):
    net = TwoLayerNN(FEATURES, HIDDENS, CLASSES, seed=0, dtype=dtype)
    X, Y = np.arange(20).reshape(5, 4).astype(given), [0, 1, 2, 1, 0]

    def check():
        y, ff_dict = net.forward(X)
        for table in (
            net.params,
            ff_dict,
            gradients_of(net, X, Y),
            gradients_of(net, X, one_hot(Y)),
        ):
            for name, value in table.items():
                assert value.dtype == dtype, name
        assert y.dtype == net.compute_loss(Y, y).dtype == net.compute_loss(one_hot(Y), y).dtype == dtype

    check()
    assert net.train_step(X, Y, lr=0.5).dtype == dtype
    check()
    net.train(X, one_hot(Y), X, Y, lr=0.5, n_epochs=2, batch_size=2, log_interval=0)
    check()


def test_a_learning_rate_of_higher_precision_does_not_widen_the_parameters():
    net, X, Y = drawn(dtype=np.float32)
    net.train_step(X, Y, lr=np.float64(0.5))
    net.train(X, Y, None, None, lr=np.array(0.5), n_epochs=1, batch_size=2, log_interval=0)
    assert {value.dtype for value in net.params.values()} == {np.dtype(np.float32)}


# Training


def batches_of(net, monkeypatch):
    """What update gets and returns from here on: (X, Y, lr, y) of every batch."""
    seen, update = [], net.update

    def spy(X, Y, lr):
        y = update(X, Y, lr)
        seen.append((X.copy(), Y.copy(), lr, y.copy()))
        return y

    monkeypatch.setattr(net, "update", spy)
    return seen


def test_a_training_step_is_one_step_against_the_gradient_and_returns_the_loss_before_it():
    net, X, Y = drawn()
    before = copied(net.params)
    loss = net.train_step(X, Y, lr=0.3)
    expected_loss, grads = autograd(before, X, Y)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-13)
    for name in PARAMS:
        np.testing.assert_allclose(net.params[name], before[name] - 0.3 * grads[f"d{name}"], rtol=1e-12)


def test_a_step_leaves_the_parameters_that_it_started_from_as_they_were():
    net, X, Y = drawn()
    held = net.params
    before = copied(held)
    net.train_step(X, Y, lr=0.3)
    assert_same(held, before)


def large(dtype):
    """A network whose products BLAS adds in place."""
    return drawn(examples=30, features=200, hiddens=180, classes=3, dtype=dtype)


@FLOATS
@pytest.mark.parametrize("make", [lambda dtype: drawn(dtype=dtype), large])
def test_the_quick_update_has_the_values_and_gradients_of_the_steps(make, dtype):
    net, X, Y = make(dtype)
    expected, grads = net.forward(X)[0], gradients_of(net, X, Y)
    before = copied(net.params)
    y = net.update(X, Y, lr=0.3)
    np.testing.assert_array_equal(y, expected)
    for name in PARAMS:
        stepped = steps.updated(before[name], grads[f"d{name}"], 0.3)
        rounding = 4 * np.finfo(dtype).eps * abs(stepped).max()
        np.testing.assert_allclose(net.params[name], stepped, rtol=0, atol=rounding, err_msg=name)
        assert abs(stepped - before[name]).max() > 100 * rounding, "the step must be seen"


@FLOATS
def test_small_networks_are_updated_quickly_to_the_very_same_bits(dtype):
    (net, X, Y), (other, _, _) = drawn(dtype=dtype), drawn(dtype=dtype)
    for lr in (0.3, np.float64(0.1), np.float32(0.2)):
        net.update(X, one_hot(Y).astype(dtype), lr)
        other.train_step(X, Y, lr)
    assert_same(net.params, other.params)


@pytest.mark.parametrize("given", [np.float64, int, bool, list])
def test_one_hot_rows_of_any_kind_update_alike(given):
    (net, X, Y), (other, _, _) = drawn(dtype=np.float32), drawn(dtype=np.float32)
    rows = one_hot(Y).tolist() if given is list else one_hot(Y).astype(given)
    net.update(X, rows, 0.3)
    other.update(X, one_hot(Y).astype(np.float32), 0.3)
    assert_same(net.params, other.params)


def peak_of(work):
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(_gemm("f") is None, reason="this NumPy's BLAS is not found")
def test_training_needs_the_parameters_and_one_batch_besides_the_data():
    net = TwoLayerNN(784, 256, 10, seed=0)
    generator = np.random.default_rng(0)
    X, Y = (
        generator.random((1500, 784), np.float32),
        one_hot(generator.integers(10, size=1500), 10).astype(np.float32),
    )
    training = dict(lr=0.1, n_epochs=1, batch_size=50, log_interval=0)
    net.train(X, Y, X[:1], Y[:1], **training)
    peak = peak_of(lambda: net.train(X, Y, X[:1], Y[:1], **training))
    parameters = sum(value.nbytes for value in net.params.values())
    batch = 50 * 4 * (784 + 5 * 256 + 5 * 10) + steps.SCORED_AT_ONCE * 4 * 6 * 10
    # X stays where it is (4.7 MB); of the weights there is one copy, and no gradient.
    assert peak < 1.05 * (parameters + batch) < X.nbytes / 3


def test_training_changes_no_array_that_somebody_holds():
    net, X, Y = drawn()
    held = dict(net.params)
    before = copied(held)
    net.train(X, Y, None, None, lr=0.5, n_epochs=2, batch_size=2, log_interval=0)
    assert_same(held, before)
    assert (net.params["W1"] != before["W1"]).all()


def test_parameters_given_as_they_come_are_trained():
    net, X, Y = drawn(dtype=np.float32)
    other, _, _ = drawn(dtype=np.float32)
    whole = {name: np.rint(value * 3) for name, value in net.params.items()}
    net.params = {name: np.asfortranarray(value.astype(int)) for name, value in whole.items()}
    net.params["b1"].flags.writeable = False
    other.params = {name: value.astype(np.float32) for name, value in whole.items()}
    for each in (net, other):
        each.train(X, Y, None, None, lr=0.5, n_epochs=2, batch_size=2, log_interval=0)
    assert_same(net.params, other.params)


def numbered(examples=7):
    """Examples that can be told apart: the first column numbers them, the labels follow from it."""
    X = np.random.default_rng(0).normal(size=(examples, FEATURES))
    X[:, 0] = np.arange(examples)
    return X, np.arange(examples) % CLASSES


def epochs_seen(monkeypatch, seed, **others):
    X, Y = numbered()
    net = TwoLayerNN(FEATURES, HIDDENS, CLASSES, seed=seed, dtype=np.float64)
    seen = batches_of(net, monkeypatch)
    training = dict(lr=0.1, n_epochs=4, batch_size=3, log_interval=0) | others
    net.train(X, Y, None, None, **training)
    for rows, labels, lr, _ in seen:
        np.testing.assert_array_equal(labels.argmax(axis=1), rows[:, 0] % CLASSES)
        np.testing.assert_array_equal(rows, X[rows[:, 0].astype(int)])
        assert lr == 0.1
    sizes = [len(rows) for rows, *_ in seen]
    return sizes, np.concatenate([rows[:, 0] for rows, *_ in seen]).reshape(4, 7).astype(int)


def test_every_example_is_seen_once_an_epoch_and_the_last_batch_is_not_dropped(monkeypatch):
    sizes, epochs = epochs_seen(monkeypatch, seed=0)
    assert sizes == [3, 3, 1] * 4
    for order in epochs:
        np.testing.assert_array_equal(np.sort(order), np.arange(7))


def test_every_epoch_has_an_order_of_its_own(monkeypatch):
    _, epochs = epochs_seen(monkeypatch, seed=0)
    orders = {tuple(order) for order in epochs}
    assert len(orders) == 4
    assert tuple(range(7)) not in orders
    # What drew the weights does not draw the orders too.
    assert tuple(np.random.default_rng(0).permutation(7)) not in orders


def test_the_orders_repeat_from_the_seed_and_differ_without(monkeypatch):
    (_, first), (_, again), (_, other), (_, none) = (
        epochs_seen(monkeypatch, seed=seed) for seed in (5, 5, 6, None)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (first != none).any()


def test_a_batch_larger_than_the_examples_takes_them_all(monkeypatch):
    sizes, _ = epochs_seen(monkeypatch, seed=0, batch_size=100)
    assert sizes == [7] * 4


def test_training_equals_a_loop_written_by_hand(monkeypatch):
    """Losses, accuracies and parameters, from PyTorch's gradients and sums over examples."""
    X, Y = numbered()
    X_val, Y_val = np.random.default_rng(1).normal(size=(4, FEATURES)), np.array([2, 0, 1, 1])
    net = TwoLayerNN(FEATURES, HIDDENS, CLASSES, seed=3, dtype=np.float64)
    params, seen = copied(net.params), batches_of(net, monkeypatch)
    history = net.train(X, Y, X_val, Y_val, lr=0.5, n_epochs=4, batch_size=3, log_interval=0)
    expected = {name: [] for name in history}
    for epoch in range(4):
        losses, hits = [], []
        for rows, *_ in seen[3 * epoch : 3 * epoch + 3]:
            labels = rows[:, 0].astype(int) % CLASSES
            y = slow_forward(params, rows)
            losses += [-np.log(y[n, label]) for n, label in enumerate(labels)]
            hits += [y[n].argmax() == label for n, label in enumerate(labels)]
            _, grads = autograd(params, rows, labels)
            params = {name: params[name] - 0.5 * grads[f"d{name}"] for name in PARAMS}
        y = slow_forward(params, X_val)
        expected["train_loss"].append(sum(losses) / 7)
        expected["train_accuracy"].append(100 * sum(hits) / 7)
        expected["validation_loss"].append(slow_loss(Y_val, y))
        expected["validation_accuracy"].append(slow_accuracy(Y_val, y))
    assert list(history) == [
        "train_loss",
        "train_accuracy",
        "validation_loss",
        "validation_accuracy",
    ]
    for name, numbers in expected.items():
        assert all(type(number) is float for number in history[name])
        np.testing.assert_allclose(history[name], numbers, rtol=1e-11, err_msg=name)
    for name in PARAMS:
        np.testing.assert_allclose(net.params[name], params[name], rtol=1e-11, atol=1e-14)


@FLOATS
@pytest.mark.parametrize("at_once", [1, 6, 1024])
def test_the_training_history_is_the_running_mean_of_what_the_updates_returned(monkeypatch, dtype, at_once):
    monkeypatch.setattr(steps, "SCORED_AT_ONCE", at_once)
    X, Y = numbered(8)
    net = TwoLayerNN(FEATURES, HIDDENS, CLASSES, seed=0, dtype=dtype)
    seen = batches_of(net, monkeypatch)
    history = net.train(X, Y, None, None, lr=0.5, n_epochs=3, batch_size=3, log_interval=0)
    for epoch in range(3):
        batches = seen[3 * epoch : 3 * epoch + 3]
        y = np.concatenate([y for *_, y in batches]).astype(np.float64)
        labels = np.concatenate([labels.argmax(axis=1) for _, labels, _, _ in batches])
        np.testing.assert_allclose(history["train_loss"][epoch], slow_loss(labels, y), rtol=1e-6)
        np.testing.assert_allclose(history["train_accuracy"][epoch], slow_accuracy(labels, y))


def test_training_follows_scikit_learn_step_by_step():
    X = np.random.default_rng(0).normal(size=(20, FEATURES))
    Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)
    theirs = MLPClassifier(
        (HIDDENS,), activation="logistic", solver="sgd", alpha=0, batch_size=20,
        learning_rate_init=0.7, shuffle=False, momentum=0, nesterovs_momentum=False, random_state=0,
    )  # fmt: skip
    theirs.partial_fit(X, Y, classes=range(CLASSES))
    net = TwoLayerNN(FEATURES, HIDDENS, CLASSES, dtype=np.float64)
    net.params = {
        "W1": theirs.coefs_[0].copy(), "b1": theirs.intercepts_[0].copy(),
        "W2": theirs.coefs_[1].copy(), "b2": theirs.intercepts_[1].copy(),
    }  # fmt: skip
    start = copied(net.params)
    for _ in range(50):
        loss = net.train_step(X, Y, lr=0.7)
        theirs.partial_fit(X, Y)
        np.testing.assert_allclose(loss, theirs.loss_, rtol=1e-9)
    for name, value in zip(("W1", "W2", "b1", "b2"), theirs.coefs_ + theirs.intercepts_, strict=True):
        np.testing.assert_allclose(net.params[name], value, rtol=1e-6, atol=1e-6, err_msg=name)
        assert abs(value - start[name]).max() > 0.01, "the steps must lead somewhere"
    np.testing.assert_allclose(net.forward(X)[0], theirs.predict_proba(X), rtol=1e-6)


def test_training_learns_what_no_line_can_part():
    X, Y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
    net = TwoLayerNN(2, 8, 2, seed=0)
    history = net.train(X, Y, X, Y, lr=2, n_epochs=1000, batch_size=4, log_interval=0)
    assert history["validation_accuracy"][-1] == 100
    assert history["train_loss"][-1] < 0.05 < history["train_loss"][0]


NUMBER = r"\d+(\.\d+)?(e[+-]\d+)?"


@pytest.mark.parametrize(("interval", "epochs"), [(1, [1, 2, 3, 4, 5]), (2, [2, 4]), (7, [])])
def test_a_line_is_printed_every_log_interval(interval, epochs, capsys):
    net, X, Y = drawn()
    history = net.train(X, Y, X, Y, lr=0.5, n_epochs=5, batch_size=2, log_interval=interval)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(epochs)
    for epoch, line in zip(epochs, lines, strict=True):
        printed = {
            name: f"{name.replace('_', ' ')} {numbers[epoch - 1]:.4g}" for name, numbers in history.items()
        }
        assert line == f"epoch {epoch}: {', '.join(printed.values())}"


def test_an_interval_of_zero_prints_nothing_and_the_default_is_every_epoch(capsys):
    net, X, Y = drawn()
    net.train(X, Y, X, Y, 0.5, 3, 2, 0)
    assert capsys.readouterr().out == ""
    net.train(X, Y, X, Y, 0.5, 3, 2)
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.parametrize("nothing", [None, np.zeros((0, FEATURES))])
def test_without_validation_examples_nothing_is_validated(nothing, capsys):
    net, X, Y = drawn()
    Y_val = None if nothing is None else []
    history = net.train(X, Y, nothing, Y_val, lr=0.5, n_epochs=2, batch_size=2)
    assert [len(numbers) for numbers in history.values()] == [2, 2, 0, 0]
    for line in capsys.readouterr().out.splitlines():
        assert re.fullmatch(rf"epoch \d: train loss {NUMBER}, train accuracy {NUMBER}", line)


def test_validating_does_not_change_the_training():
    (net, X, Y), (other, _, _) = drawn(), drawn()
    training = dict(lr=0.5, n_epochs=3, batch_size=2, log_interval=0)
    first = net.train(X, Y, X, Y, **training)
    second = other.train(X, Y, None, None, **training)
    assert_same(net.params, other.params)
    assert first["train_loss"] == second["train_loss"]


# Errors


def refused(error, message, function, *arguments, **named):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        function(*arguments, **named)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((0, 2, 3), "input_dim=0 must be a whole number of at least 1."),
        ((4, -2, 3), "num_hiddens=-2 must be a whole number of at least 1."),
        ((4, "2", 3), "num_hiddens='2' must be a whole number of at least 1."),
        ((4, 2, 2.5), "num_classes=2.5 must be a whole number of at least 1."),
    ],
)
def test_a_size_below_one_or_with_a_fraction_is_refused(sizes, message):
    refused(ValueError, message, TwoLayerNN, *sizes)
    refused(ValueError, message, TwoLayerNN(4, 2, 3).initialize_parameters, *sizes)


@pytest.mark.parametrize("dtype", ["float16", "int64"])
def test_a_dtype_other_than_float32_and_float64_is_refused(dtype):
    message = f"dtype must be float32 or float64; got {dtype}."
    refused(ValueError, message, TwoLayerNN, dtype=dtype)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones(4), "X must be (examples, 4) because W1 is (4, 2); got (4,). "
                     "For one example, pass X[np.newaxis]."),
        (np.ones(3), "X must be (examples, 4) because W1 is (4, 2); got (3,)."),
        (np.ones((5, 3)), "X must be (examples, 4) because W1 is (4, 2); got (5, 3)."),
        (np.ones((5, 2, 2)), "X must be (examples, 4) because W1 is (4, 2); got (5, 2, 2)."),
    ],
)  # fmt: skip
def test_examples_of_the_wrong_shape_are_refused_everywhere(X, message):
    net, good, Y = drawn()
    refused(ValueError, message, net.forward, X)
    refused(ValueError, message, net.backward, X, Y, net.forward(good)[1])
    refused(ValueError, message, net.train_step, X, Y, 0.5)
    refused(ValueError, message, net.train, X, Y, None, None, 0.5, 1, 2)
    refused(ValueError, message, net.train, good, Y, X, Y, 0.5, 1, 2)


def test_examples_that_are_no_numbers_are_refused():
    net, _, _ = drawn()
    words = np.array([["a", "b", "c", "d"]])
    refused(TypeError, "X must hold numbers; got <U1. Convert it with X.astype(float64).",
            net.forward, words)  # fmt: skip
    refused(TypeError, "X must hold numbers; got object. Convert it with X.astype(float64).",
            net.forward, words.astype(object))  # fmt: skip


def test_values_kept_from_other_examples_are_refused():
    net, X, Y = drawn()
    refused(ValueError, "X has 5 examples, but ff_dict comes from 3; pass the ff_dict that "
            "forward(X) returned.", net.backward, X, Y, net.forward(X[:3])[1])  # fmt: skip


INDICES = "Y as class indices must be whole numbers from 0 to 2; got "
ONE_HOT = ("Y as one-hot rows must each sum to 1, with nothing below 0; "
           "for class indices, pass (examples,).")  # fmt: skip
SHAPE = "Y must be (5,) class indices or (5, 3) one-hot, a row for each of at least one example; got "


@pytest.mark.parametrize(
    ("error", "Y", "message"),
    [
        (ValueError, [0, 1, 2, 1], SHAPE + "(4,)."),
        (ValueError, np.ones((5, 2)), SHAPE + "(5, 2)."),
        (ValueError, np.ones((5, 1)), SHAPE + "(5, 1)."),
        (ValueError, 1, SHAPE + "()."),
        (TypeError, list("abcab"), "Y must hold numbers; got <U1. Number the labels from 0, "
                                   "as np.unique(Y, return_inverse=True)[1] does."),
        (ValueError, np.ones((5, 3)), ONE_HOT),
        (ValueError, [[1.5, -0.5, 0], *np.eye(3)[[0, 1, 2, 1]]], ONE_HOT),
        (ValueError, [0, 1, 2, 3, 0], INDICES + "0 to 3."),
        (ValueError, [0, 1, 2, -1, 0], INDICES + "-1 to 2."),
        (ValueError, [0, 1, 1.5, 1, 0], INDICES + "0.0 to 1.5."),
    ],
)  # fmt: skip
def test_labels_that_do_not_fit_are_refused_everywhere(error, Y, message):
    net, X, good = drawn()
    y, ff_dict = net.forward(X)
    refused(error, message, net.backward, X, Y, ff_dict)
    refused(error, message, net.compute_loss, Y, y)
    refused(error, message, net.evaluate, Y, y)
    refused(error, message, net.train_step, X, Y, 0.5)
    refused(error, message, net.train, X, Y, None, None, 0.5, 1, 2)
    refused(error, message, net.train, X, good, X, Y, 0.5, 1, 2)


def test_a_refused_step_leaves_the_parameters_as_they_were():
    net, X, _ = drawn()
    before = copied(net.params)
    with pytest.raises(ValueError, match=r"^Y must be"):
        net.train_step(X, [0, 1], 0.5)
    assert_same(net.params, before)


@pytest.mark.parametrize("lr", [0, -0.5, np.nan, np.inf])
def test_a_learning_rate_that_is_not_above_zero_or_not_finite_is_refused_by_a_step(lr):
    net, X, Y = drawn()
    before = copied(net.params)
    message = f"lr={lr} must be above 0 and finite: a step goes against the gradient."
    refused(ValueError, message, net.train_step, X, Y, lr)
    refused(ValueError, message, net.update, X, Y, lr)
    assert_same(net.params, before)


def test_no_examples_at_all_are_refused_where_a_mean_is_taken():
    net, X, _ = drawn()
    message = ("Y must be (0,) class indices or (0, 3) one-hot, a row for each of at least one "
               "example; got (0,).")  # fmt: skip
    refused(ValueError, message, net.train, X[:0], [], None, None, 0.5, 1, 2)
    refused(ValueError, message, net.compute_loss, [], np.zeros((0, 3)))
    refused(ValueError, message.replace("got (0,)", "got (0, 3)"), net.update, X[:0], np.zeros((0, 3)), 0.5)
    assert net.forward(X[:0])[0].shape == (0, 3)


def test_probabilities_without_a_row_for_each_example_are_refused():
    net = TwoLayerNN(4, 2, 3)
    message = "Y_hat must be (examples, classes), the y of forward; got (3,)."
    refused(ValueError, message, net.compute_loss, [0], [0.2, 0.3, 0.5])
    refused(ValueError, message, net.evaluate, [0], [0.2, 0.3, 0.5])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"lr": 0}, "lr=0 must be above 0 and finite: a step goes against the gradient."),
        ({"lr": -0.5}, "lr=-0.5 must be above 0 and finite: a step goes against the gradient."),
        ({"n_epochs": 0}, "n_epochs=0 and batch_size=2 must be at least 1, "
                          "log_interval=1 at least 0."),
        ({"batch_size": 0}, "n_epochs=1 and batch_size=0 must be at least 1, "
                            "log_interval=1 at least 0."),
        ({"log_interval": -1}, "n_epochs=1 and batch_size=2 must be at least 1, "
                               "log_interval=-1 at least 0."),
    ],
)  # fmt: skip
def test_settings_that_train_nothing_are_refused(changed, message):
    net, X, Y = drawn()
    training = dict(lr=0.5, n_epochs=1, batch_size=2, log_interval=1) | changed
    refused(ValueError, message, net.train, X, Y, None, None, **training)


# Speed, only where it is stable


def inline(net, X, Y):
    """Forward and backward written out, no function for a step."""
    W1, b1, W2, b2 = (net.params[name] for name in PARAMS)
    half = np.array(0.5, X.dtype)
    h = half * (X @ W1 + b1)
    np.tanh(h, out=h)
    h *= half
    h += half
    z2 = h @ W2 + b2
    powers = np.exp(z2 - z2.max(axis=1, keepdims=True))
    y = powers / powers.sum(axis=1, keepdims=True)
    dz2 = (y - Y) / len(y)
    dz1 = dz2 @ W2.T * h * (1 - h)
    return y, X.T @ dz1, dz1.sum(axis=0), h.T @ dz2, dz2.sum(axis=0)


def named(net, X, Y):
    W1, b1, W2, b2 = (net.params[name] for name in PARAMS)
    h = steps.hidden_values(steps.hidden_sum(X, W1, b1))
    y = steps.probabilities(steps.output_sum(h, W2, b2))
    dz2 = steps.output_error(y, Y)
    dz1 = steps.hidden_error(steps.hidden_values_error(dz2, W2), h)
    return (y, steps.hidden_weight_gradient(X, dz1), steps.hidden_bias_gradient(dz1),
            steps.output_weight_gradient(h, dz2), steps.output_bias_gradient(dz2))  # fmt: skip


def test_named_steps_take_no_longer_than_the_same_lines_written_out():
    net, X, Y = drawn(examples=64, features=100, hiddens=32, classes=10, dtype=np.float32)
    Y = one_hot(Y, 10).astype(np.float32)
    for ours, theirs in zip(named(net, X, Y), inline(net, X, Y), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for _ in range(5):  # A busy machine may spoil one comparison, and hardly five.
        least = {named: np.inf, inline: np.inf}
        for _ in range(300):
            for way in least:
                began = time.perf_counter()
                way(net, X, Y)
                least[way] = min(least[way], time.perf_counter() - began)
        if least[named] <= 1.15 * least[inline]:
            return
    pytest.fail(f"named steps take {least[named] / least[inline]:.2f} times as long as inline expressions")
