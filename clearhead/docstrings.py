"""Steps: functions whose docstring's first line is `value[axes] = formula: meaning`.

The values that no step makes are declared in the module's docstring, each in one line
`value[axes]: meaning`. The grammar is in `formula`.
"""

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from clearhead.evaluation import Array, Evaluation
from clearhead.formula import AXES, RESERVED, Axes, FormulaError, Tree, parse, values_in

_NAME = r"[A-Za-z][A-Za-z0-9_]*"
_AXES = r"\[[^\]]*\]"
_FORM = {
    "the value's name": _NAME,
    "its axes in brackets": _AXES,
    "' = '": " = ",
    "a formula": "[^:]+",
    "': '": ": ",
    "a meaning": ".+",
}


class Declared(NamedTuple):
    """A value that no step of its module makes."""

    name: str
    shape: Axes
    meaning: str


@dataclass(frozen=True)
class Step:
    """A function that makes one value, and what its docstring says of it.

    `axes` has those of each input; `tree` is the formula, parsed.

    >>> from clearhead import two_layer_nn
    >>> step = Step.of(two_layer_nn.hidden_sum)
    >>> step.name, step.shape, step.formula, step.meaning
    ('z1', ('N', 'H'), 'X W1 + b1', 'how strongly each example drives each hidden unit.')
    >>> step.inputs, step.axes["W1"]
    (('X', 'W1', 'b1'), ('D', 'H'))
    """

    name: str
    shape: Axes
    formula: str
    meaning: str
    inputs: tuple[str, ...]
    axes: Mapping[str, Axes] = field(hash=False)
    tree: Tree
    function: Callable[..., Any]

    @classmethod
    def of(cls, function: Callable[..., Any], **bind: str) -> "Step":
        """The step of a function, from its docstring's first line and its parameters' names.

        `bind` gives a parameter the name of another value, here and in the formula, and in the
        made value's name where that is the parameter's with an ending. A generic step, one whose
        axes are `...`, needs it. The inputs' axes are those that the function's module gives them,
        by its steps or by its docstring. The formula is tried once, to find what is wrong here.

        Raises FormulaError, naming function, place and fix, where the docstring is missing (under
        python -OO too) or not of the form, or its formula is not in the language, leaves out a
        parameter, names anything else, or has axes that do not meet. TypeError for no function.

        >>> from clearhead import two_layer_nn
        >>> step = Step.of(two_layer_nn.updated, value="W1", gradient="dW1")
        >>> step.name, step.shape, step.inputs, step.formula
        ('W1_next', ('D', 'H'), ('W1', 'dW1', 'lr'), 'W1 - lr dW1')
        """
        if not isinstance(function, FunctionType):
            raise TypeError(f"Step.of takes a function, got {function!r}; pass one of a module.")
        try:
            return cls._of(function, bind)
        except FormulaError as error:
            raise FormulaError(f"{function.__name__}: {error}") from None

    @classmethod
    def _of(cls, function: FunctionType, bind: Mapping[str, str]) -> "Step":
        name, shape, formula, meaning = _read(function)
        parameters = tuple(inspect.signature(function).parameters)
        _check_names(formula, parameters, bind)
        inputs = tuple(bind.get(parameter, parameter) for parameter in parameters)
        formula = re.sub(_NAME, lambda found: bind.get(found[0], found[0]), formula)
        stem, _, ending = name.partition("_")
        if ending and stem in bind:
            name = f"{bind[stem]}_{ending}"

        shapes = _shapes(function.__globals__)
        generic = shape == ("...",)
        if generic and not shapes.keys() & set(inputs[:1]):
            first = parameters[0] if parameters else "the first parameter"
            raise FormulaError(f"the axes [...] are those of {first}, which is no value of the "
                               f'module; bind it to one, Step.of(..., {first}="W1").')  # fmt: skip
        for value in inputs:
            if value not in shapes and value not in AXES:
                raise FormulaError(f"no step of the module makes {value} and it is not declared; "
                                   f"add `{value}[axes]: meaning` to its docstring.")  # fmt: skip
        shape = shapes[inputs[0]] if generic else shape
        axes = {value: () if value in AXES else shapes[value] for value in inputs}
        tree = parse(formula)
        ones = {value: np.ones([1] * len(axes[value])) for value in inputs}
        with np.errstate(all="ignore"):
            Evaluation(ones, axes).result(tree, shape)
        return cls(name, shape, formula, meaning, inputs, axes, tree, function)

    def renamed(self, names: Mapping[str, str]) -> "Step":
        """The same step where its values have other names, all exchanged at once.

        >>> from clearhead import two_layer_nn
        >>> step = Step.of(two_layer_nn.hidden_values).renamed({"z1": "drive"})
        >>> step.formula, step.inputs, step.tree
        ('σ(drive)', ('drive',), ('σ', ('value', 'drive')))
        """

        def other(tree: Any) -> Any:
            if not isinstance(tree, tuple):
                return tree
            return ("value", names.get(tree[1], tree[1])) if tree[0] == "value" else (*map(other, tree),)

        return replace(
            self,
            name=names.get(self.name, self.name),
            formula=re.sub(_NAME, lambda found: names.get(found[0], found[0]), self.formula),
            inputs=tuple(names.get(value, value) for value in self.inputs),
            axes={names.get(value, value): axes for value, axes in self.axes.items()},
            tree=other(self.tree),
        )

    def evaluate(self, values: Mapping[str, Any]) -> Array:
        """What the formula makes of values by name: each what `np.asarray` takes, more than needed.

        The dtype is the inputs' common float dtype, in which a Python number has no say.

        Raises ValueError where an input is missing, has the wrong number of axes, or a length
        that another contradicts; TypeError where one holds no numbers.

        >>> from clearhead import two_layer_nn
        >>> step = Step.of(two_layer_nn.hidden_sum)
        >>> step.evaluate({"X": [[1.0, 2]], "W1": [[1.0, 0], [0, 1]], "b1": [3.0, 4]})
        array([[4., 6.]])
        """
        missing = [value for value in self.inputs if value not in values]
        if missing:
            raise ValueError(
                f"{self.name} needs {', '.join(self.inputs)}, got no {', '.join(missing)}; add it."
            )
        return Evaluation(values, self.axes).result(self.tree, self.shape)


