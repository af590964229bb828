# two layer net as a closure: make_net() returns the functions that you can call
import numpy as np


def make_net(n_in, n_hid, n_out, seed=None):
    r = np.random.default_rng(seed)
    theta = [
        r.normal(0, (1 / n_in) ** 0.5, (n_in, n_hid)),
        np.zeros(n_hid),
        r.normal(0, (1 / n_hid) ** 0.5, (n_hid, n_out)),
        np.zeros(n_out),
    ]

    def activate(a):
        # both branches are safe
        small = np.exp(-abs(a))
        return np.where(a < 0, small, 1) / (1 + small)

    def softmax(a):
        b = np.exp(a - np.max(a, 1, keepdims=True))
        return b / np.sum(b, 1, keepdims=True)

    def forward(xs):
        hid = activate(xs @ theta[0] + theta[1])
        return hid, softmax(hid @ theta[2] + theta[3])

    def loss(xs, ts):
        ps = forward(xs)[1]
        return sum(-np.log(max(p[t], 1e-12)) for p, t in zip(ps, ts)) / len(ts)

    def gradient(xs, ts):
        n = len(xs)
        hid, err = forward(xs)
        for i, t in enumerate(ts):
            err[i, t] -= 1
        back = err @ theta[2].T
        back = back * hid * (1 - hid)
        return [xs.T @ back / n, back.sum(0) / n, hid.T @ err / n, err.sum(0) / n]

    def step(xs, ts, lr):
        for p, g in zip(theta, gradient(xs, ts)):
            p -= lr * g

    def train(xs, ts, lr=0.1, epochs=5, bs=16):
        for e in range(epochs):
            order = r.permutation(len(xs))
            for i in range(0, len(xs), bs):
                step(xs[order[i:i + bs]], ts[order[i:i + bs]], lr)
            print('epoch', e, 'loss', loss(xs, ts), 'acc', accuracy(xs, ts))

    def accuracy(xs, ts):
        return float(np.mean(np.argmax(forward(xs)[1], axis=1) == ts))

    return theta, forward, loss, gradient, step, train, accuracy
