"""A two-layer network with hand-written backpropagation: y = softmax(σ(X W1 + b1) W2 + b2).

Each step is a function: its parameters are the values that it needs, and its docstring says
`value[axes] = formula: meaning`. N examples, D features, H hidden units, C classes.
The values that no step makes:

X[N,D]: the examples, one a row
Y[N,C]: their labels, one-hot
W1[D,H]: weights of the hidden layer
b1[H]: biases of the hidden layer
W2[H,C]: weights of the output layer
b2[C]: biases of the output layer
lr[]: the learning rate
"""

from numbers import Integral

import numpy as np

try:
    from clearhead.blas import add_product
except ImportError:  # Pasted into a notebook: the same in two operations.

    def add_product(total, left, right, factor):  # type: ignore[misc]
        """total (I,K) += factor · left (I,J) right (J,K), in place."""
        total += factor * (left @ right)


SCORED_AT_ONCE = 1024  # Examples, so that loss and accuracy of small batches cost little.


def hidden_sum(X, W1, b1):
    """z1[N,H] = X W1 + b1: how strongly each example drives each hidden unit."""
    return X @ W1 + b1


def hidden_values(z1):
    """h[N,H] = σ(z1): each drive squashed into (0, 1)."""
    # 0.5 tanh(0.5 z1) + 0.5: nothing overflows. In one array, and by a half of its kind, it is quick.
    h = np.asarray(0.5 * z1)
    half = np.array(0.5, h.dtype)
    np.tanh(h, out=h)
    h *= half
    h += half
    return h


def output_sum(h, W2, b2):
    """z2[N,C] = h W2 + b2: the score of each class."""
    return h @ W2 + b2


