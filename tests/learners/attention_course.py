import math

import torch
import torch.nn as nn
from torch.nn import functional as F

"""
This file defines layer types that are commonly used for transformers.
"""


class MultiHeadAttention(nn.Module):
    """
    A model layer which implements a simplified version of masked attention, as
    introduced by "Attention Is All You Need" (https://arxiv.org/abs/1706.03762).

    Usage:
      attn = MultiHeadAttention(embed_dim, num_heads=2)

      # self-attention
      data = torch.randn(batch_size, sequence_length, embed_dim)
      self_attn_output = attn(query=data, key=data, value=data)
    """

    def __init__(self, embed_dim, num_heads, dropout=0.1):
        super().__init__()
        assert embed_dim % num_heads == 0

        # We will initialize these layers for you, since swapping the ordering
        # would affect the random number generation (and therefore your exact
        # outputs relative to the autograder).
        self.key = nn.Linear(embed_dim, embed_dim)
        self.query = nn.Linear(embed_dim, embed_dim)
        self.value = nn.Linear(embed_dim, embed_dim)
        self.proj = nn.Linear(embed_dim, embed_dim)

        self.attn_drop = nn.Dropout(dropout)

        self.n_head = num_heads
        self.emd_dim = embed_dim
        self.head_dim = self.emd_dim // self.n_head

    def forward(self, query, key, value, attn_mask=None):
        """
        Inputs:
        - query: Input data to be used as the query, of shape (N, S, E)
        - key: Input data to be used as the key, of shape (N, T, E)
        - value: Input data to be used as the value, of shape (N, T, E)
        - attn_mask: Array of shape (S, T) where mask[i,j] == 0 indicates token
          i in the source should not influence token j in the target.

        Returns:
        - output: Tensor of shape (N, S, E)
        """
        N, S, E = query.shape
        N, T, E = value.shape
        H = self.n_head

        keys = self.key(key).view(N, T, H, E // H).moveaxis(1, 2)
        queries = self.query(query).view(N, S, H, E // H).moveaxis(1, 2)
        values = self.value(value).view(N, T, H, E // H).moveaxis(1, 2)

        # (N,H,S,D) x (N,H,D,T) -> (N,H,S,T)
        weights = torch.matmul(queries, keys.transpose(2, 3)) / math.sqrt(self.head_dim)
        if attn_mask is not None:
            weights = weights.masked_fill(attn_mask == 0, -math.inf)
        weights = self.attn_drop(F.softmax(weights, dim=-1))
        output = torch.matmul(weights, values)
        output = output.moveaxis(1, 2).reshape(N, S, E)
        output = self.proj(output)

        return output
