"""Multi-head self-attention: softmax(Q Kᵀ / √head_dim) V in every head (Vaswani et al. 2017, section 3.2).

Each step is a function: its parameters are the values that it needs, and its docstring says
`value[axes] = formula: meaning`. B sequences, T queries, S keys (the same tokens), M model_dim,
A heads, K head_dim, AK all heads side by side. The values that no step makes:

x[B,T,M]: the tokens, a vector each
mask[B,A,T,S]: true where a query may attend to a key
Wq[AK,M]: weights of query_proj
bq[AK]: its biases
Wk[AK,M]: weights of key_proj
bk[AK]: its biases
Wv[AK,M]: weights of value_proj
bv[AK]: its biases
Wo[M,AK]: weights of out_proj
bo[M]: its biases
doutput[B,T,M]: the error that arrives at the output
"""

from numbers import Integral

import torch
from torch import nn
from torch.nn import functional as F

try:
    from clearhead.linear import linear
except ImportError:  # Pasted into a notebook: the layer as it is.

    def linear(layer, x):  # type: ignore[misc]
        """layer(x)"""
        return layer(x)


def query_projection(x, Wq, bq):
    """queries[B,T,AK] = x Wqᵀ + bq: what each token looks for, all heads side by side."""
    return F.linear(x, Wq, bq)


def key_projection(x, Wk, bk):
    """keys[B,S,AK] = x Wkᵀ + bk: what each token can be found by."""
    return F.linear(x, Wk, bk)


def value_projection(x, Wv, bv):
    """values[B,S,AK] = x Wvᵀ + bv: what each token hands over when attended to."""
    return F.linear(x, Wv, bv)


def head_queries(queries, A):
    """q[B,A,T,K] = split(queries): the same numbers, one head after the other."""
    return queries.unflatten(-1, (A, -1)).transpose(-3, -2)


def head_keys(keys, A):
    """k[B,A,S,K] = split(keys): the same numbers, one head after the other."""
    return keys.unflatten(-1, (A, -1)).transpose(-3, -2)


def head_values(values, A):
    """v[B,A,S,K] = split(values): the same numbers, one head after the other."""
    return values.unflatten(-1, (A, -1)).transpose(-3, -2)


def attention_scores(q, k):
    """scores[B,A,T,S] = q kᵀ / √K: how well each query fits each key, brought to unit spread."""
    # Divided first, so that half precision does not overflow where the fused kernel does not.
    return (q / q.shape[-1] ** 0.5) @ k.mT


def attention_weights(scores, mask):
    """weights[B,A,T,S] = softmax_S(scores where mask): scores turned into shares of one; nothing allowed, nothing given."""
    # A row of −∞ alone would make nan, in its gradient too: it keeps its scores and is zeroed after.
    hidden = ~mask & mask.any(dim=-1, keepdim=True)
    return scores.masked_fill(hidden, -torch.inf).softmax(dim=-1) * mask


def head_outputs(weights, v):
    """heads[B,A,T,K] = weights v: the values, mixed by the weights."""
    return weights @ v


def merged_heads(heads):
    """merged[B,T,AK] = merge(heads): the heads of a token side by side."""
    return heads.transpose(-3, -2).flatten(-2)


def output_projection(merged, Wo, bo):
    """output[B,T,M] = merged Woᵀ + bo: the heads combined."""
    return F.linear(merged, Wo, bo)


def merged_error(doutput, Wo):
    """dmerged[B,T,AK] = doutput Wo: the error sent back through out_proj."""
    return doutput @ Wo


def out_weight_gradient(doutput, merged):
    """dWo[M,AK] = Σ_B(doutputᵀ merged): errors times what fed them, summed over every token."""
    return (doutput.mT @ merged).sum(dim=0)


def out_bias_gradient(doutput):
    """dbo[M] = Σ_BT(doutput): the errors, summed over every token."""
    return doutput.sum(dim=(0, 1))


def heads_error(dmerged, A):
    """dheads[B,A,T,K] = split(dmerged): each head's part of the error."""
    return dmerged.unflatten(-1, (A, -1)).transpose(-3, -2)


def weights_error(dheads, v):
    """dweights[B,A,T,S] = dheads vᵀ: how the loss would change if a query looked a little more at a key."""
    return dheads @ v.mT


def value_error(weights, dheads):
    """dv[B,A,S,K] = weightsᵀ dheads: each value gets the errors of the queries that looked at it."""
    return weights.mT @ dheads


