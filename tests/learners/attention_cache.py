import torch
from torch import nn


class CustomMultiHeadAttention(nn.Module):
    """
    Multi-head self attention. forward returns (output, cache); the cache is for backward.

    Inputs:
    - num_heads: A
    - model_dim: M
    """

    def __init__(self, num_heads, model_dim):
        super(CustomMultiHeadAttention, self).__init__()
        self.num_heads = num_heads
        self.model_dim = model_dim
        self.head_dim = model_dim // num_heads
        ########################################################################
        # TODO: Initialize the projections                                     #
        ########################################################################
        self.q_linear = nn.Linear(model_dim, model_dim)
        self.k_linear = nn.Linear(model_dim, model_dim)
        self.v_linear = nn.Linear(model_dim, model_dim)
        self.o_linear = nn.Linear(model_dim, model_dim)
        ########################################################################
        #                           END OF YOUR CODE                           #
        ########################################################################

    def forward(self, x, mask=None):
        cache = {}
        B, T, M = x.shape
        A, K = self.num_heads, self.head_dim
        ########################################################################
        # TODO: Implement the forward pass and store everything in cache       #
        ########################################################################
        q = self.q_linear(x).view(B, T, A, K).transpose(1, 2)
        k = self.k_linear(x).view(B, T, A, K).transpose(1, 2)
        v = self.v_linear(x).view(B, T, A, K).transpose(1, 2)
        cache["q"], cache["k"], cache["v"] = q, k, v

        scores = q.matmul(k.transpose(2, 3))
        scores = scores * K ** -0.5
        if mask is not None:
            scores = scores.masked_fill(torch.logical_not(mask), -1e4)
        cache["scores"] = scores

        weights = nn.Softmax(dim=3)(scores)
        cache["weights"] = weights

        heads = weights.matmul(v)
        merged = heads.transpose(1, 2).flatten(2)
        cache["merged"] = merged
        output = self.o_linear(merged)
        ########################################################################
        #                           END OF YOUR CODE                           #
        ########################################################################
        return output, cache


def test_shapes():
    mha = CustomMultiHeadAttention(3, 12)
    output, cache = mha(torch.randn(2, 5, 12))
    assert output.shape == (2, 5, 12)
    assert cache["weights"].shape == (2, 3, 5, 5)
    print("shapes ok")


test_shapes()