def steps_of(module: ModuleType) -> tuple[Step, ...]:
    """The steps of a module in source order.

    Each function of its own whose docstring begins `value[axes] =` is one, and must then be right:
    raises FormulaError as `Step.of` does. Generic ones, `value[...]`, are left out, because only
    `Step.of(function, ...)` can say what they are bound to.

    >>> from clearhead import two_layer_nn
    >>> [step.name for step in steps_of(two_layer_nn)][:4]
    ['z1', 'h', 'z2', 'y']
    """
    return tuple(Step.of(function) for function in _functions(vars(module)))


def declared(module: ModuleType) -> tuple[Declared, ...]:
    """The values that a module's docstring declares, in its order.

    Raises FormulaError where one has an axis or a name that the language does not have.

    >>> from clearhead import two_layer_nn
    >>> declared(two_layer_nn)[0]
    Declared(name='X', shape=('N', 'D'), meaning='the examples, one a row')
    """
    return tuple(_declared(vars(module)))


def _declared(namespace: Mapping[str, Any]) -> Iterable[Declared]:
    for line in _docstring(namespace.get("__doc__")).splitlines():
        if found := re.fullmatch(rf"({_NAME})({_AXES}): (.+)", line):
            name, letters, meaning = found.groups()
            yield Declared(_value(name), _axes(letters[1:-1]), meaning)


def _functions(namespace: Mapping[str, Any]) -> Iterable[FunctionType]:
    """The module's own functions that say that they are steps, but for the generic ones."""
    for thing in dict.fromkeys(filter(inspect.isfunction, namespace.values())):
        if thing.__module__ == namespace.get("__name__"):
            begins = re.match(rf"{_NAME}({_AXES})\s*=", _docstring(thing.__doc__))
            if begins and begins[1] != "[...]":
                yield thing


def _shapes(namespace: Mapping[str, Any]) -> dict[str, Axes]:
    shapes = {value.name: value.shape for value in _declared(namespace)}
    for function in _functions(namespace):
        try:
            name, axes, _, _ = _read(function)
        except FormulaError as error:
            raise FormulaError(f"in the same module, {function.__name__}: {error}") from None
        shapes[name] = axes
    return shapes


def _docstring(text: str | None) -> str:
    if text is None and sys.flags.optimize > 1:
        raise FormulaError("steps need docstrings, which python -OO drops; run python without it.")
    return inspect.cleandoc(text or "")


def _read(function: FunctionType) -> tuple[str, Axes, str, str]:
    """Value, axes, formula and meaning of a docstring's first line."""
    line, place, read = _docstring(function.__doc__).partition("\n")[0], 0, []
    for part, pattern in _FORM.items():
        found = re.compile(pattern).match(line, place)
        if found is None:
            raise FormulaError(
                f"docstring {line!r}, character {place + 1}: expected {part}; "
                "begin it with `value[axes] = formula: meaning`."
            )
        read.append(found[0])
        place = found.end()
    name, letters, _, formula, _, meaning = read
    axes = ("...",) if letters == "[...]" else _axes(letters[1:-1])
    return _value(name), axes, formula, meaning


def _value(name: str) -> str:
    if name in RESERVED:
        raise FormulaError(f"{name} is a word or an axis; give the value another name.")
    return name


def _axes(letters: str) -> Axes:
    axes = tuple(letters.split(",")) if letters else ()
    if not set(axes) <= set(AXES) or len(set(axes)) < len(axes):
        raise FormulaError(
            f"[{letters}] is not a list of axes, each once; use {','.join(AXES)} without spaces."
        )
    return axes


def _check_names(formula: str, parameters: tuple[str, ...], bind: Mapping[str, str]) -> None:
    takes = ", ".join(parameters)
    for name in sorted(bind.keys() - set(parameters)):
        raise FormulaError(f"there is no parameter {name} to bind; bind some of {takes}.")
    named = values_in(parse(formula))
    for name in sorted(named - set(parameters)):
        place = next(word.start() for word in re.finditer(_NAME, formula) if word[0] == name)
        raise FormulaError(
            f"{formula!r}, character {place + 1}: {name} is not a parameter; "
            f"use {takes or 'numbers'}, or add the parameter {name}."
        )
    for name in parameters:
        if name not in named and name not in AXES:
            raise FormulaError(
                f"{formula!r} leaves out the parameter {name}; use it, or take the parameter away."
            )
