"""What a step reads from its function, and the guards that keep docstrings true to their code."""

import importlib
import inspect
import json
import os
import subprocess
import sys
import types

import numpy as np
import pytest
import torch

from clearhead.formula import AXES, FormulaError, values_in
from clearhead.steps import Step, declared, steps_of

MODULES = {name: importlib.import_module(f"clearhead.{name}")
           for name in ("two_layer_nn", "attention", "transformer")}  # fmt: skip
MADE = {name: steps_of(module) for name, module in MODULES.items()}
STEPS = [pytest.param(name, step, id=f"{name}-{step.name}")
         for name, steps in MADE.items() for step in steps]  # fmt: skip
# The generic step is left out of a module's steps: here it is, for each value that it is used on.
UPDATED = [Step.of(MODULES["two_layer_nn"].updated, value=name, gradient=f"d{name}")
           for name in ("W1", "b1", "W2", "b2")]  # fmt: skip
STEPS += [pytest.param("two_layer_nn", step, id=f"two_layer_nn-{step.name}") for step in UPDATED]

LENGTHS = {
    "N": 13,
    "D": 11,
    "H": 7,
    "C": 6,
    "B": 2,
    "T": 4,
    "S": 12,
    "M": 9,
    "A": 3,
    "K": 5,
    "AK": 15,
    "F": 8,
    "V": 10,
}
ONE_HOT = {"Y", "tokens", "target"}
SHARES = {"y", "p", "weights"}


def lengths_for(step):
    """All different, but S = T where tokens stand for keys: where no value has both axes."""
    together = any({"S", "T"} <= set(axes) for axes in [step.shape, *step.axes.values()])
    return LENGTHS if together else LENGTHS | {"S": LENGTHS["T"]}


def draw(name, shape, generator):
    if name in AXES:
        return LENGTHS[name]
    if name == "mask":
        mask = generator.random(shape) < 0.5
        mask[0, 0, 0] = False
        return mask
    if name in ONE_HOT:
        return np.eye(shape[-1])[generator.integers(shape[-1], size=shape[:-1])]
    numbers = generator.normal(size=shape)
    if name in SHARES:
        return np.exp(numbers) / np.exp(numbers).sum(axis=-1, keepdims=True)
    return numbers


def inputs_for(step):
    generator, lengths = np.random.default_rng(0), lengths_for(step)
    return {name: draw(name, [lengths[axis] for axis in axes], generator)
            for name, axes in step.axes.items()}  # fmt: skip


def called(step, values):
    """What the function itself makes of the values, torch's functions by way of tensors."""
    inputs = [values[name] for name in step.inputs]
    if "torch" in step.function.__globals__:
        inputs = [torch.from_numpy(np.asarray(array)) if np.ndim(array) else array for array in inputs]
    return np.asarray(step.function(*inputs))


# The guards


def test_every_module_has_steps():
    assert {name: len(steps) for name, steps in MADE.items()} == {
        "two_layer_nn": 13, "attention": 33, "transformer": 12}  # fmt: skip


@pytest.mark.parametrize(("module", "step"), STEPS)
def test_the_shape_in_the_docstring_is_the_real_one(module, step):
    lengths = lengths_for(step)
    assert called(step, inputs_for(step)).shape == tuple(lengths[axis] for axis in step.shape)


@pytest.mark.parametrize(("module", "step"), STEPS)
def test_the_formula_gives_what_the_function_gives(module, step):
    values = inputs_for(step)
    made = called(step, values)
    assert made.dtype == np.float64
    np.testing.assert_allclose(step.evaluate(values), made, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("module", "step"), STEPS)
def test_the_formula_names_every_parameter_and_nothing_else(module, step):
    assert values_in(step.tree) == {name for name in step.inputs if name not in AXES}


@pytest.mark.parametrize(("module", "step"), STEPS)
def test_every_input_is_declared_or_made_by_a_step(module, step):
    made = {other.name: other.shape for other in MADE[module]}
    known = {value.name: value.shape for value in declared(MODULES[module])} | made
    assert {name: known[name] for name in step.inputs if name not in AXES} == {
        name: axes for name, axes in step.axes.items() if name not in AXES
    }


@pytest.mark.parametrize("module", MODULES)
def test_no_value_is_made_twice_or_both_made_and_declared(module):
    names = [value.name for value in (*declared(MODULES[module]), *MADE[module])]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("module", MODULES)
