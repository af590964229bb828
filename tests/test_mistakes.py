"""The catalogue of mistakes: each wrong step is what its formula says, and is told from every other."""

import itertools

import numpy as np
import pytest

from clearhead.checking import probes
from clearhead.checking.align import right_steps
from clearhead.mistakes import NOTES, WARNINGS, mistakes_of, severity, texts

NETWORK, ATTENTION = "two-layer", "attention"

# Different mistakes, some steps of which give the same numbers: the findings name the others as alternatives.
EQUIVALENT = {
    frozenset(pair)
    for pair in [
        ("mask_inverted", "causal_mask_reversed"),  # what comes after is what a causal mask hides
        ("mask_on_queries", "causal_mask_reversed"),
        ("query_key_swapped", "projection_reused"),  # the swap is two steps, one of which is reuse
        ("key_value_swapped", "projection_reused"),
        ("query_key_swapped", "argument_ignored"),
        ("key_value_swapped", "argument_ignored"),
    ]
}


def values_of(target):
    """Every value that a step of a target may need, made by the right steps on the probes."""
    if target == NETWORK:
        values = probes.network(3, D=5, H=4, C=3, N=7)
        values["lr"] = np.float64(0.3)
        steps = right_steps("two_layer_nn")
        for name in ("z1", "h", "z2", "y", "dz2", "dW2", "db2", "dh", "dz1", "dW1", "db1"):
            values[name] = steps[name].evaluate(values)
        values["W2_next"] = values["W2"] - 0.3 * values["dW2"]
        values["shifted"] = values["z2"] - values["z2"].max(axis=1, keepdims=True)
        return values, steps
    A, K, B, T = 3, 4, 2, 5
    M = A * K
    values = {name: probes.tokens(seed, B, T, M) for seed, name in enumerate(("x", "xk", "xv"))}
    for place, role in enumerate("qkv"):
        values[f"W{role}"] = probes.parameter(3, place, (M, M))
        values[f"b{role}"] = probes.parameter(3, place + 4, (M,))
    values |= {"Wo": probes.parameter(3, 8, (M, M)), "bo": probes.parameter(3, 9, (M,))}
    mask = np.repeat(probes.mask(3, B, T)[:, None].astype(float), A, axis=1)
    values |= {"mask": mask, "turned": mask.swapaxes(-1, -2), "itself": np.eye(T), "fill": np.float64(-2.0)}
    values |= {"A": A, "K": K, "M": M, "T": T, "AK": M}
    steps = dict(right_steps("attention"))
    steps["keys"], steps["values"] = steps["keys"].renamed({"x": "xk"}), steps["values"].renamed({"x": "xv"})
    names = ("queries", "keys", "values", "q", "k", "v", "scores", "weights", "heads", "merged", "output")
    for name in names:
        values[name] = steps[name].evaluate(values)
    return values, steps


def numbers(mistake, values):
    with np.errstate(all="ignore"):
        return mistake.step.evaluate(values)


CASES = [(target, mistake) for target in (NETWORK, ATTENTION) for mistake in mistakes_of(target)]
IDS = [mistake.step.function.__name__ for _, mistake in CASES]


@pytest.mark.parametrize(("target", "mistake"), CASES, ids=IDS)
def test_a_wrong_step_is_what_its_formula_says(target, mistake):
    values, _ = values_of(target)
    with np.errstate(all="ignore"):
        made = mistake.step.function(*(values[name] for name in mistake.step.inputs))
    np.testing.assert_allclose(made, numbers(mistake, values), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("target", "mistake"), CASES, ids=IDS)
def test_a_wrong_step_differs_from_the_right_one(target, mistake):
    values, steps = values_of(target)
    right, wrong = steps[mistake.step.name].evaluate(values), numbers(mistake, values)
    assert wrong.shape == right.shape
    assert np.linalg.norm(wrong - right) > 1e-3 * np.linalg.norm(right)


def test_every_two_mistakes_differ_or_are_declared_equivalent():
    alike = set()
    for target in (NETWORK, ATTENTION):
        values, _ = values_of(target)
        for one, two in itertools.combinations(mistakes_of(target), 2):
            if one.step.name != two.step.name or one.id == two.id:
                continue
            if np.linalg.norm(numbers(one, values) - numbers(two, values)) < 1e-6:
                alike.add(frozenset({one.id, two.id}))
    assert alike == EQUIVALENT


def test_a_right_step_is_read_without_importing_torch():
    assert right_steps("attention")["scores"].evaluate(
        {"q": np.ones((1, 1, 2, 4)), "k": np.ones((1, 1, 2, 4))}
    ).tolist() == [[[[2.0, 2.0], [2.0, 2.0]]]]


def test_severities_are_those_of_known_ids():
    known = set(texts("en"))
    assert known >= WARNINGS
    assert known >= NOTES
    assert not WARNINGS & NOTES
    assert severity("scale_missing") == "error"


LISTED = """
init_not_xavier init_zero_weights init_random_biases init_shape_wrong hidden_without_activation
bias_missing softmax_wrong_axis softmax_over_batch softmax_overflow cache_aliases_parameters
loss_log_of_zero loss_summed loss_averaged_over_classes loss_not_the_one_differentiated loss_sign
gradient_not_averaged gradient_averaged_twice slope_forgotten slope_of_activated_value
slope_applied_twice slope_of_another_activation bias_gradient_wrong_axis bias_gradient_scalar
bias_gradient_before_slope gradient_sign update_before_use update_ascends parameter_never_updated
train_returns_early train_without_shuffling last_batch_dropped labels_not_shuffled_with_inputs
accuracy_as_fraction accuracy_wrong_axis regularisation_gradient scale_missing scale_by_model_dim
scale_without_root scale_multiplied split_without_transpose merge_without_transpose
attends_across_heads softmax_over_queries softmax_over_heads softmax_missing
output_projection_missing query_key_swapped key_value_swapped attention_transposed projection_unused
projection_reused argument_ignored parameters_unregistered projection_shared_by_heads mask_inverted
mask_fill_too_small mask_discarded mask_on_queries mask_after_softmax mask_multiplied_before_softmax
mask_hides_diagonal causal_mask_reversed fully_masked_row_nan dropout_in_eval residual_added
syntax_error name_undefined method_misspelt crash
""".split()  # noqa: SIM905


@pytest.mark.parametrize("identity", LISTED)
def test_a_public_id_keeps_its_name_and_has_its_sentences(identity):
    assert {"where", "what", "how"} <= set(texts("en")[identity]) & set(texts("ko")[identity])
