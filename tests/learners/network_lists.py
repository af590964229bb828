"""network.py, after Michael Nielsen, but for whole mini-batches at a time."""
import random

import numpy as np


class Network(object):

    def __init__(self, layer_sizes):
        """``layer_sizes`` contains the number of neurons in the respective
        layers, for example [784, 30, 10]."""
        self.sizes = layer_sizes
        self.num_layers = len(layer_sizes)
        self.default_weight_initializer()

    def default_weight_initializer(self):
        """Gaussian with mean 0 and standard deviation 1 over the square root
        of the number of weights connecting to the same neuron."""
        self.W = [np.random.randn(m, n) / np.sqrt(m)
                  for m, n in zip(self.sizes[:-1], self.sizes[1:])]
        self.b = [np.zeros(n) for n in self.sizes[1:]]

    def feedforward(self, X):
        """Returns zs and activations, layer by layer."""
        activation = X
        activations = [X]
        zs = []
        for w, b in zip(self.W, self.b):
            z = np.dot(activation, w) + b
            zs.append(z)
            if len(zs) < self.num_layers - 1:
                activation = sigmoid(z)
            else:
                activation = softmax(z)
            activations.append(activation)
        return zs, activations

    def backprop(self, X, Y):
        """Return a tuple ``(nabla_b, nabla_w)`` representing the gradient for
        the cost function C over the mini-batch."""
        m = len(X)
        nabla_b = [np.zeros(b.shape) for b in self.b]
        nabla_w = [np.zeros(w.shape) for w in self.W]
        # feedforward
        zs, activations = self.feedforward(X)
        # backward pass
        delta = (activations[-1] - Y) / m
        nabla_b[-1] = delta.sum(axis=0)
        nabla_w[-1] = np.dot(activations[-2].T, delta)
        for l in range(2, self.num_layers):
            z = zs[-l]
            sp = sigmoid_prime(z)
            delta = np.dot(delta, self.W[-l + 1].T) * sp
            nabla_b[-l] = delta.sum(axis=0)
            nabla_w[-l] = np.dot(activations[-l - 1].T, delta)
        return nabla_b, nabla_w

    def update_mini_batch(self, X, Y, eta):
        nabla_b, nabla_w = self.backprop(X, Y)
        self.W = [w - eta * nw
                  for w, nw in zip(self.W, nabla_w)]
        self.b = [b - eta * nb
                  for b, nb in zip(self.b, nabla_b)]

    def SGD(self, X, Y, epochs, mini_batch_size, eta, test_data=None):
        """Train the neural network using mini-batch stochastic gradient descent."""
        n = len(X)
        for j in range(epochs):
            order = list(range(n))
            random.shuffle(order)
            mini_batches = [order[k:k + mini_batch_size]
                            for k in range(0, n, mini_batch_size)]
            for mini_batch in mini_batches:
                self.update_mini_batch(X[mini_batch], Y[mini_batch], eta)
            if test_data:
                print("Epoch {0}: {1} / {2}".format(j, self.evaluate(*test_data), len(test_data[0])))
            else:
                print("Epoch {0} complete".format(j))

    def evaluate(self, X, Y):
        """Return the number of test inputs for which the neural network
        outputs the correct result."""
        output = self.feedforward(X)[1][-1]
        return np.sum(np.argmax(output, axis=1) == np.argmax(Y, axis=1))

    def cost(self, X, Y):
        a = self.feedforward(X)[1][-1]
        return -np.sum(Y * np.nan_to_num(np.log(np.maximum(a, 1e-300)))) / len(X)


#### Miscellaneous functions
def sigmoid(z):
    """The sigmoid function."""
    return 1.0/(1.0+np.exp(-z))


def sigmoid_prime(z):
    """Derivative of the sigmoid function."""
    return sigmoid(z)*(1-sigmoid(z))


def softmax(z):
    e = np.exp(z - z.max(axis=1)[:, None])
    return e / e.sum(axis=1)[:, None]
