#!/usr/bin/env python3
# nn.py -- port of my nn.c. no magic, just loops.
import sys
from math import exp, log, sqrt

import numpy as np

LOG_EPS = 1e-15


def sigm(v):
    if v >= 0:
        return 1.0 / (1.0 + exp(-v))
    e = exp(v)
    return e / (1.0 + e)


class Net:
    def __init__(self, nin, nhid, nout, seed=1234):
        self.nin = nin
        self.nhid = nhid
        self.nout = nout
        self.rng = np.random.RandomState(seed)
        self.init_weights()

    def init_weights(self):
        # Glorot: uniform in [-lim, lim]
        lim = sqrt(6.0 / (self.nin + self.nhid))
        self.w1 = self.rng.uniform(-lim, lim, (self.nin, self.nhid))
        self.b1 = np.zeros(self.nhid)
        lim = sqrt(6.0 / (self.nhid + self.nout))
        self.w2 = self.rng.uniform(-lim, lim, (self.nhid, self.nout))
        self.b2 = np.zeros(self.nout)

    def forward_one(self, x):
        """x: one example (nin,). Returns hidden (nhid,), out (nout,)"""
        hid = np.zeros(self.nhid)
        for j in range(self.nhid):
            s = self.b1[j]
            for i in range(self.nin):
                s += x[i] * self.w1[i, j]
            hid[j] = sigm(s)

        out = np.zeros(self.nout)
        for k in range(self.nout):
            s = self.b2[k]
            for j in range(self.nhid):
                s += hid[j] * self.w2[j, k]
            out[k] = s

        # softmax
        biggest = out[0]
        for k in range(1, self.nout):
            if out[k] > biggest:
                biggest = out[k]
        total = 0.0
        for k in range(self.nout):
            out[k] = exp(out[k] - biggest)
            total += out[k]
        for k in range(self.nout):
            out[k] /= total
        return hid, out

    def forward(self, X):
        n = len(X)
        self.H = np.zeros((n, self.nhid))
        self.O = np.zeros((n, self.nout))
        for i in range(n):
            self.H[i], self.O[i] = self.forward_one(X[i])
        return self.O

    def zero_grad(self):
        self.gw1 = np.zeros_like(self.w1)
        self.gb1 = np.zeros_like(self.b1)
        self.gw2 = np.zeros_like(self.w2)
        self.gb2 = np.zeros_like(self.b2)

    def backward(self, X, T):
        """accumulate the gradients over all examples, then average"""
        n = len(X)
        self.zero_grad()
        for e in range(n):
            x, t, hid, out = X[e], T[e], self.H[e], self.O[e]

            # output layer
            dout = np.zeros(self.nout)
            for k in range(self.nout):
                dout[k] = out[k] - t[k]
                self.gb2[k] += dout[k]
                for j in range(self.nhid):
                    self.gw2[j, k] += hid[j] * dout[k]

            # hidden layer
            for j in range(self.nhid):
                err = 0.0
                for k in range(self.nout):
                    err += dout[k] * self.w2[j, k]
                dhid = err * hid[j] * (1.0 - hid[j])
                self.gb1[j] += dhid
                for i in range(self.nin):
                    self.gw1[i, j] += x[i] * dhid

        for g in (self.gw1, self.gb1, self.gw2, self.gb2):
            g /= n

    def update(self, lr):
        self.w1 -= lr * self.gw1
        self.b1 -= lr * self.gb1
        self.w2 -= lr * self.gw2
        self.b2 -= lr * self.gb2

    def loss(self, O, T):
        n = len(O)
        total = 0.0
        for e in range(n):
            for k in range(self.nout):
                if T[e, k] > 0:
                    total -= T[e, k] * log(max(O[e, k], LOG_EPS))
        return total / n

    def accuracy(self, O, T):
        right = 0
        for e in range(len(O)):
            if np.argmax(O[e]) == np.argmax(T[e]):
                right += 1
        return 100.0 * right / len(O)

    def train(self, X, T, lr, epochs, bsize):
        n = len(X)
        for ep in range(epochs):
            order = np.arange(n)
            self.rng.shuffle(order)
            pos = 0
            total = 0.0
            while pos < n:
                batch = order[pos:pos + bsize]
                O = self.forward(X[batch])
                total += self.loss(O, T[batch]) * len(batch)
                self.backward(X[batch], T[batch])
                self.update(lr)
                pos += bsize
            print("epoch %3d  loss %.5f" % (ep, total / n), file=sys.stderr)
        return total / n


def main(argv):
    raw = np.loadtxt(argv[1], delimiter=",")
    X, labels = raw[:, 1:] / 255.0, raw[:, 0].astype(int)
    T = np.zeros((len(labels), 10))
    for i in range(len(labels)):
        T[i, labels[i]] = 1.0
    net = Net(X.shape[1], 30, 10)
    net.train(X, T, 0.5, 20, 32)
    print("accuracy %.2f" % net.accuracy(net.forward(X), T))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
