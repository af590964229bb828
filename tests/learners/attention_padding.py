"""Self-attention for variable-length sequences; d2l.ai style."""
import math

import torch
from torch import nn


def masked_softmax(X, valid):
    """Softmax over the last axis; valid (batch, keys) is True for real tokens."""
    if valid is None:
        return nn.functional.softmax(X, dim=-1)
    shape = X.shape
    valid = torch.repeat_interleave(valid, shape[0] // valid.shape[0], dim=0)
    X = X.masked_fill(~valid[:, None, :], -1e6)
    return nn.functional.softmax(X, dim=-1)


class DotProductAttention(nn.Module):
    def __init__(self, dropout):
        super().__init__()
        self.dropout = nn.Dropout(dropout)

    def forward(self, queries, keys, values, valid=None):
        d = queries.shape[-1]
        scores = torch.bmm(queries, keys.transpose(1, 2)) / math.sqrt(d)
        self.attention_weights = masked_softmax(scores, valid)
        return torch.bmm(self.dropout(self.attention_weights), values)


class MultiHeadAttention(nn.Module):
    def __init__(self, num_hiddens, num_heads, dropout=0.1, bias=False):
        super().__init__()
        self.num_heads = num_heads
        self.attention = DotProductAttention(dropout)
        self.W_q = nn.Linear(num_hiddens, num_hiddens, bias=bias)
        self.W_k = nn.Linear(num_hiddens, num_hiddens, bias=bias)
        self.W_v = nn.Linear(num_hiddens, num_hiddens, bias=bias)
        self.W_o = nn.Linear(num_hiddens, num_hiddens, bias=bias)

    def transpose_qkv(self, X):
        """Transposition for parallel computation of multiple attention heads."""
        X = X.reshape(X.shape[0], X.shape[1], self.num_heads, -1)
        X = X.permute(0, 2, 1, 3)
        return X.reshape(-1, X.shape[2], X.shape[3])

    def transpose_output(self, X):
        """Reverse the operation of transpose_qkv."""
        X = X.reshape(-1, self.num_heads, X.shape[1], X.shape[2])
        X = X.permute(0, 2, 1, 3)
        return X.reshape(X.shape[0], X.shape[1], -1)

    def forward(self, x, valid=None):
        queries = self.transpose_qkv(self.W_q(x))
        keys = self.transpose_qkv(self.W_k(x))
        values = self.transpose_qkv(self.W_v(x))
        output = self.attention(queries, keys, values, valid)
        output_concat = self.transpose_output(output)
        return self.W_o(output_concat)


num_hiddens, num_heads = 100, 5
attention = MultiHeadAttention(num_hiddens, num_heads, 0.5)
batch_size, num_queries = 2, 4
valid = torch.tensor([[True, True, True, False], [True, True, False, False]])
X = torch.ones((batch_size, num_queries, num_hiddens))
print(attention(X, valid).shape)
