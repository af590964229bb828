"""Two layers, no classes, no state: every function returns what it makes."""

from functools import reduce

import numpy as np


def sigma(t):
    return 0.5 * (1 + np.tanh(t / 2))


def log_softmax(s):
    s = s - s.max(-1, keepdims=True)
    return s - np.log(np.exp(s).sum(-1, keepdims=True))


def softmax(s):
    return np.exp(log_softmax(s))


def glorot(rng, n_from, n_to):
    limit = np.sqrt(6 / (n_from + n_to))
    return rng.uniform(-limit, limit, size=(n_from, n_to))


def init(rng, d, h, c):
    return glorot(rng, d, h), np.zeros(h), glorot(rng, h, c), np.zeros(c)


def forward(params, x):
    w1, b1, w2, b2 = params
    a = sigma(x @ w1 + b1)
    s = a @ w2 + b2
    return softmax(s), (x, a, s)


def loss(params, x, t):
    _, (_, _, s) = forward(params, x)
    return -(t * log_softmax(s)).sum(-1).mean()


def gradient(params, x, t):
    _, _, w2, _ = params
    p, (x, a, _) = forward(params, x)
    e2 = (p - t) / x.shape[0]
    e1 = (e2 @ w2.T) * a * (1 - a)
    return x.T @ e1, e1.sum(0), a.T @ e2, e2.sum(0)


def descend(params, grads, rate):
    return tuple(p - rate * g for p, g in zip(params, grads))


def batches(rng, x, t, size):
    order = rng.permutation(len(x))
    return [(x[i], t[i]) for i in np.split(order, range(size, len(x), size))]


def epoch(rng, params, x, t, rate, size):
    return reduce(lambda ps, batch: descend(ps, gradient(ps, *batch), rate), batches(rng, x, t, size), params)


def train(rng, params, x, t, rate=0.1, size=32, epochs=10):
    for _ in range(epochs):
        params = epoch(rng, params, x, t, rate, size)
    return params


def accuracy(params, x, t):
    p, _ = forward(params, x)
    return np.mean(p.argmax(-1) == t.argmax(-1))


if __name__ == "__main__":
    from sklearn.datasets import load_digits

    digits = load_digits()
    rng = np.random.default_rng(0)
    x, t = digits.data / 16, np.eye(10)[digits.target]
    params = train(rng, init(rng, 64, 32, 10), x, t)
    print(f"{accuracy(params, x, t):.1%}")