def test_every_declared_value_is_an_input_of_some_step(module):
    used = {name for param in STEPS if param.values[0] == module for name in param.values[1].inputs}
    assert {value.name for value in declared(MODULES[module])} <= used


# What the guards would miss, they must not: faults planted in good steps turn red.

FAULTS = {
    "a product without ᵀ": ("X[N,D]: x\ndz[N,H]: d", "def f(X, dz):\n    '''w[D,H] = X dz: m'''"),
    "a sum over the wrong axis": ("dz[N,H]: d", "def f(dz):\n    '''db[H] = Σ_H(dz): m'''"),
    "queries where keys belong": ("q[B,A,T,K]: q\nk[B,A,T,K]: k",
                                  "def f(q, k):\n    '''s[B,A,T,S] = q kᵀ / √K: m'''"),
    "scores the other way round": ("q[B,A,T,K]: q\nk[B,A,S,K]: k",
                                   "def f(q, k):\n    '''s[B,A,T,S] = k qᵀ / √K: m'''"),
    "a sum over queries where the keys are": ("dk[B,S,M]: d",
                                              "def f(dk):\n    '''b[M] = Σ_BT(dk): m'''"),
    "a softmax that drops its axis": ("z[N,C]: z", "def f(z):\n    '''y[N] = softmax_C(z): m'''"),
}  # fmt: skip


def module_of(docstring, source):
    module = types.ModuleType("toy", docstring)
    exec(f"import numpy as np\n{source}", vars(module))
    return module


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_axes_is_found_when_the_step_is_read(fault):
    module = module_of(*FAULTS[fault])
    with pytest.raises(FormulaError, match=r"^f: .*; "):
        Step.of(module.f)


WRONG_VALUES = [
    ("hidden_weight_gradient", "Xᵀ dz1", "Xᵀ dz1 / N"),
    ("hidden_error", "dh ⊙ h ⊙ (1 - h)", "dh ⊙ h ⊙ h"),
    ("cross_entropy", "-mean_N", "-Σ_N"),
    ("probabilities", "softmax_C(z2)", "softmax_N(z2)"),
]


@pytest.mark.parametrize(("function", "right", "wrong"), WRONG_VALUES)
def test_a_formula_with_the_right_axes_and_wrong_values_fails_the_guard(function, right, wrong):
    good = MODULES["two_layer_nn"]
    source = inspect.getsource(getattr(good, function))
    assert right in source
    others = [f"{other.name}[{','.join(other.shape)}]: made elsewhere"
              for other in MADE["two_layer_nn"] if other.function.__name__ != function]  # fmt: skip
    module = module_of("\n".join([good.__doc__, *others]), source.replace(right, wrong))
    with pytest.raises(AssertionError):
        test_the_formula_gives_what_the_function_gives("toy", Step.of(getattr(module, function)))


# What a step reads

TOY = """A toy.

    indented[N]: is no declaration
a[N,H]: the first
  b[H]: is none either
b[H]: the second: with a colon
rate[]: a number
heads_side[B,T,AK]: for a split
"""
SOURCE = '''
def total(a, b):
    """c[N,H] = a + b: both.

    And more of it: c[N] = nonsense.
    """
    return a + b

def later(c, A_side=None):
    """Not a step."""

def average(c):
    """
    d[H] = mean_N(c): over the examples
    """
    return c.mean(axis=0)

def moved(value, gradient, rate):
    """value_next[...] = value - rate gradient / N: a step."""
    return value - rate * gradient / len(gradient)

def apart(heads_side, A):
    """heads[B,A,T,K] = split(heads_side): apart."""

def scaled(a):
    """scaled[...] = 2 a: twice as much."""

class Thing:
    def method(self):
        """z[N] = a: a method is no step."""

also_total = total
'''


@pytest.fixture
def toy():
    return module_of(TOY, SOURCE)


def test_a_step_reads_all_from_its_docstring_and_parameters(toy):
    step = Step.of(toy.total)
    assert (step.name, step.shape, step.formula, step.meaning) == (
        "c",
        ("N", "H"),
        "a + b",
        "both.",
    )
    assert (step.inputs, step.function) == (("a", "b"), toy.total)
    assert step.axes == {"a": ("N", "H"), "b": ("H",)}
    assert step.tree == ("+", ("value", "a"), ("value", "b"))


