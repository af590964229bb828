"""The mistakes that learners make in multi-head attention, as wrong steps beside the right ones of `attention`.

A function's name is the mistake's id; what follows two underscores only tells several of one id apart.
Those of one id that stand for one mistake, such as a projection swapped with another, are made together.

x[B,T,M]: the tokens that ask
xk[B,S,M]: the tokens that are found, the same in self-attention
xv[B,S,M]: the tokens that hand over, the same in self-attention
mask[B,A,T,S]: true where a query may attend to a key
turned[B,A,T,S]: the mask with queries and keys exchanged
itself[T,S]: true where the key is the query itself
fill[]: what is put in place of a score that is masked
Wq[AK,M]: weights of the queries
bq[AK]: their biases
Wk[AK,M]: weights of the keys
bk[AK]: their biases
Wv[AK,M]: weights of the values
bv[AK]: their biases
Wo[M,AK]: weights of the output
bo[M]: its biases
queries[B,T,AK]: what each token looks for
keys[B,S,AK]: what each token can be found by
values[B,S,AK]: what each token hands over
q[B,A,T,K]: the queries, one head after the other
k[B,A,S,K]: the keys, one head after the other
v[B,A,S,K]: the values, one head after the other
scores[B,A,T,S]: how well each query fits each key
weights[B,A,T,S]: scores turned into shares
heads[B,A,T,K]: the values, mixed
merged[B,T,AK]: the heads side by side
"""

import numpy as np


def _softmax(z, axis=-1):
    with np.errstate(all="ignore"):
        powers = np.exp(z - z.max(axis=axis, keepdims=True))
        total = powers.sum(axis=axis, keepdims=True)
    return np.where(total > 0, powers / np.where(total == 0, 1, total), 0)


def query_key_swapped__queries(x, Wk, bk):
    """queries[B,T,AK] = x Wkᵀ + bk: the queries come from the projection of the keys."""
    return x @ Wk.T + bk


def query_key_swapped__keys(xk, Wq, bq):
    """keys[B,S,AK] = xk Wqᵀ + bq: the keys come from the projection of the queries."""
    return xk @ Wq.T + bq


def key_value_swapped__keys(xk, Wv, bv):
    """keys[B,S,AK] = xk Wvᵀ + bv: the keys come from the projection of the values."""
    return xk @ Wv.T + bv


def key_value_swapped__values(xv, Wk, bk):
    """values[B,S,AK] = xv Wkᵀ + bk: the values come from the projection of the keys."""
    return xv @ Wk.T + bk


def key_value_swapped__inputs_of_keys(xv, Wk, bk):
    """keys[B,S,AK] = xv Wkᵀ + bk: the keys come from the tokens of the values."""
    return xv @ Wk.T + bk


def key_value_swapped__inputs_of_values(xk, Wv, bv):
    """values[B,S,AK] = xk Wvᵀ + bv: the values come from the tokens of the keys."""
    return xk @ Wv.T + bv


def query_key_swapped__inputs_of_queries(xk, Wq, bq):
    """queries[B,T,AK] = xk Wqᵀ + bq: the queries come from the tokens of the keys."""
    return xk @ Wq.T + bq


def query_key_swapped__inputs_of_keys(x, Wk, bk):
    """keys[B,S,AK] = x Wkᵀ + bk: the keys come from the tokens of the queries."""
    return x @ Wk.T + bk


def query_key_swapped__both_queries(xk, Wk, bk):
    """queries[B,T,AK] = xk Wkᵀ + bk: what was made to be found asks."""
    return xk @ Wk.T + bk


def query_key_swapped__both_keys(x, Wq, bq):
    """keys[B,S,AK] = x Wqᵀ + bq: what was made to ask is found."""
    return x @ Wq.T + bq


def key_value_swapped__both_keys(xv, Wv, bv):
    """keys[B,S,AK] = xv Wvᵀ + bv: what was made to be handed over is found."""
    return xv @ Wv.T + bv


def key_value_swapped__both_values(xk, Wk, bk):
    """values[B,S,AK] = xk Wkᵀ + bk: what was made to be found is handed over."""
    return xk @ Wk.T + bk


def projection_reused__key_for_queries(x, Wk, bk):
    """queries[B,T,AK] = x Wkᵀ + bk: the projection of the keys makes the queries too."""
    return x @ Wk.T + bk


def projection_reused__value_for_queries(x, Wv, bv):
    """queries[B,T,AK] = x Wvᵀ + bv: the projection of the values makes the queries too."""
    return x @ Wv.T + bv


def projection_reused__query_for_keys(xk, Wq, bq):
    """keys[B,S,AK] = xk Wqᵀ + bq: the projection of the queries makes the keys too."""
    return xk @ Wq.T + bq


def projection_reused__value_for_keys(xk, Wv, bv):
    """keys[B,S,AK] = xk Wvᵀ + bv: the projection of the values makes the keys too."""
    return xk @ Wv.T + bv


