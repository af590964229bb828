"""What attention is for: a classifier of sequences and a language model, both from one Block.

Each step is a function: its parameters are the values that it needs, and its docstring says
`value[axes] = formula: meaning`. B sequences, T tokens, M model_dim, F the wide layer, V symbols
(or numbers in a token), C classes. Radford et al. 2019 (GPT-2), section 2.3: each norm stands
before what it feeds, and one more at the end. The values that no step makes:

tokens[B,T,V]: which symbol stands where, one-hot; for a classifier, the numbers of each token
E[V,M]: a vector for each symbol
P[T,M]: a vector for each place
g1[M]: gain of the first norm
c1[M]: its shift
output[B,T,M]: what attention gave (attention.py)
g2[M]: gain of the second norm
c2[M]: its shift
Wf[F,M]: weights of the wide layer
bf[F]: its biases
Wn[M,F]: weights back to the narrow one
bn[M]: its biases
g3[M]: gain of the last norm
c3[M]: its shift
Wc[V,M]: weights of the language model's last layer
Y[B,T,V]: the symbols that really came next, one-hot
Wy[C,M]: weights of the classifier's last layer
by[C]: its biases
target[B,C]: the labels, one-hot
"""

from numbers import Integral

import torch
from torch import nn
from torch.nn import functional as F

from clearhead.attention import MultiHeadAttention, check_whole
from clearhead.linear import linear


def embedded(tokens, E, P):
    """x[B,T,M] = tokens E + P: each symbol's vector, plus its place's."""
    return tokens @ E + P


def first_norm(x, g1, c1):
    """normed[B,T,M] = norm_M(x) ⊙ g1 + c1: each token brought to mean 0 and spread 1, then stretched."""
    return F.layer_norm(x, x.shape[-1:], g1, c1)


def after_attention(x, output):
    """attended[B,T,M] = x + output: the token, and what it learnt from the others."""
    return x + output


def second_norm(attended, g2, c2):
    """normed_2[B,T,M] = norm_M(attended) ⊙ g2 + c2: the same again before the wide layer."""
    return F.layer_norm(attended, attended.shape[-1:], g2, c2)


def wide_values(normed_2, Wf, bf):
    """wide[B,T,F] = gelu(normed_2 Wfᵀ + bf): what each hidden unit makes of a token."""
    return F.gelu(F.linear(normed_2, Wf, bf))


def block_output(attended, wide, Wn, bn):
    """out[B,T,M] = attended + wide Wnᵀ + bn: the token, and what was made of it."""
    return attended + F.linear(wide, Wn, bn)


def last_norm(out, g3, c3):
    """normed_3[B,T,M] = norm_M(out) ⊙ g3 + c3: the last block's tokens, brought to one spread."""
    return F.layer_norm(out, out.shape[-1:], g3, c3)


def next_probabilities(normed_3, Wc):
    """p[B,T,V] = softmax_V(normed_3 Wcᵀ): the chance of each symbol to come next."""
    return F.linear(normed_3, Wc).softmax(dim=-1)


def next_loss(p, Y):
    """loss[] = -mean_BT(Σ_V(Y ⊙ log(p))): the surprise at what came, averaged over every place."""
    return -(Y * p.clamp_min(torch.finfo(p.dtype).tiny).log()).sum(dim=-1).mean()


def mean_token(normed_3):
    """pooled[B,M] = mean_T(normed_3): the tokens of a sequence, averaged into one."""
    return normed_3.mean(dim=1)


def class_probabilities(pooled, Wy, by):
    """y[B,C] = softmax_C(pooled Wyᵀ + by): the chance of each class."""
    return F.linear(pooled, Wy, by).softmax(dim=-1)


def class_loss(y, target):
    """class_loss[] = -mean_B(Σ_C(target ⊙ log(y))): the surprise at the right class, averaged over the sequences."""
    return -(target * y.clamp_min(torch.finfo(y.dtype).tiny).log()).sum(dim=-1).mean()


def _check_positive(**sizes):
    check_whole(**sizes)
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name}={size} must be at least 1.")


