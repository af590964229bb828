"""`clearhead explain`: a trace of a run on one sample or text, in the terminal or as a page."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console

from clearhead.checkpoint import Run, examples_of, load, replace
from clearhead.data import Examples
from clearhead.options import TARGET, example, option, options
from clearhead.steps import Trace, trace
from clearhead.two_layer_nn import TwoLayerNN

SHOWN_SPACES = {" ": "␣", "\n": "↵", "\t": "⇥"}


def traced_sample(run: Run, examples: Examples, index: int, **choice: Any) -> Trace:
    """The trace of a run on one example of a set, or of a text on the characters from a place on."""
    size = len(examples.X)
    if not 0 <= index < size:
        raise ValueError(f"--sample {index} is none of the {size:,} there; use 0 to {size - 1}.")
    names, learning = {"C": run.labels}, run.config.get("training", {})
    if isinstance(run.model, TwoLayerNN):
        shape = run.config["data"]["shape"]
        columns = run.config["data"]["columns"]
        if columns:
            names["D"] = tuple(columns)
        return trace(
            run.model,
            examples.X[index],
            examples.Y[index],
            names=names,
            lr=learning.get("lr", 0.1),
            image=shape if len(shape) > 1 else None,
            **choice,
        )
    if run.kind == "attention":
        return trace(run.model, examples.X[index], examples.Y[index], names=names, **choice)
    window = slice(index, index + run.model.settings["context"])
    tokens = [_symbol(run.labels[number]) for number in examples.X[window].tolist()]
    return trace(
        run.model, examples.X[window], examples.Y[window], tokens=tokens, names=_symbols(run), **choice
    )


def traced_text(run: Run, text: str, **choice: Any) -> Trace:
    """The trace of a language model's run on a text. Raises ValueError where it cannot read it."""
    if run.kind != "language":
        raise ValueError(f"--text is for a language model, and this run is of kind {run.kind}; use --sample.")
    known = {symbol: number for number, symbol in enumerate(run.labels)}
    if unknown := sorted(set(text) - set(known)):
        raise ValueError(f"--text has {unknown[0]!r}, which the text of this run never had; leave it out.")
    context = run.model.settings["context"]  # type: ignore[union-attr]
    if not 1 <= len(text) <= context:
        raise ValueError(f"--text has {len(text)} characters; this model sees 1 to {context}.")
    numbers = np.array([known[symbol] for symbol in text])
    return trace(
        run.model, numbers, tokens=[_symbol(symbol) for symbol in text], names=_symbols(run), **choice
    )


def _symbol(symbol: str) -> str:
    return SHOWN_SPACES.get(symbol, symbol)


def _symbols(run: Run) -> dict[str, tuple[str, ...]]:
    return {"V": tuple(map(_symbol, run.labels))}


@click.command(
    epilog=example(
        "clearhead explain runs/two-layer-digits --sample 17 --step dW1 --cell 3,5",
        'clearhead explain runs/language-book --text "To be, or not" --head 2',
    )
)
@options(
    click.argument("run", metavar="RUN"),
    option("--sample", type=click.IntRange(0), help="Which example of the test set; of a text, the place."),
    option("--text", help="What a language model is to read."),
    option("--step", help="One value alone, such as dW1 or weights."),
    option("--cell", metavar="I,J", help="One cell of that value: its receipt. Counted from 0."),
    option("--layer", type=click.IntRange(0), help="Which block.  [default: the last]"),
    option("--head", type=click.IntRange(0), help="One head alone; without --step, its weights."),
    option("--words", is_flag=True, help="Meanings alone, without formulas and numbers."),
    option("--html", metavar="FILE", help="Write a page that works offline."),
    option("--data", help="Other data.  [default: what the run held out of its own]"),
    TARGET,
)
def explain(
    run: str,
    sample: int | None,
    text: str | None,
    step: str | None,
    cell: str | None,
    layer: int | None,
    head: int | None,
    words: bool,
    html: str | None,
    data: str | None,
    target: str | None,
) -> None:
    """Every value of one sample, forwards and backwards, and what made it."""
    loaded = load(run)
    made, what = _traced(
        loaded, sample, text, data, target, layer, head, html is None and "." not in (step or "")
    )
    print(textwrap.fill(what, 79))
    if step is None and head is not None:
        step = "weights"
    if step is not None:
        step = _in_layer(made, step, layer)
    place = _place(cell)
    if place is not None and step is None:
        raise ValueError(f"--cell {cell} needs the value that it is in; add --step, such as --step dW1.")
    if html is None or step is not None:
        _print(made, step, place, head, words)
    if html is not None:
        _write(made, html, head)