def projection_reused__key_for_values(xv, Wk, bk):
    """values[B,S,AK] = xv Wkᵀ + bk: the projection of the keys makes the values too."""
    return xv @ Wk.T + bk


def projection_reused__query_for_values(xv, Wq, bq):
    """values[B,S,AK] = xv Wqᵀ + bq: the projection of the queries makes the values too."""
    return xv @ Wq.T + bq


def projection_unused__queries(x):
    """queries[B,T,AK] = reshape(x): the tokens stand where their queries should, unprojected."""
    return x


def projection_unused__keys(xk):
    """keys[B,S,AK] = reshape(xk): the tokens stand where their keys should, unprojected."""
    return xk


def projection_unused__values(xv):
    """values[B,S,AK] = reshape(xv): the tokens stand where their values should, unprojected."""
    return xv


def argument_ignored__keys(x, Wk, bk):
    """keys[B,S,AK] = x Wkᵀ + bk: the keys are made from the first argument, not from their own."""
    return x @ Wk.T + bk


def argument_ignored__values(x, Wv, bv):
    """values[B,S,AK] = x Wvᵀ + bv: the values are made from the first argument, not from their own."""
    return x @ Wv.T + bv


def argument_ignored__values_from_keys(xk, Wv, bv):
    """values[B,S,AK] = xk Wvᵀ + bv: the values are made from the keys' argument, not from their own."""
    return xk @ Wv.T + bv


def argument_ignored__keys_from_values(xv, Wk, bk):
    """keys[B,S,AK] = xv Wkᵀ + bk: the keys are made from the values' argument, not from their own."""
    return xv @ Wk.T + bk


def argument_ignored__queries_from_keys(xk, Wq, bq):
    """queries[B,T,AK] = xk Wqᵀ + bq: the queries are made from the keys' argument, not from their own."""
    return xk @ Wq.T + bq


def split_without_transpose__queries(queries, A, K):
    """q[B,A,T,K] = reshape(queries): the numbers are read on across tokens, not split into heads."""
    B, T, _ = queries.shape
    return queries.reshape(B, int(A), T, int(K))


def split_without_transpose__keys(keys, A, K):
    """k[B,A,S,K] = reshape(keys): the numbers are read on across tokens, not split into heads."""
    B, S, _ = keys.shape
    return keys.reshape(B, int(A), S, int(K))


def split_without_transpose__values(values, A, K):
    """v[B,A,S,K] = reshape(values): the numbers are read on across tokens, not split into heads."""
    B, S, _ = values.shape
    return values.reshape(B, int(A), S, int(K))


def scale_missing(q, k):
    """scores[B,A,T,S] = q kᵀ: not divided by √K, so that the scores grow with head_dim."""
    return q @ k.swapaxes(-1, -2)


def scale_by_model_dim(q, k, M):
    """scores[B,A,T,S] = q kᵀ / √M: divided by the root of model_dim, where each head has only K numbers."""
    return q @ k.swapaxes(-1, -2) / M**0.5


def scale_by_model_dim__all_heads(q, k, AK):
    """scores[B,A,T,S] = q kᵀ / √AK: divided by the root of all heads' length, where each head has only K numbers."""
    return q @ k.swapaxes(-1, -2) / AK**0.5


def scale_without_root(q, k, K):
    """scores[B,A,T,S] = q kᵀ / K: divided by K, not by its root; or by the root twice, which is the same."""
    return q @ k.swapaxes(-1, -2) / K


def scale_multiplied(q, k, K):
    """scores[B,A,T,S] = √K q kᵀ: multiplied by √K, not divided."""
    return q @ k.swapaxes(-1, -2) * K**0.5


def scale_by_heads(q, k, A):
    """scores[B,A,T,S] = q kᵀ / √A: divided by the root of the number of heads."""
    return q @ k.swapaxes(-1, -2) / A**0.5


def scale_by_tokens(q, k, T):
    """scores[B,A,T,S] = q kᵀ / √T: divided by the root of the number of tokens."""
    return q @ k.swapaxes(-1, -2) / T**0.5


def softmax_over_queries(scores, mask):
    """weights[B,A,T,S] = softmax_T(scores where mask): each key's weights sum to one, not each query's."""
    return _softmax(np.where(mask, scores, -np.inf), -2)


def softmax_over_heads(scores, mask):
    """weights[B,A,T,S] = softmax_A(scores where mask): the weights of the heads sum to one, not those of the keys."""
    return _softmax(np.where(mask, scores, -np.inf), 1)


def softmax_over_heads__filled(scores, mask):
    """weights[B,A,T,S] = softmax_A(scores ⊙ mask - 1000000000 (1 - mask)): the weights of the heads sum to one, not those of the keys."""
    return _softmax(scores * mask - 1e9 * (1 - mask), 1)


