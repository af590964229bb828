"""Planted faults in a copy of backward turn exactly the affected gradients red; the right code has none."""

import numpy as np
import pytest
import torch
from sample_traces import some_traces

from clearhead import CustomMultiHeadAttention, TwoLayerNN, trace
from clearhead.gradient_checks import Differences

N, D, H, C = 4, 5, 6, 3


def faulty(change):
    """The network with one line of backward, and what follows it, replaced."""

    class Faulty(TwoLayerNN):
        def backward(self, X, Y, ff_dict):
            right = super().backward(X, Y, ff_dict)
            X = np.asarray(X, self.dtype)
            wrong = change(self, X, ff_dict, dict(right))
            return wrong

    return Faulty


def slope_dropped(net, X, ff, g):
    g["dz1"] = g["dh"]
    return g | {"dW1": X.T @ g["dz1"], "db1": g["dz1"].sum(axis=0)}


def average_dropped(net, X, ff, g):
    g["dz2"] = g["dz2"] * len(X)
    g["dh"] = g["dz2"] @ net.params["W2"].T
    g["dz1"] = g["dh"] * ff["h"] * (1 - ff["h"])
    return g | {"dW2": ff["h"].T @ g["dz2"], "db2": g["dz2"].sum(axis=0),
                "dW1": X.T @ g["dz1"], "db1": g["dz1"].sum(axis=0)}  # fmt: skip


def wrong_transpose(net, X, ff, g):
    # H = C in this network, so that the wrong matrix fits.
    g["dh"] = g["dz2"] @ net.params["W2"]
    g["dz1"] = g["dh"] * ff["h"] * (1 - ff["h"])
    return g | {"dW1": X.T @ g["dz1"], "db1": g["dz1"].sum(axis=0)}


def bias_averaged(net, X, ff, g):
    return g | {"db2": g["dz2"].mean(axis=0)}


def one_cell(net, X, ff, g):
    g["dW1"] = g["dW1"].copy()
    g["dW1"][3, 2] *= 1.01
    return g


def red(seen):
    return {name for name, check in seen.checks.items() if not check.passed}


ALL = {"dz2", "dW2", "db2", "dh", "dz1", "dW1", "db1"}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("change", "sizes", "affected"), [
    (slope_dropped, (D, H, C), {"dz1", "dW1", "db1"}),
    (average_dropped, (D, H, C), ALL),
    (wrong_transpose, (D, C, C), {"dh", "dz1", "dW1", "db1"}),
    (bias_averaged, (D, H, C), {"db2"}),
    (one_cell, (D, H, C), {"dW1"}),
])  # fmt: skip
def test_a_fault_in_the_networks_backward_marks_exactly_what_it_affects(change, sizes, affected, dtype):
    generator = np.random.default_rng(3)
    net = faulty(change)(*sizes, seed=1, dtype=dtype)
    seen = trace(net, generator.normal(size=(N, D)), generator.integers(C, size=N))
    assert red(seen) == affected
    assert set(seen.checks) == ALL
    if change is one_cell:
        assert seen.checks["dW1"].wrong.tolist() == [3 * sizes[1] + 2]
        assert [seen.receipt("dW1", cell).check[2] for cell in ((3, 2), (3, 1))] == [False, True]
        assert "✗ central differences: 1 of 30 numbers differ" in seen.to_text("dW1")


@pytest.mark.parametrize("change", [None, slope_dropped, one_cell])
def test_a_matrix_of_many_cells_is_tried_along_directions_and_its_fault_still_found(change):
    generator = np.random.default_rng(5)
    net = (faulty(change) if change else TwoLayerNN)(40, 9, C, seed=2)
    seen = trace(net, generator.normal(size=(N, 40)), generator.integers(C, size=N))
    assert red(seen) == {None: set(), slope_dropped: {"dz1", "dW1", "db1"}, one_cell: {"dW1"}}[change]
    if change is one_cell:
        assert seen.checks["dW1"].wrong.tolist() == [3 * 9 + 2]


class NoRoot(CustomMultiHeadAttention):
    def gradients(self, doutput, keep):
        made = super().gradients(doutput, keep)
        root = self.head_dim**0.5
        Wq, x = self.query_proj.weight.detach(), keep["x"].to(doutput.dtype)
        made["dq"] = made["dq"] * root
        made["dqueries"] = made["dqueries"] * root
        made["dWq"], made["dbq"] = (made["dqueries"].mT @ x).sum(0), made["dqueries"].sum((0, 1))
        made["dx_query"] = made["dqueries"] @ Wq
        made["dx"] = made["dx_query"] + made["dx_key"] + made["dx_value"]
        return made


class NoTranspose(CustomMultiHeadAttention):
    def gradients(self, doutput, keep):
        made = super().gradients(doutput, keep)
        made["dv"] = keep["weights"].to(doutput.dtype) @ made["dheads"]
        made["dvalues"] = made["dv"].transpose(-3, -2).flatten(-2)
        x = keep["x"].to(doutput.dtype)
        made["dWv"], made["dbv"] = (made["dvalues"].mT @ x).sum(0), made["dvalues"].sum((0, 1))
        made["dx_value"] = made["dvalues"] @ self.value_proj.weight.detach()
        made["dx"] = made["dx_query"] + made["dx_key"] + made["dx_value"]
        return made


@pytest.mark.parametrize(("kind", "affected"), [
    (NoRoot, {"dq", "dqueries", "dWq", "dbq", "dx_query", "dx"}),
    (NoTranspose, {"dv", "dvalues", "dWv", "dbv", "dx_value", "dx"}),
    (CustomMultiHeadAttention, set()),
])  # fmt: skip
def test_a_fault_in_attentions_gradients_marks_exactly_what_it_affects(kind, affected):
    torch.manual_seed(2)
    seen = trace(kind(2, 6), torch.randn(2, 5, 6), doutput=torch.randn(2, 5, 6), causal=True)
    assert red(seen) == affected
    assert len(seen.checks) == 22


def test_the_right_code_has_no_mark():
    for seen in some_traces():
        assert seen.checks
        assert all(check.passed for check in seen.checks.values()), seen
        name, cell = next(iter(seen.checks)), None
        cell = (0,) * len(seen.shape(name))
        assert seen.receipt(name, cell).check[2]


def test_a_difference_is_the_derivative_of_a_closed_form():
    values = {"X": np.array([[2.0]]), "Y": np.array([[1.0, 0.0]]),
              "W1": np.array([[0.3]]), "b1": np.array([0.1]),
              "W2": np.array([[0.7, -0.4]]), "b2": np.array([0.2, 0.0])}  # fmt: skip
    h = 1 / (1 + np.exp(-0.7))
    y0 = 1 / (1 + np.exp(-(1.1 * h + 0.2)))
    differences = Differences(values)
    np.testing.assert_allclose(differences.at("b2", (0,)).value, y0 - 1, rtol=1e-9)
    np.testing.assert_allclose(differences.at("W2", (0, 1)).value, (1 - y0) * h, rtol=1e-9)
    np.testing.assert_allclose(
        differences.at("W1", (0, 0)).value, (y0 - 1) * 1.1 * h * (1 - h) * 2, rtol=1e-9
    )


@pytest.mark.parametrize("spread", [1e-3, 300, 1000, 1e5])
def test_small_and_large_inputs_mark_nothing_in_the_right_code(spread):
    for seed in range(8):
        generator = np.random.default_rng(seed)
        X = generator.normal(0, spread, (3, 20)).astype(np.float32)
        assert red(trace(TwoLayerNN(20, 6, 3, seed=seed), X, generator.integers(3, size=3))) == set()
