"""Random networks and attentions, traced, for the tests of what is shown of them."""

import functools

import numpy as np
import torch

from clearhead import CustomMultiHeadAttention, LanguageModel, SequenceClassifier, TwoLayerNN, trace


@functools.cache
def some_traces():
    """Twenty traces of all kinds of models, sizes all different."""
    made = []
    for seed in range(7):
        generator = np.random.default_rng(seed)
        N, D, H, C = generator.permutation([3, 4 + seed, 12, 2 + seed % 5 + 3])
        net = TwoLayerNN(D, H, C, seed=seed, dtype=[np.float32, np.float64][seed % 2])
        made.append(trace(net, generator.normal(0, 2, (N, D)), generator.integers(C, size=N), lr=0.3))
    for seed in range(7):
        torch.manual_seed(seed)
        B, T, heads, size = [(1, 4, 2, 6), (2, 5, 3, 7), (1, 7, 1, 4), (3, 2, 2, 8)][seed % 4]
        attention = CustomMultiHeadAttention(heads, size)
        x, error = torch.randn(2, B, T, size)
        mask = (torch.rand(B, 1, T, T) < 0.7) if seed % 2 else None
        made.append(trace(attention, x, doutput=error, causal=seed % 3 == 0, mask=mask))
    for seed in range(3):
        torch.manual_seed(seed)
        model = LanguageModel(7, 6, model_dim=8, num_heads=2, num_layers=1 + seed % 2)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
        made.append(trace(model, torch.randint(7, (1, 5))))
        classifier = SequenceClassifier((4, 6), 3, patch=(2, 3), model_dim=10, num_heads=2, num_layers=1)
        made.append(trace(classifier, torch.randn(2, 4, 6), [1, 2]))
    return made


def cells_of(seen, each):
    """Random cells of every value that a step made."""
    generator = np.random.default_rng(len(seen))
    for name in seen.steps:
        shape = seen.shape(name)
        for _ in range(each if shape else 1):
            yield name, tuple(int(generator.integers(length)) for length in shape)