class Block(nn.Module):
    """Attention between the tokens, then a wide layer for each: both add to what was there.

        attended = x + attention(norm(x))
        out = attended + gelu(norm(attended) Wfᵀ + bf) Wnᵀ + bn

    >>> Block(num_heads=8, model_dim=64)(torch.randn(2, 5, 64)).shape
    torch.Size([2, 5, 64])
    """

    def __init__(self, num_heads, model_dim):
        super().__init__()
        self.first_norm = nn.LayerNorm(model_dim)
        self.attention = MultiHeadAttention(num_heads, model_dim)
        self.second_norm = nn.LayerNorm(model_dim)
        self.widen = nn.Linear(model_dim, 4 * model_dim)
        self.narrow = nn.Linear(4 * model_dim, model_dim)

    def forward(self, x, mask=None, causal=False, keep=None):
        """(B,T,M) to (B,T,M). mask and causal as in attention. keep: a dictionary, filled with
        x, normed, attention (the attention's own values), attended, normed_2, wide and out.
        """
        inner = None if keep is None else {}
        normed = self.first_norm(x)
        attended = after_attention(x, self.attention(normed, mask, causal, inner))
        normed_2 = self.second_norm(attended)
        wide = F.gelu(linear(self.widen, normed_2))
        out = attended + linear(self.narrow, wide)
        if keep is not None:
            keep.update(x=x, normed=normed, attention=inner, attended=attended,
                        normed_2=normed_2, wide=wide, out=out)  # fmt: skip
        return out


