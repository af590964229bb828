import numpy as np
from numpy.random import default_rng


def logsumexp(a):
    top = np.max(a, axis=1, keepdims=True)
    return top + np.log(np.sum(np.exp(a - top), axis=1, keepdims=True))


def sigmoid(a):
    return np.exp(-np.logaddexp(0, -a))


class Classifier:
    """One hidden layer, negative log likelihood, integer labels."""

    def __init__(self, *, n_in, n_h, n_out, lr=0.1, seed=0):
        self.rng = default_rng(seed)
        self.lr = lr
        self.theta = {
            "W_h": self.rng.normal(size=(n_in, n_h)) / n_in**0.5,
            "b_h": np.zeros(n_h),
            "W_o": self.rng.normal(size=(n_h, n_out)) / n_h**0.5,
            "b_o": np.zeros(n_out),
        }

    def forward(self, x):
        """Returns log p(class | x), and what backward needs."""
        pre = x @ self.theta["W_h"] + self.theta["b_h"]
        act = sigmoid(pre)
        logits = act @ self.theta["W_o"] + self.theta["b_o"]
        log_p = logits - logsumexp(logits)
        return log_p, {"x": x, "act": act, "log_p": log_p}

    def predict_proba(self, x):
        log_p, _ = self.forward(x)
        return np.exp(log_p)

    @staticmethod
    def nll(log_p, labels):
        picked = np.take_along_axis(log_p, labels[:, None], axis=1)
        return -picked.mean()

    def backward(self, labels, saved):
        x, act, log_p = saved["x"], saved["act"], saved["log_p"]
        n, c = log_p.shape
        one_hot = np.eye(c)[labels]
        g_logits = (np.exp(log_p) - one_hot) / n
        g_act = g_logits @ self.theta["W_o"].T
        g_pre = g_act * act * (1 - act)
        return {
            "W_h": x.T @ g_pre,
            "b_h": g_pre.sum(axis=0),
            "W_o": act.T @ g_logits,
            "b_o": g_logits.sum(axis=0),
        }

    def step(self, gradients):
        for key, g in gradients.items():
            self.theta[key] = self.theta[key] - self.lr * g

    def fit(self, x, labels, epochs=10, batch_size=32):
        n = len(x)
        losses = []
        for _ in range(epochs):
            shuffled = self.rng.permutation(n)
            while len(shuffled):
                now, shuffled = shuffled[:batch_size], shuffled[batch_size:]
                log_p, saved = self.forward(x[now])
                losses.append(self.nll(log_p, labels[now]))
                self.step(self.backward(labels[now], saved))
        return losses

    def error_rate(self, x, labels):
        """Share of wrong answers, in percent."""
        log_p, _ = self.forward(x)
        return 100 * np.mean(log_p.argmax(axis=1) != labels)

    def accuracy(self, x, labels):
        return 100 - self.error_rate(x, labels)
