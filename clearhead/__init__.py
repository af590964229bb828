"""clearhead: train, see and check the two building blocks of deep learning.

>>> from clearhead import TwoLayerNN, fit, load_data
>>> run = fit(TwoLayerNN(64, 32, 10, seed=0), load_data("digits"), epochs=5, lr=0.5, batch_size=64)
>>> run.history["train_accuracy"][-1] > 90
True
"""

import importlib
from typing import TYPE_CHECKING, Any

# Loaded on first use: the network needs NumPy alone, and loading PyTorch takes seconds.
_MODULES = {
    "Block": "transformer",
    "CustomMultiHeadAttention": "attention",
    "Data": "data",
    "LanguageModel": "transformer",
    "MultiHeadAttention": "attention",
    "Run": "checkpoint",
    "SequenceClassifier": "transformer",
    "Step": "steps",
    "Trace": "steps",
    "TwoLayerNN": "two_layer_nn",
    "check": "checking",
    "fit": "train",
    "load": "checkpoint",
    "load_data": "data",
    "trace": "steps",
    "trace_bytes": "steps",
}
__all__ = sorted(_MODULES)
__version__ = "0.1.0"

if TYPE_CHECKING:
    from clearhead.attention import CustomMultiHeadAttention as CustomMultiHeadAttention
    from clearhead.attention import MultiHeadAttention as MultiHeadAttention
    from clearhead.checking import check as check
    from clearhead.checkpoint import Run as Run
    from clearhead.checkpoint import load as load
    from clearhead.data import Data as Data
    from clearhead.data import load_data as load_data
    from clearhead.steps import Step as Step
    from clearhead.steps import Trace as Trace
    from clearhead.steps import trace as trace
    from clearhead.steps import trace_bytes as trace_bytes
    from clearhead.train import fit as fit
    from clearhead.transformer import Block as Block
    from clearhead.transformer import LanguageModel as LanguageModel
    from clearhead.transformer import SequenceClassifier as SequenceClassifier
    from clearhead.two_layer_nn import TwoLayerNN as TwoLayerNN


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'clearhead' has no attribute {name!r}; it has {', '.join(__all__)}.")
    return getattr(importlib.import_module(f"clearhead.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