def softmax_over_batch__sequences(scores, mask):
    """weights[B,A,T,S] = softmax_B(scores where mask): the weights of the sequences sum to one, not those of the keys."""
    return _softmax(np.where(mask, scores, -np.inf), 0)


def softmax_missing(scores, mask):
    """weights[B,A,T,S] = scores ⊙ mask: the scores mix the values as they are."""
    return scores * mask


def softmax_missing__filled(scores, mask, fill):
    """weights[B,A,T,S] = scores ⊙ mask + fill (1 - mask): the scores mix the values as they are, with what masks them."""
    return scores * mask + fill * (1 - mask)


def mask_inverted(scores, mask):
    """weights[B,A,T,S] = softmax_S(scores where [mask = 0]): attends only where it must not."""
    return _softmax(np.where(mask == 0, scores, -np.inf))


def mask_inverted__filled(scores, mask):
    """weights[B,A,T,S] = softmax_S([mask = 0] ⊙ scores - 1000000000 mask): attends only where it must not."""
    return _softmax((mask == 0) * scores - 1e9 * mask)


def mask_discarded(scores, mask):
    """weights[B,A,T,S] = softmax_S(scores where [mask > -1]): the mask changes nothing."""
    return _softmax(scores + 0 * mask)


def mask_on_queries(scores, turned):
    """weights[B,A,T,S] = softmax_S(scores where turned): the mask hides queries, where it should hide keys."""
    return _softmax(np.where(turned, scores, -np.inf))


def mask_on_queries__filled(scores, turned):
    """weights[B,A,T,S] = softmax_S(scores ⊙ turned - 1000000000 (1 - turned)): the mask hides queries, where it should hide keys."""
    return _softmax(scores * turned - 1e9 * (1 - turned))


def mask_on_queries__added(scores, turned):
    """weights[B,A,T,S] = softmax_S(scores - 10000 (1 - turned)): the mask lowers whole rows of queries, which changes nothing."""
    return _softmax(scores - 1e4 * (1 - turned))


def mask_after_softmax(scores, mask):
    """weights[B,A,T,S] = softmax_S(scores) ⊙ mask: masked after the softmax, so that the shares no longer sum to one."""
    return _softmax(scores) * mask


def mask_multiplied_before_softmax(scores, mask):
    """weights[B,A,T,S] = softmax_S(scores ⊙ mask): masked scores become 0, which softmax does not ignore."""
    return _softmax(scores * mask)


def mask_fill_too_small(scores, mask, fill):
    """weights[B,A,T,S] = softmax_S(scores ⊙ mask + fill (1 - mask)): what fills masked scores is too near to the others."""
    return _softmax(scores * mask + fill * (1 - mask))


def mask_fill_too_small__added(scores, mask, fill):
    """weights[B,A,T,S] = softmax_S(scores + fill (1 - mask)): what is added to masked scores is too little."""
    return _softmax(scores + fill * (1 - mask))


def mask_hides_diagonal(scores, mask, itself):
    """weights[B,A,T,S] = softmax_S(scores where mask ⊙ (1 - itself)): a token may not attend to itself."""
    return _softmax(np.where(mask * (1 - itself), scores, -np.inf))


def mask_hides_diagonal__filled(scores, mask, itself):
    """weights[B,A,T,S] = softmax_S(scores ⊙ mask ⊙ (1 - itself) - 1000000000 (1 - mask ⊙ (1 - itself))): a token may not attend to itself."""
    allowed = mask * (1 - itself)
    return _softmax(scores * allowed - 1e9 * (1 - allowed))


def causal_mask_reversed(scores, mask):
    """weights[B,A,T,S] = softmax_S(scores where [mask = 0]): each token sees only what comes after it."""
    return _softmax(np.where(mask == 0, scores, -np.inf))


def causal_mask_reversed__with_itself(scores, turned):
    """weights[B,A,T,S] = softmax_S(scores where turned): each token sees what comes after it, not before."""
    return _softmax(np.where(turned, scores, -np.inf))


def causal_mask_reversed__filled(scores, mask):
    """weights[B,A,T,S] = softmax_S([mask = 0] ⊙ scores - 1000000000 mask): each token sees only what comes after it."""
    return _softmax((mask == 0) * scores - 1e9 * mask)


def attention_transposed(weights, v):
    """heads[B,A,T,K] = weightsᵀ v: each query gets the weights that others gave to it."""
    return weights.swapaxes(-1, -2) @ v


def merge_without_transpose(heads, A, K):
    """merged[B,T,AK] = reshape(heads): the heads are read on across tokens, not set side by side."""
    B, _, T, _ = heads.shape
    return heads.reshape(B, T, int(A * K))


def output_projection_missing(merged):
    """output[B,T,M] = reshape(merged): the heads are returned as they are, without out_proj."""
    return merged


def residual_added(merged, Wo, bo, x):
    """output[B,T,M] = merged Woᵀ + bo + x: the token is added to what attention gave."""
    return merged @ Wo.T + bo + x