def test_an_input_that_another_step_makes_has_the_axes_that_it_gives(toy):
    assert Step.of(toy.average).axes == {"c": ("N", "H")}


def test_the_steps_of_a_module_come_in_source_order_once_each_and_without_generic_ones(toy):
    assert [step.name for step in steps_of(toy)] == ["c", "d", "heads"]


def test_functions_from_elsewhere_are_no_steps_of_a_module(toy):
    other = module_of("", "")
    other.__name__, other.total = "other", toy.total
    assert steps_of(other) == ()


def test_the_declared_values_are_whole_lines_of_the_docstring(toy):
    assert [tuple(value) for value in declared(toy)] == [
        ("a", ("N", "H"), "the first"),
        ("b", ("H",), "the second: with a colon"),
        ("rate", (), "a number"),
        ("heads_side", ("B", "T", "AK"), "for a split"),
    ]


def test_a_generic_step_is_bound_by_name(toy):
    step = Step.of(toy.moved, value="a", gradient="c")
    assert (step.name, step.shape, step.inputs) == ("a_next", ("N", "H"), ("a", "c", "rate"))
    assert step.formula == "a - rate c / N"
    values = {"a": np.ones((5, 3)), "c": np.full((5, 3), 10.0), "rate": 0.5}
    np.testing.assert_allclose(step.evaluate(values), np.zeros((5, 3)), atol=1e-15)


def test_a_generic_step_whose_parameter_is_a_value_needs_no_binding(toy):
    step = Step.of(toy.scaled)
    assert (step.name, step.shape) == ("scaled", ("N", "H"))


def test_a_binding_exchanges_names_without_mixing_them_up(toy):
    step = Step.of(toy.moved, value="c", gradient="a")
    assert (step.name, step.formula) == ("c_next", "c - rate a / N")


def test_a_parameter_that_is_an_axis_is_a_length(toy):
    step = Step.of(toy.apart)
    assert step.inputs == ("heads_side", "A")
    made = step.evaluate({"heads_side": np.arange(24).reshape(1, 2, 12), "A": 4})
    assert made.shape == (1, 4, 2, 3)
    assert made[0, 1, 0].tolist() == [3, 4, 5]


def test_trying_a_formula_once_warns_of_nothing():
    module = module_of(TOY, ONE_LINE.format("a", "c[N,H] = a / (a - a): never finite"))
    assert Step.of(module.f).name == "c"


def test_a_step_can_be_a_key_and_its_tree_can_be_json(toy):
    step = Step.of(toy.total)
    assert {step: 1}[Step.of(toy.total)] == 1
    assert json.loads(json.dumps(step.tree)) == ["+", ["value", "a"], ["value", "b"]]


def test_evaluate_takes_tensors_lists_and_more_than_it_needs(toy):
    made = Step.of(toy.total).evaluate({"a": torch.ones(2, 3), "b": [1.0, 2, 3], "z": None})
    assert made.tolist() == [[2, 3, 4], [2, 3, 4]]


def test_evaluate_names_the_inputs_that_are_missing(toy):
    with pytest.raises(ValueError, match="c needs a, b, got no b; add it"):
        Step.of(toy.total).evaluate({"a": np.ones((2, 3))})


def test_evaluate_refuses_other_axes_and_other_lengths(toy):
    step = Step.of(toy.total)
    with pytest.raises(ValueError, match=r"b must have the axes \[H\], got the shape \(1, 3\)"):
        step.evaluate({"a": np.ones((2, 3)), "b": np.ones((1, 3))})
    with pytest.raises(ValueError, match="b has H = 1, but the inputs before have H = 3"):
        step.evaluate({"a": np.ones((2, 3)), "b": np.ones(1)})


# Errors

ONE_LINE = 'def f({}):\n    """{}"""'