def _traced(
    run: Run,
    sample: int | None,
    text: str | None,
    data: str | None,
    target: str | None,
    layer: int | None,
    head: int | None,
    one_layer: bool,
) -> tuple[Trace, str]:
    if text is not None and sample is not None:
        raise ValueError("--text and --sample are two things to look at; give one.")
    if isinstance(run.model, TwoLayerNN):
        for name, given in (("--layer", layer), ("--head", head)):
            if given is not None:
                raise ValueError(
                    f"{name} is for attention, and this run is a two-layer network; leave it out."
                )
    else:
        blocks, heads = len(run.model.blocks), run.model.settings["num_heads"]
        for name, given, count in (("--layer", layer, blocks), ("--head", head, heads)):
            if given is not None and given >= count:
                raise ValueError(f"{name} {given} is none of the {count} there; use 0 to {count - 1}.")
    say: dict[str, Any] = {"on_cost": lambda size: print(f"recording {size:,} bytes")}
    if not isinstance(run.model, TwoLayerNN) and one_layer:
        last = len(run.model.blocks) - 1
        say["layers"] = [last if layer is None else layer]
        if last:
            print(f"block {say['layers'][0]} of 0 to {last}; --layer picks another")
    if text is not None:
        return traced_text(run, text, **say), f"{len(text)} characters"
    examples, where = examples_of(run, data, target)
    index = sample or 0
    made = traced_sample(run, examples, index, **say)
    if run.kind == "language":
        return made, f"{where}, from character {index} on"
    label = run.labels[int(examples.Y[index])]
    guess = int(made["y"][0].argmax())
    share = 100 * float(made["y"][0, guess])
    return made, f"{where}, example {index}: {label}, called {run.labels[guess]} ({share:.1f} %)"


def _in_layer(made: Trace, step: str, layer: int | None) -> str:
    """The full name of a value, in the block that was asked for or else the last."""
    blocks = sorted({int(name.split(".")[1]) for name in made if "." in name})
    inside = [
        f"blocks.{i}.{step}"
        for i in (blocks if layer is None else [layer])
        if f"blocks.{i}.{step}" in made.values
    ]
    if step in made.values and (layer is None or not inside):
        return step
    if inside:
        return inside[-1]
    try:
        return made.full_name(step)
    except KeyError as error:
        raise ValueError(f"--step: {error.args[0]}") from None


def _place(cell: str | None) -> tuple[int, ...] | None:
    if cell is None:
        return None
    words = [word.strip() for word in cell.strip("[]()").split(",") if word.strip()]
    if not all(word.isdigit() for word in words):
        raise ValueError(f"--cell {cell} must be whole numbers from 0 with commas between, such as 3,5.")
    return tuple(map(int, words))


def _print(
    made: Trace, step: str | None, place: tuple[int, ...] | None, head: int | None, words: bool
) -> None:
    from clearhead.portrayal import coloured

    try:
        if place is not None and step is not None and head is not None and _within_head(made, step, place):
            place = (0, head, *place)
        lines = made.to_text(step, place, words=words, head=head)
    except (KeyError, IndexError) as error:
        raise ValueError(f"--cell: {error.args[0]}") from None
    Console(highlight=False, soft_wrap=True).print(coloured(lines))


def _within_head(made: Trace, step: str, place: tuple[int, ...]) -> bool:
    """Whether a cell of a value with heads is given without sequence and head."""
    axes = made.values[step].axes
    return "A" in axes and len(place) == len(axes) - 2


def _write(made: Trace, html: str, head: int | None) -> None:
    path = Path(html).expanduser()
    if path.is_dir():
        raise IsADirectoryError(f"{html} is a folder; name a file with --html.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent} is no folder; create it or name another with --html.")
    replace({path: made.to_html(head=head or 0).encode()})
    print(f"written to {html}; open it in a browser")
