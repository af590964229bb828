import numpy as np


class Module:
    """Base class: forward remembers what backward needs."""

    def forward(self, x):
        raise NotImplementedError

    def backward(self, grad_output, lr):
        raise NotImplementedError


class Dense(Module):
    def __init__(self, n_in, n_out):
        limit = np.sqrt(6 / (n_in + n_out))
        self.weights = np.random.uniform(-limit, limit, size=(n_in, n_out))
        self.bias = np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.weights + self.bias

    def backward(self, grad_output, lr):
        grad_input = grad_output @ self.weights.T
        grad_weights = self.x.T @ grad_output
        grad_bias = grad_output.sum(axis=0)
        # update right here
        self.weights -= lr * grad_weights
        self.bias -= lr * grad_bias
        return grad_input


class Sigmoid(Module):
    def forward(self, x):
        self.s = 0.5 + 0.5 * np.tanh(0.5 * x)
        return self.s

    def backward(self, grad_output, lr):
        return grad_output * self.s * (1 - self.s)


class SoftmaxCrossEntropy:
    def forward(self, logits, labels):
        shifted = logits - logits.max(axis=1, keepdims=True)
        self.log_probs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        self.labels = labels
        return -self.log_probs[range(len(labels)), labels].mean()

    def backward(self):
        grad = np.exp(self.log_probs)
        grad[range(len(self.labels)), self.labels] -= 1
        return grad / len(self.labels)


class Sequential:
    def __init__(self, n_in, n_hidden, n_out):
        self.layers = [Dense(n_in, n_hidden), Sigmoid(), Dense(n_hidden, n_out)]
        self.loss = SoftmaxCrossEntropy()

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def train_batch(self, x, labels, lr):
        loss = self.loss.forward(self.forward(x), labels)
        grad = self.loss.backward()
        for layer in reversed(self.layers):
            grad = layer.backward(grad, lr)
        return loss

    def predict(self, x):
        return self.forward(x).argmax(axis=-1)

    def score(self, x, labels):
        return 100 * np.mean(self.predict(x) == labels)


def iterate_minibatches(inputs, targets, batchsize):
    assert len(inputs) == len(targets)
    indices = np.random.permutation(len(inputs))
    for start_idx in range(0, len(inputs), batchsize):
        excerpt = indices[start_idx:start_idx + batchsize]
        yield inputs[excerpt], targets[excerpt]


def train(network, X_train, y_train, lr=0.1, epochs=25, batchsize=32):
    log = []
    for epoch in range(epochs):
        for x_batch, y_batch in iterate_minibatches(X_train, y_train, batchsize):
            network.train_batch(x_batch, y_batch, lr)
        log.append(network.score(X_train, y_train))
    return log