def scores_error(weights, dweights):
    """dscores[B,A,T,S] = weights ⊙ (dweights - Σ_S(weights ⊙ dweights)): the slope of softmax: better than this query's average, or worse."""
    return weights * (dweights - (weights * dweights).sum(dim=-1, keepdim=True))


def query_error(dscores, k):
    """dq[B,A,T,K] = dscores k / √K: the keys, weighed by the errors of the scores."""
    return dscores @ k / k.shape[-1] ** 0.5


def key_error(dscores, q):
    """dk[B,A,S,K] = dscoresᵀ q / √K: the queries, weighed by the errors of the scores."""
    return dscores.mT @ q / q.shape[-1] ** 0.5


def queries_error(dq):
    """dqueries[B,T,AK] = merge(dq): the heads' errors side by side again."""
    return dq.transpose(-3, -2).flatten(-2)


def keys_error(dk):
    """dkeys[B,S,AK] = merge(dk): the heads' errors side by side again."""
    return dk.transpose(-3, -2).flatten(-2)


def values_error(dv):
    """dvalues[B,S,AK] = merge(dv): the heads' errors side by side again."""
    return dv.transpose(-3, -2).flatten(-2)


def query_weight_gradient(dqueries, x):
    """dWq[AK,M] = Σ_B(dqueriesᵀ x): each error times the token that fed it, summed over every token."""
    return (dqueries.mT @ x).sum(dim=0)


def query_bias_gradient(dqueries):
    """dbq[AK] = Σ_BT(dqueries): the errors, summed over every token."""
    return dqueries.sum(dim=(0, 1))


def key_weight_gradient(dkeys, x):
    """dWk[AK,M] = Σ_B(dkeysᵀ x): each error times the token that fed it, summed over every token."""
    return (dkeys.mT @ x).sum(dim=0)


def key_bias_gradient(dkeys):
    """dbk[AK] = Σ_BS(dkeys): zero but for rounding: a bias that moves every key alike moves no weight."""
    return dkeys.sum(dim=(0, 1))


def value_weight_gradient(dvalues, x):
    """dWv[AK,M] = Σ_B(dvaluesᵀ x): each error times the token that fed it, summed over every token."""
    return (dvalues.mT @ x).sum(dim=0)


def value_bias_gradient(dvalues):
    """dbv[AK] = Σ_BS(dvalues): the errors, summed over every token."""
    return dvalues.sum(dim=(0, 1))


def error_as_query(dqueries, Wq):
    """dx_query[B,T,M] = dqueries Wq: what comes back to a token for what it looked for."""
    return dqueries @ Wq


def error_as_key(dkeys, Wk):
    """dx_key[B,T,M] = dkeys Wk: what comes back to a token for how it was found."""
    return dkeys @ Wk


def error_as_value(dvalues, Wv):
    """dx_value[B,T,M] = dvalues Wv: what comes back to a token for what it handed over."""
    return dvalues @ Wv


def token_error(dx_query, dx_key, dx_value):
    """dx[B,T,M] = dx_query + dx_key + dx_value: all that comes back to a token."""
    return dx_query + dx_key + dx_value


def check_whole(**sizes):
    """Raise TypeError for the first size that is no whole number.

    >>> check_whole(num_heads=8, model_dim=64)
    """
    for name, size in sizes.items():
        if not isinstance(size, Integral):
            raise TypeError(f"{name}={size!r} must be a whole number.")


