"""Two-layer classifier with L2 weight decay."""
from __future__ import annotations

import logging
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

logger = logging.getLogger(__name__)
Array = NDArray[np.float64]


@dataclass
class Config:
    n_features: int = 784
    n_hidden: int = 128
    n_classes: int = 10
    l2: float = 0.0
    learning_rate: float = 0.1
    batch_size: int = 64
    epochs: int = 10
    seed: int = 0


@dataclass
class Params:
    w1: Array
    b1: Array
    w2: Array
    b2: Array


@dataclass
class Trace:
    x: Array
    hidden: Array
    probs: Array


class Model:
    def __init__(self, config: Config) -> None:
        self.config = config
        self.rng = np.random.default_rng(config.seed)
        self.params = self._init_params()

    def _init_params(self) -> Params:
        c = self.config
        return Params(
            w1=self._glorot((c.n_features, c.n_hidden)),
            b1=np.zeros(c.n_hidden),
            w2=self._glorot((c.n_hidden, c.n_classes)),
            b2=np.zeros(c.n_classes),
        )

    def _glorot(self, shape: tuple[int, int]) -> Array:
        return self.rng.normal(scale=np.sqrt(2.0 / sum(shape)), size=shape)

    def forward(self, x: Array) -> Trace:
        p = self.params
        hidden = 0.5 * (1.0 + np.tanh(0.5 * (x @ p.w1 + p.b1)))
        logits = hidden @ p.w2 + p.b2
        logits = logits - logits.max(axis=1, keepdims=True)
        exps = np.exp(logits)
        return Trace(x=x, hidden=hidden, probs=exps / exps.sum(axis=1, keepdims=True))

    def loss(self, trace: Trace, targets: Array) -> float:
        """Mean cross-entropy plus l2 / 2 times the squared weights."""
        p = self.params
        eps = np.finfo(float).tiny
        data = -(targets * np.log(np.maximum(trace.probs, eps))).sum(axis=1).mean()
        penalty = 0.5 * self.config.l2 * ((p.w1**2).sum() + (p.w2**2).sum())
        return float(data + penalty)

    def gradients(self, trace: Trace, targets: Array) -> Params:
        p, l2 = self.params, self.config.l2
        n = trace.x.shape[0]
        d_logits = (trace.probs - targets) / n
        d_hidden = d_logits @ p.w2.T
        d_pre = d_hidden * trace.hidden * (1.0 - trace.hidden)
        return Params(
            w1=trace.x.T @ d_pre + l2 * p.w1,
            b1=d_pre.sum(axis=0),
            w2=trace.hidden.T @ d_logits + l2 * p.w2,
            b2=d_logits.sum(axis=0),
        )

    def apply(self, grads: Params) -> None:
        lr = self.config.learning_rate
        self.params = Params(
            w1=self.params.w1 - lr * grads.w1,
            b1=self.params.b1 - lr * grads.b1,
            w2=self.params.w2 - lr * grads.w2,
            b2=self.params.b2 - lr * grads.b2,
        )

    def fit(self, x: Array, targets: Array) -> list[float]:
        c = self.config
        history: list[float] = []
        for epoch in range(c.epochs):
            order = self.rng.permutation(len(x))
            for start in range(0, len(x), c.batch_size):
                rows = order[start : start + c.batch_size]
                trace = self.forward(x[rows])
                self.apply(self.gradients(trace, targets[rows]))
            history.append(self.loss(self.forward(x), targets))
            logger.info("epoch %d loss %.4f", epoch, history[-1])
        return history

    def accuracy(self, x: Array, targets: Array) -> float:
        hits = self.forward(x).probs.argmax(axis=1) == targets.argmax(axis=1)
        return float(100.0 * hits.mean())


def main() -> None:
    logging.basicConfig(level=logging.INFO)
    data = np.load("train.npz")
    model = Model(Config(l2=1e-4))
    model.fit(data["x"], data["y"])


if __name__ == "__main__":
    main()
