import numpy as np
import torch
from torch import nn


class SelfAttention(nn.Module):
    """softmax(Q K^T / sqrt(d)) V with my own weight matrices (no nn.Linear)"""

    def __init__(self, num_heads: int, model_dim: int):
        super().__init__()
        self.A = num_heads
        self.M = model_dim
        self.K = model_dim // num_heads
        s = 1 / np.sqrt(model_dim)
        # (in, out): rows are the inputs
        self.Wq = nn.Parameter(torch.randn(model_dim, model_dim) * s)
        self.Wk = nn.Parameter(torch.randn(model_dim, model_dim) * s)
        self.Wv = nn.Parameter(torch.randn(model_dim, model_dim) * s)
        self.Wo = nn.Parameter(torch.randn(model_dim, model_dim) * s)
        self.bq = nn.Parameter(torch.zeros(model_dim))
        self.bk = nn.Parameter(torch.zeros(model_dim))
        self.bv = nn.Parameter(torch.zeros(model_dim))
        self.bo = nn.Parameter(torch.zeros(model_dim))

    def forward(self, x, mask=None):
        B, T, M = x.shape
        Q = x @ self.Wq + self.bq
        K = x @ self.Wk + self.bk
        V = x @ self.Wv + self.bv

        Q = Q.reshape(B, T, self.A, self.K).permute(0, 2, 1, 3)
        K = K.reshape(B, T, self.A, self.K).permute(0, 2, 3, 1)   # already transposed: (B, A, K, T)
        V = V.reshape(B, T, self.A, self.K).permute(0, 2, 1, 3)

        S = Q @ K / np.sqrt(self.K)
        if mask is not None:
            S[~mask.expand_as(S)] = -1e9
        P = nn.functional.softmax(S, -1)
        H = P @ V                                                  # (B, A, T, K)
        H = H.permute(0, 2, 1, 3).reshape(B, T, M)
        return H @ self.Wo + self.bo


x = torch.rand(2, 4, 6)
layer = SelfAttention(2, 6)
print(layer(x))
