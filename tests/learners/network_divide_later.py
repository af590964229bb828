"""A two layer network. Gradients are accumulated (summed) and divided by the
number of samples seen when the update is done, so that several backward calls
can precede one update."""
import argparse

import numpy as np


class TwoLayerNetwork:
    PARAMETERS = ("W1", "b1", "W2", "b2")

    def __init__(self, d_in, d_hidden, d_out, random_state=None):
        rng = np.random.default_rng(random_state)
        self.W1 = rng.standard_normal((d_in, d_hidden)) * (2.0 / (d_in + d_hidden)) ** 0.5
        self.b1 = np.zeros(d_hidden)
        self.W2 = rng.standard_normal((d_hidden, d_out)) * (2.0 / (d_hidden + d_out)) ** 0.5
        self.b2 = np.zeros(d_out)
        self.rng = rng
        self.zero_grad()

    def zero_grad(self):
        self.grads = {name: np.zeros_like(getattr(self, name)) for name in self.PARAMETERS}
        self.seen = 0

    def forward(self, x):
        hidden = 1.0 / (1.0 + np.exp(-(x @ self.W1 + self.b1)))
        scores = hidden @ self.W2 + self.b2
        scores -= scores.max(axis=1, keepdims=True)
        log_probs = scores - np.log(np.sum(np.exp(scores), axis=1, keepdims=True))
        return np.exp(log_probs), (hidden, log_probs)

    def backward(self, x, labels, cache):
        """Add the gradients of every sample's own loss. labels are class numbers."""
        hidden, log_probs = cache
        d_scores = np.exp(log_probs)
        d_scores[np.arange(len(x)), labels] -= 1.0
        self.grads["W2"] += hidden.T @ d_scores
        self.grads["b2"] += d_scores.sum(axis=0)
        d_hidden = d_scores @ self.W2.T
        d_hidden *= hidden * (1.0 - hidden)
        self.grads["W1"] += x.T @ d_hidden
        self.grads["b1"] += d_hidden.sum(axis=0)
        self.seen += len(x)

    def update(self, learning_rate):
        for name in self.PARAMETERS:
            value = getattr(self, name)
            value -= learning_rate * self.grads[name] / self.seen
        self.zero_grad()

    def loss(self, x, labels):
        _, (_, log_probs) = self.forward(x)
        return -log_probs[np.arange(len(x)), labels].mean()

    def accuracy(self, x, labels):
        probs, _ = self.forward(x)
        return np.mean(np.argmax(probs, axis=1) == labels)

    def train_step(self, x, labels, learning_rate):
        _, cache = self.forward(x)
        self.backward(x, labels, cache)
        self.update(learning_rate)

    def train(self, x, labels, learning_rate=0.1, epochs=10, batch_size=32):
        losses = [self.loss(x, labels)]
        for _ in range(epochs):
            shuffled = self.rng.permutation(len(x))
            for batch in np.array_split(shuffled, range(batch_size, len(x), batch_size)):
                self.train_step(x[batch], labels[batch], learning_rate)
            losses.append(self.loss(x, labels))
        return losses


def parse_args():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", help="npz with x and labels")
    parser.add_argument("--hidden", type=int, default=64)
    return parser.parse_args()


if __name__ == "__main__":
    args = parse_args()
    data = np.load(args.data)
    net = TwoLayerNetwork(data["x"].shape[1], args.hidden, data["labels"].max() + 1, random_state=0)
    print(net.train(data["x"], data["labels"]))