@pytest.mark.parametrize(
    ("parameters", "docstring", "says"),
    [
        ("a", "", "docstring '', character 1: expected the value's name; begin it"),
        ("a", "Adds one.", "docstring 'Adds one.', character 5: expected its axes in brackets"),
        ("a", "c[N,H: a", "character 2: expected its axes in brackets"),
        ("a", "c[N,H]= a: m", "character 7: expected ' = '; begin it with"),
        ("a", "c[N,H] = : m", "character 10: expected a formula"),
        ("a", "c[N,H] = a", "character 11: expected ': '"),
        ("a", "c[N,H] = a:m", "character 11: expected ': '"),
        ("a", "c[N,Q] = a: m", "[N,Q] is not a list of axes, each once; use N,D,H,C"),
        ("a", "c[N, H] = a: m", "[N, H] is not a list of axes, each once; use N,D,"),
        ("a", "c[N,N] = a: m", "[N,N] is not a list of axes"),
        ("a", "N[N,H] = a: m", "N is a word or an axis; give the value another name"),
        ("a", "mean[N,H] = a: m", "mean is a word or an axis"),
        ("a", "c[N,H] = relu(a): m", "'relu(a)', character 1: 'relu' is not a word"),
        ("a", "c[N,H] = a + aa: m", "'a + aa', character 5: aa is not a parameter; use a, or add"),
        ("a", "c[N,H] = a ⊙ W: m", "'a ⊙ W', character 5: W is not a parameter"),
        ("a, b", "c[N,H] = a: m", "'a' leaves out the parameter b; use it, or take the"),
        ("z", "c[N,H] = z: m",
         "no step of the module makes z and it is not declared; add `z[axes]: meaning` to its"),
        ("a", "c[N,H] = a / B: m", "the length of B is not known, as no input has that axis"),
        ("a", "c[H,N] = a: m", "the formula's axes are [N,H], but its value's are [H,N]; change"),
        ("a", "c[N,H] = Σ_T(a): m", "Σ_T goes over [T], but is given [N,H]"),
        ("value", "value_next[...] = 2 value: m",
         "the axes [...] are those of value, which is no value of the module; bind it to one, "
         "Step.of(..., value=\"W1\")"),
        ("", "c[...] = 2: m", "the axes [...] are those of the first parameter, which is no value"),
        ("", "c[] = 2e: m", "'2e', character 2: e is not a parameter; use numbers, or add"),
    ],
)  # fmt: skip
def test_a_step_that_is_not_right_is_refused_by_name_with_place_and_fix(parameters, docstring, says):
    module = module_of(TOY, ONE_LINE.format(parameters, docstring))
    with pytest.raises(FormulaError) as caught:
        Step.of(module.f)
    assert str(caught.value).startswith("f: ")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_function_without_docstring_is_told_how_to_write_one():
    with pytest.raises(FormulaError, match="f: docstring '', character 1: expected the value's name; begin"):
        Step.of(module_of(TOY, "def f(a): return a").f)


def test_a_binding_of_no_parameter_is_refused(toy):
    with pytest.raises(
        FormulaError, match="moved: there is no parameter weight to bind; bind some of value, g"
    ):
        Step.of(toy.moved, weight="a")


def test_a_binding_to_a_value_that_is_not_there_is_refused(toy):
    with pytest.raises(FormulaError, match="moved: no step of the module makes W9 and it is not declared"):
        Step.of(toy.moved, value="a", gradient="W9")


def test_a_module_with_one_wrong_step_is_refused_whole(toy):
    module = module_of(TOY, SOURCE + ONE_LINE.format("a", "e[N, H] = a: m"))
    with pytest.raises(FormulaError, match=r"^total: in the same module, f: \[N, H\] is not a list"):
        steps_of(module)
    with pytest.raises(FormulaError, match=r"^f: \[N, H\] is not"):
        Step.of(module.f)


def test_a_declaration_of_no_axis_is_refused():
    with pytest.raises(FormulaError, match=r"\[N,X\] is not a list of axes"):
        declared(module_of("a[N,X]: x", ""))
    with pytest.raises(FormulaError, match="exp is a word or an axis"):
        declared(module_of("exp[N]: x", ""))


@pytest.mark.parametrize("thing", [len, "z1", None, Step])
def test_only_functions_are_steps(thing):
    with pytest.raises(TypeError, match=r"Step.of takes a function, got .*; pass one of a module"):
        Step.of(thing)


@pytest.mark.parametrize("call", ["Step.of(net.hidden_sum)", "steps_of(net)", "declared(net)"])
def test_without_docstrings_one_sentence_says_what_is_needed(call):
    code = ("import sys, types; from clearhead.steps import *; net = types.ModuleType('net'); "
            "exec('def hidden_sum(X): return X', vars(net)); " + call)  # fmt: skip
    ended = subprocess.run([sys.executable, "-OO", "-c", code], capture_output=True, text=True,
                           env={**os.environ, "PYTHONIOENCODING": "utf-8"})  # fmt: skip
    assert "steps need docstrings, which python -OO drops; run python without it." in ended.stderr