class _Transformer(nn.Module):
    """What both models share: places, blocks, a last norm, and how their weights begin."""

    def __init__(self, embedding, num_tokens, model_dim, num_heads, num_layers):
        super().__init__()
        check_whole(num_layers=num_layers)
        if num_layers < 1:
            raise ValueError(f"num_layers={num_layers} leaves no block; use at least 1.")
        self.embedding = embedding
        self.places = nn.Parameter(torch.zeros(num_tokens, model_dim))
        self.blocks = nn.ModuleList(Block(num_heads, model_dim) for _ in range(num_layers))
        self.last_norm = nn.LayerNorm(model_dim)

    def _initialize(self):
        """Normal, spread 0.02; what adds to the tokens is scaled down by √(2 · layers) (GPT-2, section 2.3)."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.places, std=0.02)
        for block in self.blocks:
            for adding in (block.attention.out_proj, block.narrow):
                nn.init.normal_(adding.weight, std=0.02 / (2 * len(self.blocks)) ** 0.5)

    def _through_blocks(self, x, causal, keep):
        kept = [None] * len(self.blocks) if keep is None else keep.get("blocks") or [{} for _ in self.blocks]
        for block, inner in zip(self.blocks, kept, strict=True):
            x = block(x, causal=causal, keep=inner)
        normed_3 = self.last_norm(x)
        if keep is not None:
            keep.update(blocks=kept, normed_3=normed_3)
        return normed_3


class SequenceClassifier(_Transformer):
    """A class for each sequence of vectors, or for each image cut into patches.

    Parameters
    ----------
    input_shape : tuple of int
        Of one example: (tokens, numbers) for a sequence, (height, width) or (height, width,
        channels) for an image, (features,) for a row of a table (each feature is a token then).
    num_classes, model_dim, num_heads, num_layers : int
    patch : tuple of int or int, optional
        Height and width (or both in one) of the patch of an image that makes one token, dividing the image's.
        None: each row is a token, as a sequence has it.

    Examples
    --------
    >>> model = SequenceClassifier((8, 8), num_classes=10, patch=(2, 2))
    >>> model(torch.randn(5, 8, 8)).shape, model.tokens(torch.randn(5, 64)).shape
    (torch.Size([5, 10]), torch.Size([5, 16, 4]))
    """

    def __init__(self, input_shape, num_classes, *, patch=None, model_dim=64, num_heads=8, num_layers=2):
        input_shape = (input_shape,) if isinstance(input_shape, Integral) else input_shape
        patch = (patch, patch) if isinstance(patch, Integral) else patch
        _check_positive(num_classes=num_classes, model_dim=model_dim)
        if not 1 <= len(input_shape) <= 3 or min(input_shape) < 1:
            raise ValueError(f"input_shape={tuple(input_shape)} must be (tokens, numbers), (height, width), "
                             "(height, width, channels) or (features,), each at least 1.")  # fmt: skip
        height, width, channels = (*input_shape, 1, 1)[:3]
        patch_height, patch_width = patch or (1, width)
        if min(patch_height, patch_width) < 1 or height % patch_height or width % patch_width:
            raise ValueError(f"patch={tuple(patch)} must divide an example of {height} by {width}; without a patch "
                             "each row is a token.")  # fmt: skip
        num_tokens = (height // patch_height) * (width // patch_width)
        embedding = nn.Linear(patch_height * patch_width * channels, model_dim, bias=False)
        super().__init__(embedding, num_tokens, model_dim, num_heads, num_layers)
        self.settings = dict(input_shape=tuple(input_shape), num_classes=num_classes, patch=patch and tuple(patch),
                             model_dim=model_dim, num_heads=num_heads, num_layers=num_layers)  # fmt: skip
        self.grid = (
            height // patch_height,
            patch_height,
            width // patch_width,
            patch_width * channels,
        )
        self.classes = nn.Linear(model_dim, num_classes)
        self._initialize()

    def tokens(self, X):
        """The tokens (B,T,V) of the examples X, (B, *input_shape) or flattened, (B, numbers)."""
        shape = self.settings["input_shape"]
        if X.ndim < 2 or tuple(X.shape[1:]) not in (shape, (torch.Size(shape).numel(),)):
            raise ValueError(f"X must be (examples, {', '.join(map(str, shape))}) or that flattened; "
                             f"got {tuple(X.shape)}.")  # fmt: skip
        patches = X.reshape(len(X), *self.grid).transpose(2, 3)
        return patches.reshape(len(X), self.places.shape[0], self.embedding.in_features)

    def forward(self, X, keep=None):
        """The score (B,C) of each class; their softmax is the probability.

        keep: a dictionary, filled with tokens, x, blocks (a dictionary each), normed_3, pooled, y.
        Of blocks only some are kept if it comes with such a list, None for each that is not.
        """
        tokens = self.tokens(X)
        x = linear(self.embedding, tokens) + self.places
        normed_3 = self._through_blocks(x, False, keep)
        pooled = mean_token(normed_3)
        scores = self.classes(pooled)
        if keep is not None:
            keep.update(tokens=tokens, x=x, pooled=pooled, y=scores.softmax(dim=-1))
        return scores


class LanguageModel(_Transformer):
    """The chance of each symbol to come next, from the symbols before it.

    Parameters
    ----------
    num_symbols : int
        V, how many different symbols (here: characters) there are.
    context : int
        How many symbols back it sees.
    model_dim, num_heads, num_layers : int

    Examples
    --------
    >>> model = LanguageModel(num_symbols=65, context=16, model_dim=64, num_heads=8, num_layers=2)
    >>> model(torch.zeros(3, 12, dtype=torch.long)).shape
    torch.Size([3, 12, 65])
    >>> model.generate([1, 2, 3], length=5).shape
    torch.Size([8])
    """

    def __init__(self, num_symbols, context=64, *, model_dim=128, num_heads=4, num_layers=4):
        _check_positive(num_symbols=num_symbols, context=context, model_dim=model_dim)
        super().__init__(nn.Embedding(num_symbols, model_dim), context, model_dim, num_heads, num_layers)
        self.settings = dict(num_symbols=num_symbols, context=context, model_dim=model_dim,
                             num_heads=num_heads, num_layers=num_layers)  # fmt: skip
        self.symbols = nn.Linear(model_dim, num_symbols, bias=False)
        self._initialize()

    def forward(self, symbols, keep=None):
        """The score (B,T,V) of each symbol to follow the symbols (B,T), numbers from 0 to V - 1.

        keep: a dictionary, filled with tokens (one-hot), x, blocks (a dictionary each), normed_3, p.
        Of blocks only some are kept if it comes with such a list, None for each that is not.
        """
        if symbols.ndim != 2 or not 1 <= symbols.shape[1] <= len(self.places):
            raise ValueError(f"symbols must be (sequences, 1 to {len(self.places)} symbols) because context "
                             f"is {len(self.places)}; got {tuple(symbols.shape)}.")  # fmt: skip
        x = self.embedding(symbols) + self.places[: symbols.shape[1]]
        normed_3 = self._through_blocks(x, True, keep)
        scores = linear(self.symbols, normed_3)
        if keep is not None:
            tokens = F.one_hot(symbols, scores.shape[-1]).to(x.dtype)
            keep.update(tokens=tokens, x=x, p=scores.softmax(dim=-1))
        return scores

    @torch.no_grad()
    def generate(self, prompt, length, *, temperature=1.0, generator=None):
        """The prompt, a list of symbol numbers, and `length` more, each drawn by its chance.

        temperature: below 1 likelier symbols get likelier, 0 always takes the likeliest.
        generator: a seeded torch.Generator repeats the same text.
        """
        if len(prompt) < 1 or length < 0 or temperature < 0:
            raise ValueError(f"prompt of {len(prompt)} symbols, length={length}, temperature={temperature}: "
                             "give at least 1 symbol, a length and a temperature of at least 0.")  # fmt: skip
        symbols = torch.as_tensor(prompt, device=self.places.device)
        for _ in range(length):
            scores = self(symbols[None, -len(self.places) :])[0, -1]
            if temperature == 0:
                following = scores.argmax(dim=-1, keepdim=True)
            else:
                following = torch.multinomial((scores / temperature).softmax(dim=-1), 1, generator=generator)
            symbols = torch.cat([symbols, following])
        return symbols