def probabilities(z2):
    """y[N,C] = softmax_C(z2): scores turned into shares of one."""
    powers = np.exp(z2 - z2.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def cross_entropy(y, Y):
    """loss[] = -mean_N(Σ_C(Y ⊙ log(y))): the surprise at the right class, averaged over the examples."""
    return -(Y * np.log(np.maximum(y, np.finfo(y.dtype).tiny))).sum() / len(y)


def accuracy(y, Y):
    """accuracy[] = 100 mean_N([argmax_C(y) = argmax_C(Y)]): the percentage of examples whose likeliest class is the right one."""
    return 100 * np.count_nonzero(y.argmax(axis=1) == Y.argmax(axis=1)) / len(y)


def output_error(y, Y):
    """dz2[N,C] = (y - Y) / N: what each score should lose, averaged; softmax and cross-entropy in one."""
    return (y - Y) / len(y)


def output_weight_gradient(h, dz2):
    """dW2[H,C] = hᵀ dz2: each hidden value times the error that it fed, summed over the examples."""
    return h.T @ dz2


def output_bias_gradient(dz2):
    """db2[C] = Σ_N(dz2): the error of each class, summed over the examples."""
    return dz2.sum(axis=0)


def hidden_values_error(dz2, W2):
    """dh[N,H] = dz2 W2ᵀ: the error sent back along the weights it came by."""
    return dz2 @ W2.T


def hidden_error(dh, h):
    """dz1[N,H] = dh ⊙ h ⊙ (1 - h): the same, times the slope of σ."""
    return dh * h * (1 - h)


def hidden_weight_gradient(X, dz1):
    """dW1[D,H] = Xᵀ dz1: each input times the error that it fed, summed over the examples."""
    return X.T @ dz1


def hidden_bias_gradient(dz1):
    """db1[H] = Σ_N(dz1): the error of each hidden unit, summed over the examples."""
    return dz1.sum(axis=0)


def updated(value, gradient, lr):
    """value_next[...] = value - lr gradient: one step against the gradient."""
    return value - lr * gradient


class TwoLayerNN:
    """A classifier with one hidden layer, y = softmax(σ(X W1 + b1) W2 + b2), trained by gradient descent.

    Parameters
    ----------
    input_dim, num_hiddens, num_classes : int
        D, H and C, each at least 1.
    seed : int, optional
        Fixes the initial parameters and the order of the examples in `train`; None draws anew.
    dtype : float32 or float64
        Of every parameter and every value.

    Attributes
    ----------
    params : dict
        W1 (D,H), b1 (H,), W2 (H,C), b2 (C,).

    Raises
    ------
    ValueError
        Where a size is below 1, the dtype is another, or an array's shape does not fit.

    Examples
    --------
    >>> net = TwoLayerNN(input_dim=4, num_hiddens=8, num_classes=3, seed=0)
    >>> y, ff_dict = net.forward(np.ones((5, 4)))
    >>> y.shape, sorted(ff_dict)
    ((5, 3), ['X', 'h', 'y', 'z1', 'z2'])
    """

    def __init__(self, input_dim=784, num_hiddens=256, num_classes=10, *, seed=None, dtype=np.float32):
        self.dtype = np.dtype(dtype)
        if self.dtype not in (np.float32, np.float64):
            raise ValueError(f"dtype must be float32 or float64; got {self.dtype}.")
        self.seed = seed
        # A generator of its own, so that the order of the examples does not repeat the weights.
        self.shuffler = np.random.default_rng(seed).spawn(1)[0]
        self.params = self.initialize_parameters(input_dim, num_hiddens, num_classes)

    def initialize_parameters(self, input_dim, num_hiddens, num_classes):
        """Draw the parameters: W1 (D,H), b1 (H,), W2 (H,C), b2 (C,), the same for the same seed.

        Weights are normal with standard deviation √(2 / (fan_in + fan_out)): Xavier, Glorot &
        Bengio 2010, equation 12 for the normal distribution. Biases start at zero: a choice,
        the paper's (section 2.3); any constant would do, since the weights already differ.

        >>> TwoLayerNN(seed=0).initialize_parameters(4, 8, 3)["W1"].shape
        (4, 8)
        """
        sizes = {"input_dim": input_dim, "num_hiddens": num_hiddens, "num_classes": num_classes}
        for name, size in sizes.items():
            if not isinstance(size, Integral) or size < 1:
                raise ValueError(f"{name}={size!r} must be a whole number of at least 1.")
        generator = np.random.default_rng(self.seed)

        def xavier(fan_in, fan_out):
            spread = np.sqrt(2 / (fan_in + fan_out))
            return generator.normal(0, spread, (fan_in, fan_out)).astype(self.dtype)

        return {
            "W1": xavier(input_dim, num_hiddens),
            "b1": np.zeros(num_hiddens, self.dtype),
            "W2": xavier(num_hiddens, num_classes),
            "b2": np.zeros(num_classes, self.dtype),
        }

    def forward(self, X):
        """Probabilities y (N,C) for the examples X (N,D), and every value by name: X, z1, h, z2, y.

        >>> y, ff_dict = TwoLayerNN(4, 8, 3).forward(np.ones((5, 4)))
        >>> ff_dict["z1"].shape
        (5, 8)
        """
        X = self._examples(X)
        params = self.params
        z1 = hidden_sum(X, params["W1"], params["b1"])
        h = hidden_values(z1)
        z2 = output_sum(h, params["W2"], params["b2"])
        y = probabilities(z2)
        return y, {"X": X, "z1": z1, "h": h, "z2": z2, "y": y}

    def backward(self, X, Y, ff_dict):
        """The gradient of `compute_loss` by the chain rule, from the output back: dW1, db1, dW2, db2,
        shaped as the parameters, and the errors on the way, dz2 (N,C), dh (N,H), dz1 (N,H).

        X (N,D) and Y, (N,C) or (N,), are what `forward` saw and should have said; ff_dict is its.

        >>> net = TwoLayerNN(4, 8, 3)
        >>> X, Y = np.ones((5, 4)), np.array([0, 1, 2, 1, 0])
        >>> net.backward(X, Y, net.forward(X)[1])["dW1"].shape
        (4, 8)
        """
        X = self._examples(X)
        h, y = ff_dict["h"], ff_dict["y"]
        if len(X) != len(y):
            raise ValueError(f"X has {len(X)} examples, but ff_dict comes from {len(y)}; "
                             "pass the ff_dict that forward(X) returned.")  # fmt: skip
        Y = self._one_hot(Y, *y.shape)
        dz2 = output_error(y, Y)
        dW2 = output_weight_gradient(h, dz2)
        db2 = output_bias_gradient(dz2)
        dh = hidden_values_error(dz2, self.params["W2"])
        dz1 = hidden_error(dh, h)
        dW1 = hidden_weight_gradient(X, dz1)
        db1 = hidden_bias_gradient(dz1)
        return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2, "dz2": dz2, "dh": dh, "dz1": dz1}

    def compute_loss(self, Y, Y_hat):
        """Mean cross-entropy of the probabilities Y_hat (N,C) at the labels Y, (N,C) or (N,).

        >>> round(float(TwoLayerNN().compute_loss([1], [[0.5, 0.5]])), 4)
        0.6931
        """
        Y_hat = self._shares(Y_hat)
        return cross_entropy(Y_hat, self._one_hot(Y, *Y_hat.shape))

    def evaluate(self, Y, Y_hat):
        """Accuracy, in percent, of the probabilities Y_hat (N,C) at the labels Y, (N,C) or (N,).

        >>> float(TwoLayerNN().evaluate([1, 0], [[0.3, 0.7], [0.4, 0.6]]))
        50.0
        """
        Y_hat = self._shares(Y_hat)
        return accuracy(Y_hat, self._one_hot(Y, *Y_hat.shape))

    def train_step(self, X_batch, Y_batch, lr):
        """One gradient-descent update on a batch; returns the batch's loss before it.

        >>> net = TwoLayerNN(4, 8, 3, seed=0)
        >>> first, second = (net.train_step(np.eye(4), [0, 1, 2, 1], lr=0.5) for _ in range(2))
        >>> bool(second < first)
        True
        """
        lr = self._rate(lr)
        y, ff_dict = self.forward(X_batch)
        grads = self.backward(X_batch, Y_batch, ff_dict)
        self.params = {name: updated(value, grads["d" + name], lr) for name, value in self.params.items()}
        return self.compute_loss(Y_batch, y)

    def update(self, X, Y, lr):
        """The same step, quickly: what `train` repeats. Returns the probabilities (N,C) before it.

        The parameters change in place, and no weight's gradient is held: it is a product, which is
        added to the weight while it is made. `own_parameters` first keeps what somebody holds as it
        is. One-hot rows of Y are believed, not checked again.

        >>> TwoLayerNN(4, 8, 3).update(np.eye(4), [0, 1, 2, 1], lr=0.5).shape
        (4, 3)
        """
        lr, X = self._rate(lr), self._examples(X)
        W1, b1, W2, b2 = map(self.params.get, ("W1", "b1", "W2", "b2"))
        h = hidden_values(hidden_sum(X, W1, b1))
        y = probabilities(output_sum(h, W2, b2))
        checked = np.shape(Y) == y.shape and len(X) > 0
        dz2 = output_error(y, np.asarray(Y, self.dtype) if checked else self._one_hot(Y, *y.shape))
        dz1 = hidden_error(hidden_values_error(dz2, W2), h)
        add_product(W2, h.T, dz2, -lr)
        add_product(W1, X.T, dz1, -lr)
        b2 -= lr * output_bias_gradient(dz2)
        b1 -= lr * hidden_bias_gradient(dz1)
        return y

    def own_parameters(self):
        """Copy the parameters, in the network's dtype: updates then change no array that somebody else holds.

        >>> net = TwoLayerNN(4, 8, 3)
        >>> held = net.params["W1"]
        >>> net.own_parameters()
        >>> net.params["W1"] is held
        False
        """
        self.params = {name: np.array(value, self.dtype, order="C") for name, value in self.params.items()}

    def train(self, X, Y, X_val, Y_val, lr, n_epochs, batch_size, log_interval=1):
        """Mini-batch gradient descent: every example once an epoch, in a new order, the last batch
        however small. Prints a line every `log_interval` epochs (0: never).

        Returns the history: train_loss, train_accuracy, validation_loss and validation_accuracy,
        a list each with a number an epoch; losses in nats, accuracies in percent. Those of the
        training set are running means over the epoch's batches, while the parameters move.
        Without validation examples (X_val None or empty) the last two stay empty.

        >>> X, Y = np.eye(4), [0, 1, 2, 1]
        >>> net = TwoLayerNN(4, 8, 3, seed=0)
        >>> history = net.train(X, Y, X, Y, lr=1.0, n_epochs=100, batch_size=2, log_interval=0)
        >>> history["validation_accuracy"][-1]
        100.0
        """
        if min(n_epochs, batch_size) < 1 or log_interval < 0:
            raise ValueError(f"n_epochs={n_epochs} and batch_size={batch_size} must be at least 1, "
                             f"log_interval={log_interval} at least 0.")  # fmt: skip
        X = self._examples(X)
        Y = self._one_hot(Y, len(X), self.params["b2"].size)
        validates = X_val is not None and len(X_val) > 0
        self.own_parameters()
        history = {name: [] for name in
                   ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")}  # fmt: skip

        for epoch in range(1, n_epochs + 1):
            order = self.shuffler.permutation(len(X))
            loss, correct, unscored = 0.0, 0.0, []
            for start in range(0, len(X), batch_size):
                rows = order[start : start + batch_size]
                X_batch, Y_batch = X.take(rows, axis=0), Y.take(rows, axis=0)
                unscored.append((self.update(X_batch, Y_batch, lr), Y_batch))
                if len(unscored) * batch_size >= SCORED_AT_ONCE or rows[-1] == order[-1]:
                    y_seen, Y_seen = map(np.concatenate, zip(*unscored, strict=True))
                    loss += len(y_seen) * float(cross_entropy(y_seen, Y_seen))
                    correct += len(y_seen) * float(accuracy(y_seen, Y_seen))
                    unscored.clear()
            history["train_loss"].append(loss / len(X))
            history["train_accuracy"].append(correct / len(X))
            if validates:
                y, _ = self.forward(X_val)
                history["validation_loss"].append(float(self.compute_loss(Y_val, y)))
                history["validation_accuracy"].append(float(self.evaluate(Y_val, y)))
            if log_interval and epoch % log_interval == 0:
                latest = (f"{name.replace('_', ' ')} {numbers[-1]:.4g}"
                          for name, numbers in history.items() if numbers)  # fmt: skip
                print(f"epoch {epoch}: {', '.join(latest)}")
        return history

    @staticmethod
    def _rate(lr):
        if not 0 < lr < np.inf:
            raise ValueError(f"lr={lr} must be above 0 and finite: a step goes against the gradient.")
        # A NumPy number, as a schedule makes it, would turn float32 into float64.
        return float(lr)

    def _examples(self, X):
        X = np.asarray(X)
        if X.dtype.kind not in "buif":
            raise TypeError(f"X must hold numbers; got {X.dtype}. Convert it with X.astype({self.dtype}).")
        shape = self.params["W1"].shape
        if X.ndim != 2 or X.shape[1] != shape[0]:
            hint = " For one example, pass X[np.newaxis]." if X.shape == shape[:1] else ""
            raise ValueError(f"X must be (examples, {shape[0]}) because W1 is {shape}; got {X.shape}.{hint}")
        return X.astype(self.dtype, copy=False)

    def _shares(self, Y_hat):
        Y_hat = np.asarray(Y_hat)
        if Y_hat.ndim != 2:
            raise ValueError(f"Y_hat must be (examples, classes), the y of forward; got {Y_hat.shape}.")
        return Y_hat if Y_hat.dtype.kind == "f" else Y_hat.astype(self.dtype)

    def _one_hot(self, Y, num_examples, num_classes):
        Y = np.asarray(Y)
        if num_examples == 0 or Y.shape not in ((num_examples,), (num_examples, num_classes)):
            raise ValueError(f"Y must be ({num_examples},) class indices or ({num_examples}, {num_classes}) "
                             f"one-hot, a row for each of at least one example; got {Y.shape}.")  # fmt: skip
        if Y.dtype.kind not in "buif":
            raise TypeError(f"Y must hold numbers; got {Y.dtype}. Number the labels from 0, "
                            "as np.unique(Y, return_inverse=True)[1] does.")  # fmt: skip
        if Y.ndim == 2:
            if not ((abs(Y.sum(axis=1) - 1) < 1e-3).all() and (Y >= 0).all()):
                raise ValueError("Y as one-hot rows must each sum to 1, with nothing below 0; for class indices, "
                                 "pass (examples,).")  # fmt: skip
            return Y.astype(self.dtype, copy=False)
        if not np.isin(Y, range(num_classes)).all():
            raise ValueError(f"Y as class indices must be whole numbers from 0 to {num_classes - 1}; "
                             f"got {Y.min()} to {Y.max()}.")  # fmt: skip
        return np.eye(num_classes, dtype=self.dtype)[Y.astype(int)]
