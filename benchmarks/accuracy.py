"""How well the models do on real data, as means over seeds; prints a table.

    python benchmarks/accuracy.py two-layer                 digits, the command's defaults, beside scikit-learn
    python benchmarks/accuracy.py attention                 digits, the command's defaults
    python benchmarks/accuracy.py mnist FOLDER              800 hidden units, all 60,000 images
    python benchmarks/accuracy.py language FILE             tinyshakespeare, nanoGPT's small sizes

With --choose (all but language), the candidates' validation scores, which the settings were chosen by;
without it, the chosen settings' score on the test set (for text: on the validation text). Needs the test
dependencies.
"""

import itertools
import math
import time
import warnings

import click
import numpy as np

from clearhead import LanguageModel, SequenceClassifier, TwoLayerNN, fit, load_data
from clearhead.cli import cli
from clearhead.learners import learner_of

MNIST = {"lr": 0.3, "batch_size": 32, "epochs": 80}
MNIST_CANDIDATES = (
    {"lr": lr, "batch_size": 32, "epochs": epochs} for lr, epochs in ((0.1, 80), (0.2, 80), (0.3, 80))
)
PEER = {"learning_rate_init": 0.2, "momentum": 0.9, "batch_size": 64, "max_iter": 200, "alpha": 1e-2}
PEER_CANDIDATES = {
    "learning_rate_init": (0.1, 0.2, 0.5),
    "momentum": (0.0, 0.9),
    "batch_size": (64,),
    "max_iter": (200,),
    "alpha": (1e-4, 1e-2),
}


def defaults(command, *arguments):
    """What the command line does when nothing else is said."""
    return cli.commands["train"].commands[command].make_context(command, list(arguments)).params


def some(settings, *names):
    return {name: settings[name] for name in names}


LEARNING = ("epochs", "lr", "batch_size", "schedule")
SIZES = ("model_dim", "num_heads", "num_layers")


def peer(data, seed, **settings):
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier((128,), activation="logistic", solver="sgd", random_state=seed, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # It says that it would go on.
        return model.fit(*data.train)


def percent(numbers):
    return f"{np.mean(numbers):.2f} % (min {min(numbers):.2f}, max {max(numbers):.2f}, {len(numbers)} seeds)"


@click.group()
def main():
    """Print how well the models do."""


@main.command("two-layer")
@click.option("--choose", is_flag=True)
def two_layer(choose):
    ours = defaults("two-layer")
    data = [load_data("digits", seed) for seed in range(10)]
    if choose:
        for candidate in itertools.product(*PEER_CANDIDATES.values()):
            settings = dict(zip(PEER_CANDIDATES, candidate, strict=True))
            scores = [
                100 * peer(part, seed, **settings).score(*part.validation) for seed, part in enumerate(data)
            ]
            print(f"scikit-learn {settings}: validation {percent(scores)}", flush=True)
        for lr, batch_size, schedule in itertools.product((0.5, 1.0), (4, 16, 64), ("constant", "cosine")):
            candidate = {**ours, "lr": lr, "batch_size": batch_size, "schedule": schedule}
            scores = [network(part, seed, candidate).history["validation_accuracy"][-1]
                      for seed, part in enumerate(data)]  # fmt: skip
            print(
                f"clearhead lr {lr}, batch {batch_size}, {schedule}: validation {percent(scores)}", flush=True
            )
        return
    scores = [tested(network(part, seed, ours), part) for seed, part in enumerate(data)]
    peers = [100 * peer(part, seed, **PEER).score(*part.test) for seed, part in enumerate(data)]
    print(f"two-layer, digits: test {percent(scores)}")
    print(f"scikit-learn MLPClassifier {PEER}: test {percent(peers)}")
    print(f"difference {np.mean(scores) - np.mean(peers):+.2f}")


def network(data, seed, settings):
    model = TwoLayerNN(data.train.X.shape[1], settings["hiddens"], len(data.labels), seed=seed)
    return fit(model, data, seed=seed, **some(settings, *LEARNING))


def tested(run, data):
    return learner_of(run.model).evaluate(data.test)[1]


@main.command()
@click.option("--choose", is_flag=True)
def attention(choose):
    import torch

    ours = defaults("attention")
    candidates = (
        [{**ours, "lr": lr, "num_layers": layers} for lr in (1e-3, 3e-3) for layers in (1, 2)]
        if choose
        else [ours]
    )
    for settings in candidates:
        scores, seconds = [], []
        for seed in range(5):
            data, began = load_data("digits", seed), time.perf_counter()
            torch.manual_seed(seed)
            model = SequenceClassifier(data.shape, len(data.labels), patch=settings["patch"],
                                       **some(settings, *SIZES))  # fmt: skip
            run = fit(
                model,
                data,
                seed=seed,
                **some(settings, *LEARNING),
            )
            seconds.append(time.perf_counter() - began)
            scores.append(run.history["validation_accuracy"][-1] if choose else tested(run, data))
        name = f"lr {settings['lr']}, {settings['num_layers']} layers, validation" if choose else "test"
        print(f"attention, digits: {name} {percent(scores)}, at most {max(seconds):.0f} s a run", flush=True)


@main.command()
@click.argument("folder")
@click.option("--choose", is_flag=True)
@click.option("--seed", default=0)
def mnist(folder, choose, seed):
    data = load_data(folder, seed, validation=None if choose else 0)
    for settings in MNIST_CANDIDATES if choose else [MNIST]:
        began = time.perf_counter()
        run = fit(TwoLayerNN(784, 800, 10, seed=seed), data, schedule="cosine", seed=seed, **settings)
        error = 100 - (run.history["validation_accuracy"][-1] if choose else tested(run, data))
        print(f"MNIST, 784-800-10, {settings}, cosine, {len(data.train.X):,} images: "
              f"{'validation' if choose else 'test'} error {error:.2f} %, {time.perf_counter() - began:.0f} s", flush=True)  # fmt: skip


@main.command()
@click.argument("file")
@click.option("--seed", default=0)
def language(file, seed):
    import torch

    ours = defaults("language", "--data", file)
    data, began = load_data(file, seed), time.perf_counter()
    torch.manual_seed(seed)
    model = LanguageModel(len(data.labels), ours["context"],
                          **some(ours, *SIZES))  # fmt: skip
    run = fit(
        model,
        data,
        seed=seed,
        **some(ours, "steps", *LEARNING),
    )
    loss = run.history["validation_loss"][-1]
    print(f"language, {ours['steps']} steps: validation loss {loss:.4f} (perplexity {math.exp(loss):.3f}) over "
          f"{len(data.validation.X):,} characters, {time.perf_counter() - began:.0f} s")  # fmt: skip


if __name__ == "__main__":
    main()
