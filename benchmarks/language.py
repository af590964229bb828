"""Training a language model beside a plain PyTorch loop, to the end, as Markdown; about seven minutes.

    python benchmarks/language.py FILE

nanoGPT's small settings: 4 layers, 4 heads, 128 wide, context 64, batch 12, 2000 steps, AdamW, cosine from
1e-3 after a warm-up, no dropout. In one process, a seed each in turn, so that an interval from three is
hardly more than their range; neither evaluates meanwhile, and both are scored on the last tenth of the text.
"""

import math
import time
from dataclasses import replace

import click
import numpy as np
import torch
from torch.nn.functional import cross_entropy

from clearhead import LanguageModel, fit, load_data
from clearhead.bench import Timing, conditions, markdown
from clearhead.contestants import BATCH, CONTEXT, HEADS, LAYERS, MODEL_DIM, RATE, torch_learner
from clearhead.data import Examples


def ours(data, seed, steps):
    torch.manual_seed(seed)
    model = LanguageModel(len(data.labels), CONTEXT, model_dim=MODEL_DIM, num_heads=HEADS, num_layers=LAYERS)
    alone = replace(data, validation=Examples(data.validation.X[:0], data.validation.Y[:0]))
    began = time.perf_counter()
    fit(model, alone, epochs=1, steps=steps, lr=RATE, batch_size=BATCH, schedule="cosine", seed=seed)
    return model, time.perf_counter() - began


def plain(data, seed, steps):
    torch.manual_seed(seed)
    text = torch.from_numpy(data.train.X)
    model, step = torch_learner(len(data.labels))
    began = time.perf_counter()
    for number in range(steps):
        rows = torch.randint(len(text) - CONTEXT - 1, (BATCH, 1)) + torch.arange(CONTEXT)
        warmth = min(1.0, (number + 1) / (0.05 * steps))
        step(text[rows], text[rows + 1], RATE * warmth * 0.5 * (1 + math.cos(math.pi * number / steps)))
    return model, time.perf_counter() - began


@torch.inference_mode()
def loss_of(model, examples):
    """The mean surprise over windows side by side."""
    whole = len(examples.X) // CONTEXT * CONTEXT
    X, Y = (torch.from_numpy(values[:whole]).view(-1, CONTEXT) for values in examples)
    losses = [cross_entropy(model(x).flatten(0, 1), y.flatten(), reduction="sum")
              for x, y in zip(X.split(256), Y.split(256), strict=True)]  # fmt: skip
    return sum(losses).item() / whole


@click.command()
@click.argument("file")
@click.option("--seeds", default=3)
@click.option("--steps", default=2000)
def main(file, seeds, steps):
    print(conditions(), flush=True)
    data = load_data(file)
    ways = {"clearhead": ours, "PyTorch, a plain loop": plain}
    seconds, losses = np.empty((2, seeds)), np.empty((2, seeds))
    for way in ways.values():
        way(data, 0, 20)  # Warms it.
    for seed in range(seeds):
        for i, way in list(enumerate(ways.values()))[:: 1 if seed % 2 == 0 else -1]:
            model, seconds[i, seed] = way(data, seed, steps)
            losses[i, seed] = loss_of(model, data.validation)
    print(f"\n{steps} steps, {seeds} seeds\n")
    print(markdown([Timing(name, row) for name, row in zip(ways, seconds, strict=True)]))
    for name, row in zip(ways, losses, strict=True):
        print(f"\n{name}: validation loss {row.mean():.4f} ({', '.join(f'{loss:.4f}' for loss in row)})")


if __name__ == "__main__":
    main()
