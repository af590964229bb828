"""The kinds of model that learn, and what a run needs of each: sizes, parameters, probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from clearhead.raw import Array
from clearhead.two_layer_nn import TwoLayerNN

if TYPE_CHECKING:
    from clearhead.transformer import LanguageModel, SequenceClassifier

    Model: TypeAlias = TwoLayerNN | SequenceClassifier | LanguageModel

ROWS_AT_ONCE = 1024


def kind_of(model: Model) -> str:
    """two-layer, attention or language. Raises TypeError for what is none of them."""
    if isinstance(model, TwoLayerNN):
        return "two-layer"
    from clearhead.transformer import LanguageModel, SequenceClassifier

    if isinstance(model, SequenceClassifier):
        return "attention"
    if isinstance(model, LanguageModel):
        return "language"
    raise TypeError(
        f"model must be a TwoLayerNN, SequenceClassifier or LanguageModel; got {type(model).__name__}."
    )


def settings_of(model: Model) -> dict[str, Any]:
    """What `build` needs to make a model of the same sizes."""
    if isinstance(model, TwoLayerNN):
        (input_dim, num_hiddens), num_classes = model.params["W1"].shape, model.params["b2"].size
        return {"input_dim": input_dim, "num_hiddens": num_hiddens, "num_classes": num_classes,
                "seed": model.seed, "dtype": model.dtype.name}  # fmt: skip
    settings: dict[str, Any] = model.settings
    return settings


def build(kind: str, settings: dict[str, Any]) -> Model:
    """A new model of a kind (two-layer, attention, language) and its constructor's arguments."""
    if kind == "two-layer":
        return TwoLayerNN(**settings)
    from clearhead import transformer

    kinds = {"attention": transformer.SequenceClassifier, "language": transformer.LanguageModel}
    model: Model = kinds[kind](**settings)
    return model


def parameters(model: Model) -> dict[str, Array]:
    """A copy of every parameter by name."""
    if isinstance(model, TwoLayerNN):
        return {name: value.copy() for name, value in model.params.items()}
    # NumPy has no bfloat16; float32 holds it exactly.
    return {
        name: (value.float() if value.dtype.itemsize < 4 else value).detach().cpu().numpy().copy()
        for name, value in model.state_dict().items()
    }


def restore(model: Model, values: dict[str, Array]) -> None:
    """Put back what `parameters` returned."""
    if {n: v.shape for n, v in values.items()} != {n: v.shape for n, v in parameters(model).items()}:
        raise RuntimeError("the parameters are not of the sizes in config.json")
    if isinstance(model, TwoLayerNN):
        model.params = {name: value.copy() for name, value in values.items()}
    else:
        import torch

        model.load_state_dict({name: torch.tensor(value) for name, value in values.items()})


def probabilities_of(model: Model, X: Array) -> Array:
    """The probabilities (N, C) of a classifier for scaled inputs X (N, D), some rows at a time."""
    chunks = [X[start : start + ROWS_AT_ONCE] for start in range(0, max(len(X), 1), ROWS_AT_ONCE)]
    if isinstance(model, TwoLayerNN):
        return np.concatenate([model.forward(chunk)[0] for chunk in chunks])
    import torch

    device = model.places.device
    with torch.inference_mode():
        scores = [model(torch.from_numpy(chunk).to(device, model.places.dtype)) for chunk in chunks]
        return torch.cat(scores).float().softmax(dim=-1).cpu().numpy()