class CustomMultiHeadAttention(nn.Module):
    """Multi-head self-attention: every token looks at the others and takes a share of each.

        queries, keys, values = x Wqᵀ + bq, x Wkᵀ + bk, x Wvᵀ + bv       split into heads
        weights = softmax(q kᵀ / √head_dim where mask)                  a share for every key
        output = (weights v, the heads side by side) Woᵀ + bo

    Vaswani et al. 2017, "Attention Is All You Need", sections 3.2.1 and 3.2.2.

    Parameters
    ----------
    num_heads : int
        A, at least 1.
    model_dim : int
        M, the length of a token's vector, at least num_heads. Where it is not a multiple of
        num_heads, all_heads_dim = num_heads · (model_dim // num_heads) is smaller than it.

    Attributes
    ----------
    query_proj, key_proj, value_proj : nn.Linear
        model_dim -> all_heads_dim.
    out_proj : nn.Linear
        all_heads_dim -> model_dim.
    num_heads, head_dim, all_heads_dim, model_dim : int

    Raises
    ------
    ValueError, TypeError
        Where a size leaves nothing to attend with, or x or mask does not fit.

    Examples
    --------
    >>> attention = CustomMultiHeadAttention(num_heads=8, model_dim=64)
    >>> attention(torch.randn(2, 5, 64)).shape
    torch.Size([2, 5, 64])
    >>> keep = {}
    >>> output = attention(torch.randn(2, 5, 64), causal=True, keep=keep)
    >>> keep["weights"].shape
    torch.Size([2, 8, 5, 5])
    """

    def __init__(self, num_heads, model_dim):
        super().__init__()
        check_whole(num_heads=num_heads, model_dim=model_dim)
        if num_heads < 1:
            raise ValueError(f"num_heads={num_heads} leaves nothing to attend with; use at least 1.")
        if model_dim < num_heads:
            raise ValueError(f"model_dim={model_dim} is too small for num_heads={num_heads}; use a model_dim of at "
                             f"least {num_heads}, or at most {model_dim} heads.")  # fmt: skip
        self.num_heads, self.model_dim = num_heads, model_dim
        self.head_dim = model_dim // num_heads
        self.all_heads_dim = self.head_dim * num_heads
        self.query_proj = nn.Linear(model_dim, self.all_heads_dim)
        self.key_proj = nn.Linear(model_dim, self.all_heads_dim)
        self.value_proj = nn.Linear(model_dim, self.all_heads_dim)
        self.out_proj = nn.Linear(self.all_heads_dim, model_dim)

    def split_heads(self, tensor):
        """(B,T,all_heads_dim) to (B,heads,T,head_dim): the same numbers, one head after the other.

        >>> CustomMultiHeadAttention(8, 64).split_heads(torch.ones(2, 5, 64)).shape
        torch.Size([2, 8, 5, 8])
        """
        return head_queries(tensor, self.num_heads)

    def forward(self, x, mask=None, causal=False, keep=None):
        """The output (B,T,M) for the tokens x (B,T,M).

        mask: boolean, True where a query may attend to a key, broadcastable to (B,heads,T,S); a
        query that may attend to nothing gets zeros from its heads. causal: no query sees a later
        key, whatever mask says. keep: a dictionary, filled with every value by name (x, queries,
        keys, values, q, k, v, scores, mask, weights, heads, merged, output); without one the
        fused kernel runs, which gives the same output and gradients.

        >>> attention = CustomMultiHeadAttention(8, 64)
        >>> padding = torch.tensor([[True, True, False]])  # (B,S): the third token is none
        >>> attention(torch.randn(1, 3, 64), mask=padding[:, None, None, :]).shape
        torch.Size([1, 3, 64])
        """
        self._check(x, mask)
        if keep is None:
            return linear(self.out_proj, merged_heads(self._fused(x, mask, causal)))
        queries, keys, values = self._projected(x)
        q, k, v = (self.split_heads(tensor) for tensor in (queries, keys, values))
        mask = self._allowed(x.shape[1], mask, causal, x.device).expand(len(x), self.num_heads, -1, -1)
        scores = attention_scores(q, k)
        weights = attention_weights(scores, mask)
        heads = head_outputs(weights, v)
        merged = merged_heads(heads)
        output = linear(self.out_proj, merged)
        keep.update({
            "x": x, "queries": queries, "keys": keys, "values": values, "q": q, "k": k, "v": v,
            "scores": scores, "mask": mask, "weights": weights, "heads": heads, "merged": merged,
            "output": output,
        })  # fmt: skip
        return output

    @torch.no_grad()
    def gradients(self, doutput, keep):
        """The chain rule by hand: from the error doutput (B,T,M) at the output back to everything.

        keep is the dictionary that `forward` filled. Returns by name dmerged, dheads, dweights,
        dv, dscores, dq, dk, dqueries, dkeys, dvalues, the parameters' gradients (dWq, dbq, dWk,
        dbk, dWv, dbv, dWo, dbo, shaped as weight and bias of the four projections), dx_query,
        dx_key, dx_value and dx (B,T,M). They equal autograd's.

        >>> attention, keep = CustomMultiHeadAttention(8, 64), {}
        >>> output = attention(torch.randn(2, 5, 64), keep=keep)
        >>> attention.gradients(torch.ones_like(output), keep)["dWq"].shape
        torch.Size([64, 64])
        """
        if "weights" not in keep:
            raise ValueError("keep holds no values; fill it first: attention(x, keep=keep).")
        # Under autocast the forward pass kept some values in half precision.
        dtype = self.out_proj.weight.dtype
        names = ("x", "q", "k", "v", "weights", "merged")
        x, q, k, v, weights, merged = (keep[name].to(dtype) for name in names)
        doutput = doutput.to(dtype)
        if doutput.shape != x.shape:
            raise ValueError(
                f"doutput must have the output's shape {tuple(x.shape)}; got {tuple(doutput.shape)}."
            )
        Wq, Wk, Wv, Wo = (projection.weight for projection in
                          (self.query_proj, self.key_proj, self.value_proj, self.out_proj))  # fmt: skip
        A = self.num_heads
        dmerged = merged_error(doutput, Wo)
        dWo = out_weight_gradient(doutput, merged)
        dbo = out_bias_gradient(doutput)
        dheads = heads_error(dmerged, A)
        dweights = weights_error(dheads, v)
        dv = value_error(weights, dheads)
        dscores = scores_error(weights, dweights)
        dq = query_error(dscores, k)
        dk = key_error(dscores, q)
        dqueries = queries_error(dq)
        dkeys = keys_error(dk)
        dvalues = values_error(dv)
        dWq = query_weight_gradient(dqueries, x)
        dbq = query_bias_gradient(dqueries)
        dWk = key_weight_gradient(dkeys, x)
        dbk = key_bias_gradient(dkeys)
        dWv = value_weight_gradient(dvalues, x)
        dbv = value_bias_gradient(dvalues)
        dx_query = error_as_query(dqueries, Wq)
        dx_key = error_as_key(dkeys, Wk)
        dx_value = error_as_value(dvalues, Wv)
        dx = token_error(dx_query, dx_key, dx_value)
        return {
            "dmerged": dmerged, "dWo": dWo, "dbo": dbo, "dheads": dheads, "dweights": dweights,
            "dv": dv, "dscores": dscores, "dq": dq, "dk": dk,
            "dqueries": dqueries, "dkeys": dkeys, "dvalues": dvalues,
            "dWq": dWq, "dbq": dbq, "dWk": dWk, "dbk": dbk, "dWv": dWv, "dbv": dbv,
            "dx_query": dx_query, "dx_key": dx_key, "dx_value": dx_value, "dx": dx,
        }  # fmt: skip

    def _projected(self, x):
        return [linear(projection, x) for projection in (self.query_proj, self.key_proj, self.value_proj)]

    def _fused(self, x, mask, causal):
        """The heads (B,A,T,K) by PyTorch's kernel, which never holds all scores at once."""
        q, k, v = map(self.split_heads, self._projected(x))
        if mask is None:
            return F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        mask = self._allowed(q.shape[-2], mask, causal, q.device)
        # Not every kernel gives zeros where nothing is allowed: let all in, and take none out.
        some = mask.any(dim=-1, keepdim=True)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask | ~some) * some

    @staticmethod
    def _allowed(tokens, mask, causal, device):
        """mask and causal as one boolean mask, broadcastable to (B,heads,T,S)."""
        allowed = torch.ones(tokens, tokens, dtype=torch.bool, device=device)
        if causal:
            allowed = allowed.tril()
        return allowed if mask is None else allowed & mask

    def _check(self, x, mask):
        for name, tensor in (("x", x), ("mask", mask)):
            if not isinstance(tensor, torch.Tensor) and (name == "x" or tensor is not None):
                raise TypeError(f"{name} must be a torch tensor; got {type(tensor).__name__}. "
                                f"Pass torch.as_tensor({name}).")  # fmt: skip
        if x.ndim != 3 or x.shape[2] != self.model_dim:
            hint = " For one sequence, pass x[None]." if x.ndim == 2 else ""
            raise ValueError(f"x must be (sequences, tokens, {self.model_dim}) because model_dim is "
                             f"{self.model_dim}; got {tuple(x.shape)}.{hint}")  # fmt: skip
        if not x.is_floating_point():
            raise TypeError(f"x must hold vectors of real numbers; got {x.dtype}. Embed symbols first.")
        if mask is None:
            return
        if mask.dtype != torch.bool:
            raise TypeError(f"mask must be boolean, True where a query may attend; got {mask.dtype}. "
                            "Pass mask == 0 for a mask that is added, mask != 0 for one of ones and zeros.")  # fmt: skip
        full = (x.shape[0], self.num_heads, x.shape[1], x.shape[1])
        pairs = zip(reversed(mask.shape), reversed(full), strict=False)
        if mask.ndim > 4 or any(size not in (1, length) for size, length in pairs):
            raise ValueError(f"mask must broadcast to (sequences, heads, queries, keys) = {full}; got "
                             f"{tuple(mask.shape)}. For padding of (sequences, keys), pass mask[:, None, None, :].")  # fmt: skip


MultiHeadAttention = CustomMultiHeadAttention
