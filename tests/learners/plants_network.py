"""Known mistakes, planted in the correct networks beside this file as text replacements."""

from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Plant:
    style: str  # file name without suffix
    mistake: str
    edits: tuple[tuple[str, str], ...]  # (old, new): each old occurs exactly once in the file
    line_of: str  # occurs exactly once in the edited text: the line where the wrong value is made
    also: tuple[str, ...] = ()  # other pieces whose line would be an equally good answer


def source(style: str) -> str:
    """The correct text: of a notebook, its JSON."""
    found = (HERE / f"{style}{suffix}" for suffix in (".py", ".ipynb"))
    return next(path for path in found if path.exists()).read_text(encoding="utf-8")


def planted(plant: Plant) -> str:
    """The text with the mistake in it."""
    text = source(plant.style)
    for old, new in plant.edits:
        assert text.count(old) == 1, f"{plant.style}, {plant.mistake}: {text.count(old)} times {old!r}"
        text = text.replace(old, new)
    return text


def line(plant: Plant) -> set[int]:
    """The lines of `planted(plant)`, from 1, that are right answers: of a notebook, lines of its JSON."""
    text = planted(plant)
    lines = set()
    for piece in (plant.line_of, *plant.also):
        assert text.count(piece) == 1, f"{plant.style}, {plant.mistake}: {text.count(piece)} times {piece!r}"
        lines.add(text.count("\n", 0, text.index(piece)) + 1)
    return lines


def _plant(style: str, mistake: str, *edits: tuple[str, str], at: str, also: tuple[str, ...] = ()) -> Plant:
    return Plant(f"network_{style}", mistake, edits, at, also)


PLANTS: list[Plant] = [
    # ------------------------------------------------------------------ initialisation
    _plant(
        "hangul",
        "init_not_xavier",
        (
            "        std1 = np.sqrt(2.0 / (input_dim + num_hiddens))\n"
            "        std2 = np.sqrt(2.0 / (num_hiddens + num_classes))\n",
            "",
        ),
        (
            "np.random.normal(0, std1, size=(input_dim, num_hiddens))",
            "0.01 * np.random.randn(input_dim, num_hiddens)",
        ),
        (
            "np.random.normal(0, std2, size=(num_hiddens, num_classes))",
            "0.01 * np.random.randn(num_hiddens, num_classes)",
        ),
        at="params['W1'] = 0.01",
        also=("params['W2'] = 0.01",),
    ),
    _plant(
        "cs231n",
        "init_not_xavier",
        (
            "(input_size, hidden_size) / np.sqrt(input_size)",
            "(input_size, hidden_size) * np.sqrt(2.0 / input_size)",
        ),
        (
            "(hidden_size, output_size) / np.sqrt(hidden_size)",
            "(hidden_size, output_size) * np.sqrt(2.0 / hidden_size)",
        ),
        at="* np.sqrt(2.0 / input_size)",
        also=("* np.sqrt(2.0 / hidden_size)",),
    ),
    _plant(
        "coursera",
        "init_not_xavier",
        ("np.random.randn(n_h, n_x) * np.sqrt(1. / n_x)", "np.random.randn(n_h, n_x) * 0.01"),
        ("np.random.randn(n_y, n_h) * np.sqrt(1. / n_h)", "np.random.randn(n_y, n_h) * 0.01"),
        at="W1 = np.random.randn",
        also=("W2 = np.random.randn",),
    ),
    _plant(
        "update_in_backward",
        "init_not_xavier",
        ("np.random.randn(D, H) * np.sqrt(1 / D)", "np.random.randn(D, H)"),
        ("np.random.randn(H, C) * np.sqrt(1 / H)", "np.random.randn(H, C)"),
        at="np.random.randn(D, H)",
        also=("np.random.randn(H, C)",),
    ),
    _plant(
        "long_names",
        "init_not_xavier",
        (
            "hidden_deviation = numpy.sqrt(2 / (self.number_of_inputs + self.number_of_hidden))",
            "hidden_deviation = 2 / (self.number_of_inputs + self.number_of_hidden)",
        ),
        (
            "output_deviation = numpy.sqrt(2 / (self.number_of_hidden + self.number_of_outputs))",
            "output_deviation = 2 / (self.number_of_hidden + self.number_of_outputs)",
        ),
        at="hidden_deviation = 2",
        also=("output_deviation = 2", "self.weights_input_hidden = ", "self.weights_hidden_output = "),
    ),
    _plant(
        "loops",
        "init_not_xavier",
        ("        # Glorot: uniform in [-lim, lim]\n        lim = sqrt(6.0 / (self.nin + self.nhid))\n", ""),
        ("        lim = sqrt(6.0 / (self.nhid + self.nout))\n", ""),
        (
            "self.rng.uniform(-lim, lim, (self.nin, self.nhid))",
            "2.0 * self.rng.random_sample((self.nin, self.nhid)) - 1.0",
        ),
        (
            "self.rng.uniform(-lim, lim, (self.nhid, self.nout))",
            "2.0 * self.rng.random_sample((self.nhid, self.nout)) - 1.0",
        ),
        at="self.w1 = 2.0",
        also=("self.w2 = 2.0",),
    ),
    _plant(
        "blocks",
        "init_not_xavier",
        ("limit = np.sqrt(6 / (n_in + n_out))", "limit = 1 / (n_in + n_out)"),
        at="limit = 1 /",
        also=("self.weights = np.random.uniform",),
    ),
    _plant(
        "lists",
        "init_not_xavier",
        ("np.random.randn(m, n) / np.sqrt(m)", "np.random.randn(m, n)"),
        at="self.W = [np.random.randn(m, n)",
    ),
    _plant(
        "skeleton",
        "init_zero_weights",
        (
            "np.random.uniform(low=-a1, high=a1, size=(input_dim, num_hiddens))",
            "np.zeros((input_dim, num_hiddens))",
        ),
        (
            "np.random.uniform(low=-a2, high=a2, size=(num_hiddens, num_classes))",
            "np.zeros((num_hiddens, num_classes))",
        ),
        at='"W1": np.zeros',
        also=('"W2": np.zeros',),
    ),
    _plant(
        "columns",
        "init_zero_weights",
        ("np.random.normal(0, np.sqrt(2 / (n0 + n1)), (n1, n0))", "np.zeros((n1, n0))"),
        ("np.random.normal(0, np.sqrt(2 / (n1 + n2)), (n2, n1))", "np.zeros((n2, n1))"),
        at="self.W1 = np.zeros",
        also=("self.W2 = np.zeros",),
    ),
    _plant(
        "octave",
        "init_zero_weights",
        ("    epsilon_init = np.sqrt(6) / np.sqrt(L_in + L_out)\n", ""),
        ("W = np.random.rand(L_out, L_in) * 2 * epsilon_init - epsilon_init", "W = np.zeros((L_out, L_in))"),
        at="W = np.zeros((L_out, L_in))",
    ),
    _plant(
        "closures",
        "init_zero_weights",
        ("r.normal(0, (1 / n_in) ** 0.5, (n_in, n_hid))", "np.zeros((n_in, n_hid))"),
        ("r.normal(0, (1 / n_hid) ** 0.5, (n_hid, n_out))", "np.zeros((n_hid, n_out))"),
        at="np.zeros((n_in, n_hid))",
        also=("np.zeros((n_hid, n_out))",),
    ),
    _plant(
        "hangul",
        "init_random_biases",
        (
            "params['b1'] = np.zeros(num_hiddens)",
            "params['b1'] = np.random.normal(0, std1, size=num_hiddens)",
        ),
        (
            "params['b2'] = np.zeros(num_classes)",
            "params['b2'] = np.random.normal(0, std2, size=num_classes)",
        ),
        at="params['b1'] = np.random",
        also=("params['b2'] = np.random",),
    ),
    _plant(
        "blocks",
        "init_random_biases",
        ("self.bias = np.zeros(n_out)", "self.bias = np.random.uniform(-limit, limit, size=n_out)"),
        at="self.bias = np.random",
    ),
    _plant(
        "coursera",
        "init_random_biases",
        ("b1 = np.zeros((n_h, 1))", "b1 = np.random.randn(n_h, 1)"),
        ("b2 = np.zeros((n_y, 1))", "b2 = np.random.randn(n_y, 1)"),
        at="b1 = np.random",
        also=("b2 = np.random",),
    ),
    _plant(
        "logsoftmax",
        "init_random_biases",
        ('"b_h": np.zeros(n_h)', '"b_h": 0.1 * self.rng.normal(size=n_h)'),
        at='"b_h": 0.1',
    ),
    _plant(
        "hangul",
        "init_shape_wrong",
        ("size=(input_dim, num_hiddens)", "size=(num_hiddens, input_dim)"),
        ("size=(num_hiddens, num_classes)", "size=(num_classes, num_hiddens)"),
        at="size=(num_hiddens, input_dim)",
        also=("size=(num_classes, num_hiddens)",),
    ),
    _plant(
        "weight_decay",
        "init_shape_wrong",
        ("b1=np.zeros(c.n_hidden)", "b1=np.zeros(c.n_features)"),
        at="b1=np.zeros(c.n_features)",
    ),
    _plant(
        "notebook",
        "init_shape_wrong",
        ("b1=np.zeros(num_hiddens)", "b1=np.zeros(1)"),
        ("b2=np.zeros(num_classes)", "b2=np.zeros(1)"),
        at="b1=np.zeros(1)",
        also=("b2=np.zeros(1)",),
    ),
    _plant(
        "update_in_backward",
        "init_shape_wrong",
        ("np.zeros((1, H))", "np.zeros((H, 1))"),
        ("np.zeros((1, C))", "np.zeros((C, 1))"),
        at="np.zeros((H, 1))",
        also=("np.zeros((C, 1))",),
    ),
    _plant(
        "functional",
        "init_shape_wrong",
        (
            "return glorot(rng, d, h), np.zeros(h), glorot(rng, h, c), np.zeros(c)",
            "return glorot(rng, d, h), np.zeros((h, 1)), glorot(rng, h, c), np.zeros((c, 1))",
        ),
        at="return glorot(",
    ),
    # ------------------------------------------------------------------ forward
    _plant("hangul", "hidden_without_activation", ("h = sigmoid(z1)", "h = z1"), at="h = z1"),
    _plant("coursera", "hidden_without_activation", ("A1 = sigmoid(Z1)", "A1 = Z1"), at="A1 = Z1"),
    _plant(
        "notebook",
        "hidden_without_activation",
        ("z2 = h @ W2 + b2", "z2 = z1 @ W2 + b2"),
        at="z2 = z1 @ W2",
        also=("h = sigmoid(z1)",),
    ),
    _plant(
        "layers",
        "hidden_without_activation",
        ("        self.layers['Sigmoid1'] = Sigmoid()\n", ""),
        at="self.layers['Affine2'] = ",
        also=("self.layers['Affine1'] = ",),
    ),
    _plant("loops", "hidden_without_activation", ("hid[j] = sigm(s)", "hid[j] = s"), at="hid[j] = s"),
    _plant(
        "blocks",
        "hidden_without_activation",
        (
            "[Dense(n_in, n_hidden), Sigmoid(), Dense(n_hidden, n_out)]",
            "[Dense(n_in, n_hidden), Dense(n_hidden, n_out)]",
        ),
        at="self.layers = [",
    ),
    _plant(
        "sklearn",
        "hidden_without_activation",
        ("        a_h = 1.0 / (1.0 + np.exp(-np.clip(z_h, -250, 250)))\n", ""),
        ("z_h = np.dot(X, self.w_h_) + self.b_h_", "a_h = np.dot(X, self.w_h_) + self.b_h_"),
        at="a_h = np.dot(X",
        also=("z_out = np.dot(a_h",),
    ),
    _plant(
        "hangul",
        "bias_missing",
        ("np.dot(h, self.params['W2']) + self.params['b2']", "np.dot(h, self.params['W2'])"),
        at="z2 = np.dot(",
    ),
    _plant("loops", "bias_missing", ("s = self.b1[j]", "s = 0.0"), at="s = 0.0"),
    _plant(
        "long_names",
        "bias_missing",
        (
            "numpy.dot(inputs, self.weights_input_hidden) + self.bias_hidden",
            "numpy.dot(inputs, self.weights_input_hidden)",
        ),
        at="self.hidden_inputs = ",
    ),
    _plant("cs231n", "bias_missing", ("np.exp(-(X.dot(W1) + b1))", "np.exp(-X.dot(W1))"), at="hidden = 1."),
    _plant(
        "columns",
        "bias_missing",
        ("V1 = self.W1 @ X + self.B1", "V1 = self.W1 @ X"),
        ("V2 = self.W2 @ A + self.B2", "V2 = self.W2 @ A"),
        at="V1 = ",
        also=("V2 = ",),
    ),
    _plant("functional", "bias_missing", ("s = a @ w2 + b2", "s = a @ w2"), at="s = a @ w2"),
    _plant(
        "hangul",
        "softmax_wrong_axis",
        ("np.max(z, axis=1, keepdims=True)", "np.max(z, axis=0, keepdims=True)"),
        ("np.sum(exp_z, axis=1, keepdims=True)", "np.sum(exp_z, axis=0, keepdims=True)"),
        at="np.sum(exp_z, axis=0",
        also=("np.max(z, axis=0",),
    ),
    _plant(
        "coursera",
        "softmax_wrong_axis",
        ("np.max(Z, axis=0, keepdims=True)", "np.max(Z, axis=1, keepdims=True)"),
        ("np.sum(T, axis=0, keepdims=True)", "np.sum(T, axis=1, keepdims=True)"),
        at="np.sum(T, axis=1",
        also=("np.max(Z, axis=1",),
    ),
    _plant(
        "stored_grads",
        "softmax_wrong_axis",
        ("np.exp(z).sum(axis=-1, keepdims=True)", "np.exp(z).sum(axis=0)"),
        at="np.exp(z).sum(axis=0)",
    ),
    _plant(
        "lists",
        "softmax_wrong_axis",
        ("z.max(axis=1)[:, None]", "z.max(axis=0)"),
        ("e.sum(axis=1)[:, None]", "e.sum(axis=0)"),
        at="e.sum(axis=0)",
        also=("z.max(axis=0)",),
    ),
    _plant(
        "layers",
        "softmax_wrong_axis",
        ("        x = x.T\n", ""),
        ("        return y.T\n", "        return y\n"),
        at="y = np.exp(x) / np.sum(np.exp(x), axis=0)",
        also=("x = x - np.max(x, axis=0)", "    return y\n"),
    ),
    _plant(
        "closures",
        "softmax_wrong_axis",
        ("np.sum(b, 1, keepdims=True)", "np.sum(b, 0, keepdims=True)"),
        at="np.sum(b, 0",
    ),
    _plant(
        "columns",
        "softmax_wrong_axis",
        ("u / u.sum(axis=0)", "u / u.sum(axis=1, keepdims=True)"),
        at="u / u.sum(axis=1",
    ),
    _plant(
        "notebook",
        "softmax_over_batch",
        ("exps / exps.sum(axis=1, keepdims=True)", "exps / exps.sum()"),
        at="exps / exps.sum()",
    ),
    _plant(
        "update_in_backward",
        "softmax_over_batch",
        ("np.exp(o - np.max(o, axis=1, keepdims=True))", "np.exp(o - np.max(o))"),
        ("self.y = e / np.sum(e, axis=1, keepdims=True)", "self.y = e / np.sum(e)"),
        at="self.y = e",
    ),
    _plant(
        "layers",
        "softmax_over_batch",
        (
            "    if x.ndim == 2:\n        x = x.T\n        x = x - np.max(x, axis=0)\n"
            "        y = np.exp(x) / np.sum(np.exp(x), axis=0)\n        return y.T\n\n",
            "",
        ),
        at="return np.exp(x) / np.sum(np.exp(x))",
    ),
    _plant(
        "cs231n",
        "softmax_over_batch",
        ("exp_scores / exp_scores.sum(axis=1, keepdims=True)", "exp_scores / np.sum(exp_scores)"),
        at="probs = exp_scores",
    ),
    _plant(
        "hidden_first",
        "softmax_over_batch",
        ("e / np.sum(e, axis=1, keepdims=True)", "e / np.sum(e)"),
        at="return e / np.sum(e)",
    ),
    _plant(
        "hangul",
        "softmax_overflow",
        (
            "    # 오버플로 방지를 위해 행마다 최댓값을 뺀다\n    z = z - np.max(z, axis=1, keepdims=True)\n",
            "",
        ),
        at="exp_z = np.exp(z)",
    ),
    _plant(
        "coursera",
        "softmax_overflow",
        ("T = np.exp(Z - np.max(Z, axis=0, keepdims=True))", "T = np.exp(Z)"),
        at="T = np.exp(Z)",
    ),
    _plant(
        "loops",
        "softmax_overflow",
        (
            "        biggest = out[0]\n        for k in range(1, self.nout):\n"
            "            if out[k] > biggest:\n                biggest = out[k]\n",
            "",
        ),
        ("out[k] = exp(out[k] - biggest)", "out[k] = exp(out[k])"),
        at="out[k] = exp(out[k])",
    ),
    _plant(
        "weight_decay",
        "softmax_overflow",
        ("        logits = logits - logits.max(axis=1, keepdims=True)\n", ""),
        at="exps = np.exp(logits)",
    ),
    _plant(
        "functional",
        "softmax_overflow",
        ("    s = s - s.max(-1, keepdims=True)\n", ""),
        at="return s - np.log(np.exp(s)",
    ),
    _plant(
        "logsoftmax",
        "softmax_overflow",
        (
            "    top = np.max(a, axis=1, keepdims=True)\n"
            "    return top + np.log(np.sum(np.exp(a - top), axis=1, keepdims=True))\n",
            "    return np.log(np.sum(np.exp(a), axis=1, keepdims=True))\n",
        ),
        at="return np.log(np.sum(np.exp(a)",
    ),
    _plant(
        "no_bias",
        "softmax_overflow",
        ("np.exp(x - np.max(x, axis=1).reshape(-1, 1))", "np.exp(x)"),
        at="e_x = np.exp(x)",
    ),
    _plant(
        "hangul",
        "cache_aliases_parameters",
        ("ff_dict = {}", "ff_dict = self.params"),
        at="ff_dict = self.params",
    ),
    _plant(
        "coursera", "cache_aliases_parameters", ("cache = {}", "cache = parameters"), at="cache = parameters"
    ),
    _plant(
        "skeleton",
        "cache_aliases_parameters",
        ("        ff_dict = {}\n", ""),
        (
            'ff_dict["z1"] = X @',
            'self.params["X"] = X\n        ff_dict = self.params\n        ff_dict["z1"] = X @',
        ),
        at="ff_dict = self.params\n",
    ),
    _plant(
        "logsoftmax",
        "cache_aliases_parameters",
        (
            'return log_p, {"x": x, "act": act, "log_p": log_p}',
            "self.theta.update(x=x, act=act, log_p=log_p)\n        return log_p, self.theta",
        ),
        at="self.theta.update(",
        also=("return log_p, self.theta",),
    ),
    # ------------------------------------------------------------------ loss
    _plant(
        "hangul",
        "loss_log_of_zero",
        ("        eps = 1e-12   # log(0) 방지\n", ""),
        ("np.log(Y_hat + eps)", "np.log(Y_hat)"),
        at="np.log(Y_hat)",
    ),
    _plant(
        "cs231n",
        "loss_log_of_zero",
        ("probs[np.arange(N), y] + 1e-12", "probs[np.arange(N), y]"),
        at="correct_logprobs = ",
    ),
    _plant(
        "loops",
        "loss_log_of_zero",
        ("log(max(O[e, k], LOG_EPS))", "log(O[e, k])"),
        at="log(O[e, k])",
    ),
    _plant(
        "sklearn",
        "loss_log_of_zero",
        ("np.log(np.clip(a_out, 1e-10, None))", "np.log(a_out)"),
        at="np.log(a_out)",
    ),
    _plant(
        "skeleton",
        "loss_log_of_zero",
        ("        Y_hat = np.clip(Y_hat, 1e-10, 1 - 1e-10)\n", ""),
        at="np.log(Y_hat)",
    ),
    _plant("octave", "loss_log_of_zero", ("np.log(a3 + 1e-12)", "np.log(a3)"), at="J = -np.sum"),
    _plant(
        "skeleton",
        "loss_summed",
        ("return -np.mean(np.sum(Y * np.log(Y_hat), axis=1))", "return -np.sum(Y * np.log(Y_hat))"),
        at="return -np.sum(Y",
    ),
    _plant(
        "coursera",
        "loss_summed",
        ("cost = -(1. / m) * np.sum(logprobs)", "cost = -np.sum(logprobs)"),
        at="cost = -np.sum",
    ),
    _plant(
        "loops",
        "loss_summed",
        ("        return total / n\n\n    def accuracy", "        return total\n\n    def accuracy"),
        at="return total\n",
        also=("total -= T[e, k]",),
    ),
    _plant(
        "layers",
        "loss_summed",
        ("t] + 1e-7)) / batch_size", "t] + 1e-7))"),
        at="return -np.sum(np.log(",
    ),
    _plant(
        "logsoftmax", "loss_summed", ("return -picked.mean()", "return -picked.sum()"), at="-picked.sum()"
    ),
    _plant(
        "hangul",
        "loss_averaged_over_classes",
        (
            "        N = Y.shape[0]\n        loss = -np.sum(Y * np.log(Y_hat + eps)) / N",
            "        loss = -np.mean(Y * np.log(Y_hat + eps))",
        ),
        at="loss = -np.mean",
    ),
    _plant(
        "stored_grads",
        "loss_averaged_over_classes",
        ("np.log(probs + 1e-9)).sum(axis=1).mean()", "np.log(probs + 1e-9)).mean()"),
        at="np.log(probs + 1e-9)).mean()",
    ),
    _plant(
        "long_names",
        "loss_averaged_over_classes",
        (
            "-numpy.mean(numpy.sum(targets * numpy.log(clipped), axis=1))",
            "numpy.mean(-targets * numpy.log(clipped))",
        ),
        at="return numpy.mean(-targets",
    ),
    _plant(
        "minimal",
        "loss_averaged_over_classes",
        (
            "np.einsum('nc,nc->', T, np.log(A2.clip(1e-12))) / X.shape[0]",
            "np.sum(T * np.log(A2.clip(1e-12))) / T.size",
        ),
        at="/ T.size",
    ),
    _plant(
        "hangul",
        "loss_not_the_one_differentiated",
        ("        eps = 1e-12   # log(0) 방지\n", ""),
        ("loss = -np.sum(Y * np.log(Y_hat + eps)) / N", "loss = 0.5 * np.sum((Y_hat - Y) ** 2) / N"),
        at="loss = 0.5",
    ),
    _plant(
        "coursera",
        "loss_not_the_one_differentiated",
        (
            "np.multiply(Y, np.log(A2 + 1e-10))",
            "np.multiply(Y, np.log(A2 + 1e-10)) + np.multiply(1 - Y, np.log(1 - A2 + 1e-10))",
        ),
        at="logprobs = ",
        also=("cost = -(1. / m)",),
    ),
    _plant(
        "no_bias",
        "loss_not_the_one_differentiated",
        ("return -np.sum(y * np.log(l2 + 1e-12)) / y.shape[0]", "return np.mean(np.abs(y - l2))"),
        at="return np.mean(np.abs(",
    ),
    _plant(
        "octave",
        "loss_not_the_one_differentiated",
        (
            "J = -np.sum(Y * np.log(a3 + 1e-12)) / m",
            "J = np.sum(-Y * np.log(a3 + 1e-12) - (1 - Y) * np.log(1 - a3 + 1e-12)) / m",
        ),
        at="J = np.sum(-Y",
    ),
    _plant(
        "update_in_backward",
        "loss_not_the_one_differentiated",
        ("np.mean(-np.sum(Y * np.log(y + 1e-8), axis=1))", "np.mean(np.square(Y - y))"),
        at="np.square(Y - y)",
    ),
    _plant(
        "hangul",
        "loss_sign",
        ("loss = -np.sum(Y * np.log(Y_hat + eps)) / N", "loss = np.sum(Y * np.log(Y_hat + eps)) / N"),
        at="loss = np.sum",
    ),
    _plant(
        "coursera",
        "loss_sign",
        ("cost = -(1. / m) * np.sum(logprobs)", "cost = (1. / m) * np.sum(logprobs)"),
        at="cost = (1. / m)",
        also=("logprobs = ",),
    ),
    _plant("loops", "loss_sign", ("total -= T[e, k]", "total += T[e, k]"), at="total += T[e, k]"),
    _plant(
        "logsoftmax",
        "loss_sign",
        ("return -picked.mean()", "return picked.mean()"),
        at="return picked.mean()",
    ),
    _plant(
        "weight_decay",
        "loss_sign",
        ("data = -(targets * ", "data = (targets * "),
        at="data = (targets",
        also=("return float(data + penalty)",),
    ),
    # ------------------------------------------------------------------ backward
    _plant(
        "hangul",
        "gradient_not_averaged",
        ("        N = X.shape[0]\n        h = ff_dict", "        h = ff_dict"),
        ("dz2 = (y - Y) / N", "dz2 = y - Y"),
        at="dz2 = y - Y",
    ),
    _plant(
        "coursera",
        "gradient_not_averaged",
        ("dW2 = (1. / m) * np.dot", "dW2 = np.dot"),
        ("db2 = (1. / m) * np.sum", "db2 = np.sum"),
        ("dW1 = (1. / m) * np.dot", "dW1 = np.dot"),
        ("db1 = (1. / m) * np.sum", "db1 = np.sum"),
        at="dZ2 = A2 - Y",
        also=("dW2 = np.dot", "db2 = np.sum", "dW1 = np.dot", "db1 = np.sum"),
    ),
    _plant(
        "loops",
        "gradient_not_averaged",
        ("\n        for g in (self.gw1, self.gb1, self.gw2, self.gb2):\n            g /= n\n", ""),
        at="self.gw1[i, j] += ",
        also=(
            "dout[k] = out[k] - t[k]",
            "self.gb1[j] += ",
            "self.gw2[j, k] += ",
            "self.gb2[k] += ",
        ),
    ),
    _plant(
        "lists",
        "gradient_not_averaged",
        ("        m = len(X)\n", ""),
        ("delta = (activations[-1] - Y) / m", "delta = activations[-1] - Y"),
        at="delta = activations[-1] - Y",
    ),
    _plant(
        "layers",
        "gradient_not_averaged",
        ("        batch_size = self.t.shape[0]\n", ""),
        ("dx = (self.y - self.t) * dout / batch_size", "dx = (self.y - self.t) * dout"),
        at="dx = (self.y - self.t)",
    ),
    _plant(
        "divide_later",
        "gradient_not_averaged",
        ("self.grads[name] / self.seen", "self.grads[name]"),
        at="value -= learning_rate * self.grads[name]",
        also=("d_scores[np.arange(len(x)), labels] -= 1.0",),
    ),
    _plant(
        "hangul",
        "gradient_averaged_twice",
        ("dW2 = np.dot(h.T, dz2)", "dW2 = np.dot(h.T, dz2) / N"),
        ("db2 = np.sum(dz2, axis=0)", "db2 = np.sum(dz2, axis=0) / N"),
        ("dW1 = np.dot(X.T, dz1)", "dW1 = np.dot(X.T, dz1) / N"),
        ("db1 = np.sum(dz1, axis=0)", "db1 = np.sum(dz1, axis=0) / N"),
        at="dW2 = np.dot",
        also=("dz2 = (y - Y) / N", "db2 = np.sum", "dW1 = np.dot", "db1 = np.sum"),
    ),
    _plant(
        "skeleton",
        "gradient_averaged_twice",
        ('error = ff_dict["y"] - Y', 'error = (ff_dict["y"] - Y) / batch_size'),
        at='error = (ff_dict["y"] - Y) / batch_size',
        also=('grads["dW2"] = ', 'grads["db2"] = ', 'grads["dW1"] = ', 'grads["db1"] = '),
    ),
    _plant(
        "divide_later",
        "gradient_averaged_twice",
        ("labels] -= 1.0\n", "labels] -= 1.0\n        d_scores /= len(x)\n"),
        at="d_scores /= len(x)",
        also=("self.grads[name] / self.seen",),
    ),
    _plant(
        "columns",
        "gradient_averaged_twice",
        ("E2 = P - T", "E2 = (P - T) / m"),
        at="E2 = (P - T) / m",
        also=("dW2 = E2", "dB2 = E2", "dW1 = E1", "dB1 = E1"),
    ),
    _plant(
        "octave",
        "gradient_averaged_twice",
        ("d3 = a3 - Y", "d3 = 1 / m * (a3 - Y)"),
        at="d3 = 1 / m",
        also=("Theta1_grad = d2.T", "Theta2_grad = d3.T"),
    ),
    _plant(
        "hangul",
        "slope_forgotten",
        ("dz1 = dh * h * (1 - h)      # 시그모이드의 미분은 h(1-h)", "dz1 = dh"),
        at="dz1 = dh",
    ),
    _plant(
        "coursera",
        "slope_forgotten",
        ("    dA1 = np.dot(W2.T, dZ2)\n", ""),
        ("dZ1 = np.multiply(dA1, A1 * (1 - A1))", "dZ1 = np.dot(W2.T, dZ2)"),
        at="dZ1 = np.dot",
    ),
    _plant(
        "layers",
        "slope_forgotten",
        ("dx = dout * (1.0 - self.out) * self.out", "dx = dout"),
        at="dx = dout\n",
    ),
    _plant(
        "lists",
        "slope_forgotten",
        ("            z = zs[-l]\n            sp = sigmoid_prime(z)\n", ""),
        ("self.W[-l + 1].T) * sp", "self.W[-l + 1].T)"),
        at="delta = np.dot(delta",
    ),
    _plant(
        "loops",
        "slope_forgotten",
        ("dhid = err * hid[j] * (1.0 - hid[j])", "dhid = err"),
        at="dhid = err",
    ),
    _plant(
        "notebook",
        "slope_forgotten",
        ("dz1 = dz2 @ self.params['W2'].T * h * (1 - h)", "dz1 = dz2 @ self.params['W2'].T"),
        at="dz1 = dz2 @",
    ),
    _plant(
        "lists",
        "slope_of_activated_value",
        ("z = zs[-l]", "z = activations[-l]"),
        at="z = activations[-l]",
        also=("sp = ",),
    ),
    _plant(
        "skeleton",
        "slope_of_activated_value",
        ('self.sigmoid_derivative(ff_dict["z1"])', 'self.sigmoid_derivative(ff_dict["a1"])'),
        at='self.sigmoid_derivative(ff_dict["a1"])',
    ),
    _plant(
        "hidden_first",
        "slope_of_activated_value",
        ("self._d_sigmoid(u1)", "self._d_sigmoid(v1)"),
        at="self._d_sigmoid(v1)",
    ),
    _plant(
        "no_bias",
        "slope_of_activated_value",
        ("return x * (1 - x)      # x is already the output of nonlin", "return nonlin(x) * (1 - nonlin(x))"),
        at="nonlin(l1, deriv=True)",
        also=("return nonlin(x) * (1 - nonlin(x))",),
    ),
    _plant(
        "octave",
        "slope_of_activated_value",
        ("sigmoidGradient(z2)", "sigmoidGradient(a2[:, 1:])"),
        at="sigmoidGradient(a2[:, 1:])",
    ),
    _plant(
        "hangul",
        "slope_of_activated_value",
        ("dz1 = dh * h * (1 - h)      #", "dz1 = dh * sigmoid(h) * (1 - sigmoid(h))      #"),
        at="dz1 = dh * sigmoid(h)",
    ),
    _plant(
        "hangul",
        "slope_applied_twice",
        ("dh = np.dot(dz2, self.params['W2'].T)", "dh = np.dot(dz2, self.params['W2'].T) * h * (1 - h)"),
        at="dh = np.dot",
        also=("dz1 = dh * h",),
    ),
    _plant(
        "no_bias",
        "slope_applied_twice",
        (
            "return l0.T.dot(l1_delta), l1.T.dot(l2_delta)",
            "return l0.T.dot(l1_delta * nonlin(l1, deriv=True)), l1.T.dot(l2_delta)",
        ),
        at="return l0.T.dot(",
        also=("l1_delta = l1_error",),
    ),
    _plant(
        "divide_later",
        "slope_applied_twice",
        (
            "d_hidden = d_scores @ self.W2.T\n",
            "d_hidden = d_scores @ self.W2.T * hidden\n        d_hidden *= 1.0 - hidden\n",
        ),
        at="d_hidden *= hidden * (1.0 - hidden)",
        also=("d_hidden = d_scores @", "d_hidden *= 1.0 - hidden"),
    ),
    _plant(
        "cs231n",
        "slope_applied_twice",
        (
            "dhidden = dscores.dot(W2.T)\n",
            "dhidden = dscores.dot(W2.T)\n    dhidden *= hidden * (1 - hidden)\n",
        ),
        at="dhidden *= hidden",
        also=("dsum = dhidden",),
    ),
    _plant(
        "coursera",
        "slope_of_another_activation",
        ("np.multiply(dA1, A1 * (1 - A1))", "np.multiply(dA1, 1 - np.power(A1, 2))"),
        at="1 - np.power(A1, 2)",
    ),
    _plant(
        "cs231n",
        "slope_of_another_activation",
        ("dsum = dhidden * (1 - hidden) * hidden", "dsum = dhidden.copy()\n    dsum[hidden <= 0] = 0"),
        at="dsum[hidden <= 0] = 0",
        also=("dsum = dhidden.copy()",),
    ),
    _plant(
        "stored_grads",
        "slope_of_another_activation",
        ("dz1 = da1 * self.a1 * (1 - self.a1)", "dz1 = da1 * (self.z1 > 0)"),
        at="dz1 = da1 * (self.z1 > 0)",
    ),
    _plant("minimal", "slope_of_another_activation", ("(A1 - A1 ** 2)", "(1 - A1 ** 2)"), at="(1 - A1 ** 2)"),
    _plant(
        "closures",
        "slope_of_another_activation",
        ("back = back * hid * (1 - hid)", "back = np.where(hid > 0.5, back, 0)"),
        at="back = np.where",
    ),
    _plant(
        "stored_grads",
        "bias_gradient_wrong_axis",
        ("self.db2 = dlogits.sum(axis=0)", "self.db2 = dlogits.sum(axis=1)"),
        ("self.db1 = dz1.sum(axis=0)", "self.db1 = dz1.sum(axis=1)"),
        at="self.db1 = dz1.sum(axis=1)",
        also=("self.db2 = dlogits.sum(axis=1)",),
    ),
    _plant(
        "coursera",
        "bias_gradient_wrong_axis",
        ("np.sum(dZ1, axis=1, keepdims=True)", "np.sum(dZ1, axis=0, keepdims=True)"),
        at="np.sum(dZ1, axis=0",
    ),
    _plant(
        "minimal",
        "bias_gradient_wrong_axis",
        ("np.einsum('nh->h', dZ1)", "np.einsum('nh->n', dZ1)"),
        at="np.einsum('nh->n', dZ1)",
    ),
    _plant(
        "functional",
        "bias_gradient_wrong_axis",
        (
            "return x.T @ e1, e1.sum(0), a.T @ e2, e2.sum(0)",
            "return x.T @ e1, e1.sum(-1), a.T @ e2, e2.sum(-1)",
        ),
        at="return x.T @ e1",
    ),
    _plant(
        "long_names",
        "bias_gradient_wrong_axis",
        (
            "numpy.sum(hidden_deltas, axis=0, keepdims=True)",
            "numpy.sum(hidden_deltas, axis=1, keepdims=True)",
        ),
        at="self.gradient_bias_hidden = ",
    ),
    _plant(
        "hangul",
        "bias_gradient_scalar",
        ("db2 = np.sum(dz2, axis=0)", "db2 = np.sum(dz2)"),
        at="db2 = np.sum(dz2)",
    ),
    _plant(
        "skeleton",
        "bias_gradient_scalar",
        ("np.sum(error, axis=0) / batch_size", "np.sum(error) / batch_size"),
        ("np.sum(error_hidden, axis=0) / batch_size", "np.sum(error_hidden) / batch_size"),
        at='grads["db1"] = ',
        also=('grads["db2"] = ',),
    ),
    _plant(
        "layers",
        "bias_gradient_scalar",
        ("self.db = np.sum(dout, axis=0)", "self.db = np.sum(dout)"),
        at="self.db = np.sum",
    ),
    _plant(
        "sklearn",
        "bias_gradient_scalar",
        ("grad_b_h = np.sum(delta_h, axis=0)", "grad_b_h = np.sum(delta_h)"),
        at="grad_b_h = np.sum",
    ),
    _plant(
        "blocks",
        "bias_gradient_scalar",
        ("grad_bias = grad_output.sum(axis=0)", "grad_bias = grad_output.sum()"),
        at="grad_bias = grad",
    ),
    _plant(
        "hangul",
        "bias_gradient_before_slope",
        ("db1 = np.sum(dz1, axis=0)", "db1 = np.sum(dh, axis=0)"),
        at="db1 = np.sum(dh",
    ),
    _plant(
        "loops",
        "bias_gradient_before_slope",
        ("                self.gb1[j] += dhid\n", ""),
        (
            "                dhid = err * hid",
            "                self.gb1[j] += err\n                dhid = err * hid",
        ),
        at="self.gb1[j] += err",
    ),
    _plant(
        "cs231n",
        "bias_gradient_before_slope",
        ("grads['b1'] = np.sum(dsum, axis=0)", "grads['b1'] = np.sum(dhidden, axis=0)"),
        at="grads['b1'] = ",
    ),
    _plant(
        "coursera",
        "bias_gradient_before_slope",
        ("np.sum(dZ1, axis=1, keepdims=True)", "np.sum(dA1, axis=1, keepdims=True)"),
        at="np.sum(dA1",
    ),
    _plant(
        "lists",
        "bias_gradient_before_slope",
        (
            "            delta = np.dot(delta, self.W[-l + 1].T) * sp\n",
            "            delta = np.dot(delta, self.W[-l + 1].T)\n",
        ),
        (
            "            nabla_w[-l] = np.dot(activations[-l - 1].T, delta)",
            "            delta = delta * sp\n            nabla_w[-l] = np.dot(activations[-l - 1].T, delta)",
        ),
        at="nabla_b[-l] = ",
    ),
    _plant("hangul", "gradient_sign", ("dz2 = (y - Y) / N", "dz2 = (Y - y) / N"), at="dz2 = (Y - y)"),
    _plant(
        "update_in_backward",
        "gradient_sign",
        ("delta2 = (Y - self.y) / n", "delta2 = (self.y - Y) / n"),
        at="delta2 = (self.y - Y)",
        also=("self.W2 += ", "self.b2 += ", "self.W1 += ", "self.b1 += "),
    ),
    _plant("coursera", "gradient_sign", ("dZ2 = A2 - Y", "dZ2 = Y - A2"), at="dZ2 = Y - A2"),
    _plant(
        "layers",
        "gradient_sign",
        ("dx = (self.y - self.t)", "dx = (self.t - self.y)"),
        at="dx = (self.t - self.y)",
    ),
    _plant(
        "loops", "gradient_sign", ("dout[k] = out[k] - t[k]", "dout[k] = t[k] - out[k]"), at="dout[k] = t[k]"
    ),
    # ------------------------------------------------------------------ update
    _plant(
        "update_in_backward",
        "update_before_use",
        ("        delta1 = (delta2 @ self.W2.T) * self.h * (1 - self.h)\n", ""),
        (
            "        self.W1 += lr * X.T @ delta1\n",
            "        delta1 = (delta2 @ self.W2.T) * self.h * (1 - self.h)\n"
            "        self.W1 += lr * X.T @ delta1\n",
        ),
        at="delta1 = (delta2 @ self.W2.T)",
        also=("self.W2 += ",),
    ),
    _plant(
        "blocks",
        "update_before_use",
        ("        grad_input = grad_output @ self.weights.T\n", ""),
        ("        return grad_input\n", "        return grad_output @ self.weights.T\n"),
        at="return grad_output @ self.weights.T",
        also=("self.weights -= lr",),
    ),
    _plant(
        "sklearn",
        "update_before_use",
        ("                delta_h = np.dot(delta_out, self.w_out_.T) * (a_h * (1.0 - a_h))\n\n", ""),
        (
            "                grad_w_h = np.dot(X_batch.T, delta_h)\n"
            "                grad_b_h = np.sum(delta_h, axis=0)\n",
            "",
        ),
        (
            "                # weight updates\n                self.w_h_ -= self.eta * grad_w_h\n"
            "                self.b_h_ -= self.eta * grad_b_h\n",
            "",
        ),
        (
            "                self.b_out_ -= self.eta * grad_b_out\n",
            "                self.b_out_ -= self.eta * grad_b_out\n\n"
            "                delta_h = np.dot(delta_out, self.w_out_.T) * (a_h * (1.0 - a_h))\n"
            "                self.w_h_ -= self.eta * np.dot(X_batch.T, delta_h)\n"
            "                self.b_h_ -= self.eta * np.sum(delta_h, axis=0)\n",
        ),
        at="delta_h = np.dot(delta_out",
        also=("self.w_out_ -= ",),
    ),
    _plant(
        "long_names",
        "update_before_use",
        (
            "        hidden_errors = numpy.dot(output_errors, self.weights_hidden_output.T)\n",
            "        self.weights_hidden_output -= self.learning_rate * "
            "numpy.dot(self.hidden_outputs.T, output_errors)\n"
            "        hidden_errors = numpy.dot(output_errors, self.weights_hidden_output.T)\n",
        ),
        ("        self.gradient_hidden_output = numpy.dot(self.hidden_outputs.T, output_errors)\n", ""),
        ("        self.weights_hidden_output -= self.learning_rate * self.gradient_hidden_output\n", ""),
        at="hidden_errors = numpy.dot",
        also=("self.weights_hidden_output -= ",),
    ),
    _plant(
        "hangul",
        "update_ascends",
        ("self.params[name] - lr *", "self.params[name] + lr *"),
        at="self.params[name] + lr",
    ),
    _plant(
        "loops",
        "update_ascends",
        ("self.w1 -= lr", "self.w1 += lr"),
        ("self.b1 -= lr", "self.b1 += lr"),
        ("self.w2 -= lr", "self.w2 += lr"),
        ("self.b2 -= lr", "self.b2 += lr"),
        at="self.w1 += lr",
        also=("self.b1 += lr", "self.w2 += lr", "self.b2 += lr"),
    ),
    _plant("cs231n", "update_ascends", ("self.params[p] -= ", "self.params[p] += "), at="self.params[p] += "),
    _plant("functional", "update_ascends", ("tuple(p - rate * g", "tuple(p + rate * g"), at="p + rate * g"),
    _plant(
        "stored_grads",
        "update_ascends",
        ("self.W1 -= lr * self.dW1", "self.W1 = self.W1 + lr * self.dW1"),
        ("self.b1 -= lr * self.db1", "self.b1 = self.b1 + lr * self.db1"),
        ("self.W2 -= lr * self.dW2", "self.W2 = self.W2 + lr * self.dW2"),
        ("self.b2 -= lr * self.db2", "self.b2 = self.b2 + lr * self.db2"),
        at="self.W1 = self.W1 + lr",
        also=("self.b1 = self.b1 + lr", "self.W2 = self.W2 + lr", "self.b2 = self.b2 + lr"),
    ),
    _plant(
        "hangul",
        "parameter_never_updated",
        ("for name in ['W1', 'b1', 'W2', 'b2']:", "for name in ['W1', 'W2']:"),
        at="for name in ['W1', 'W2']:",
        also=("self.params[name] = ",),
    ),
    _plant(
        "stored_grads",
        "parameter_never_updated",
        ("        self.b1 -= lr * self.db1\n", ""),
        at="self.W1 -= lr",
        also=("def step(", "self.W2 -= lr", "self.b2 -= lr"),
    ),
    _plant(
        "layers",
        "parameter_never_updated",
        (
            "self.network.params[key] -= self.lr * grads[key]",
            "self.network.params[key] = self.network.params[key] - self.lr * grads[key]",
        ),
        at="self.network.params[key] = self",
    ),
    _plant(
        "divide_later",
        "parameter_never_updated",
        (
            "value -= learning_rate * self.grads[name] / self.seen",
            "value = value - learning_rate * self.grads[name] / self.seen",
        ),
        at="value = value - ",
    ),
    _plant(
        "coursera",
        "parameter_never_updated",
        (
            'return {"W1": W1, "b1": b1, "W2": W2, "b2": b2}',
            'parameters["W2"] = W2\n    parameters["b2"] = b2\n    parameters["b1"] = b1\n\n'
            "    return parameters",
        ),
        at="    return parameters\n\n\ndef random_mini_batches",
        also=(
            'parameters["W2"] = W2',
            'parameters["b2"] = b2',
            'parameters["b1"] = b1',
            'W1 = parameters["W1"] - ',
        ),
    ),
    _plant("closures", "parameter_never_updated", ("p -= lr * g", "p = p - lr * g"), at="p = p - lr * g"),
    _plant(
        "blocks",
        "parameter_never_updated",
        ("        self.bias -= lr * grad_bias\n", ""),
        at="self.weights -= lr",
        also=("grad_bias = ",),
    ),
    # ------------------------------------------------------------------ training
    _plant(
        "hangul",
        "train_returns_early",
        ("\n        return history\n", "            return history\n"),
        at="            return history\n",
    ),
    _plant(
        "stored_grads",
        "train_returns_early",
        ("    return history\n", "        return history\n"),
        at="        return history\n",
    ),
    _plant(
        "skeleton",
        "train_returns_early",
        ("        return best_accuracy, best_epoch\n", "            return best_accuracy, best_epoch\n"),
        at="            return best_accuracy, best_epoch\n",
    ),
    _plant(
        "octave",
        "train_returns_early",
        ("    return Theta1, Theta2, J_history\n", "            return Theta1, Theta2, J_history\n"),
        at="            return Theta1, Theta2, J_history\n",
    ),
    _plant(
        "sklearn",
        "train_returns_early",
        ("\n        return self\n", "            return self\n"),
        at="return self\n",
    ),
    _plant(
        "hangul",
        "train_without_shuffling",
        ("perm = np.random.permutation(N)", "perm = np.arange(N)"),
        at="perm = np.arange(N)",
    ),
    _plant(
        "coursera",
        "train_without_shuffling",
        (
            "    permutation = list(np.random.permutation(m))\n    shuffled_X = X[:, permutation]\n"
            "    shuffled_Y = Y[:, permutation]\n",
            "    shuffled_X = X\n    shuffled_Y = Y\n",
        ),
        at="shuffled_X = X\n",
        also=("shuffled_Y = Y\n",),
    ),
    _plant(
        "loops",
        "train_without_shuffling",
        ("            self.rng.shuffle(order)\n", ""),
        at="order = np.arange(n)",
        also=("batch = order[",),
    ),
    _plant(
        "sklearn",
        "train_without_shuffling",
        ("            random.shuffle(indices)\n", ""),
        at="indices = np.arange(n_examples)",
    ),
    _plant(
        "update_in_backward",
        "train_without_shuffling",
        ("            p = np.random.permutation(len(X))\n            X, Y = X[p], Y[p]\n", ""),
        at="for s in range(0, len(X), batch):",
        also=("for ep in tqdm(",),
    ),
    _plant(
        "hangul",
        "last_batch_dropped",
        ("for i in range(0, N, batch_size):", "for i in range(0, N - batch_size + 1, batch_size):"),
        at="for i in range(0, N - batch_size + 1",
    ),
    _plant(
        "coursera",
        "last_batch_dropped",
        (
            "    # Handling the end case (last mini-batch < mini_batch_size)\n"
            "    if m % mini_batch_size != 0:\n"
            "        mini_batch_X = shuffled_X[:, num_complete_minibatches * mini_batch_size:]\n"
            "        mini_batch_Y = shuffled_Y[:, num_complete_minibatches * mini_batch_size:]\n"
            "        mini_batches.append((mini_batch_X, mini_batch_Y))\n\n",
            "",
        ),
        at="return mini_batches",
        also=("num_complete_minibatches = ", "for k in range(0, num_complete_minibatches)"),
    ),
    _plant(
        "hidden_first",
        "last_batch_dropped",
        ("num_batch = int(np.ceil(x.shape[0] / batch_size))", "num_batch = x.shape[0] // batch_size"),
        at="num_batch = x.shape[0] //",
        also=("for b in range(num_batch):",),
    ),
    _plant(
        "loops",
        "last_batch_dropped",
        ("while pos < n:", "while pos + bsize <= n:"),
        at="while pos + bsize <= n:",
    ),
    _plant(
        "blocks",
        "last_batch_dropped",
        ("range(0, len(inputs), batchsize)", "range(0, len(inputs) - batchsize + 1, batchsize)"),
        at="range(0, len(inputs) - batchsize + 1",
    ),
    _plant(
        "hangul",
        "labels_not_shuffled_with_inputs",
        ("Y_shuffled = Y[perm]", "Y_shuffled = Y"),
        at="Y_shuffled = Y\n",
    ),
    _plant(
        "coursera",
        "labels_not_shuffled_with_inputs",
        (
            "    permutation = list(np.random.permutation(m))\n    shuffled_X = X[:, permutation]\n"
            "    shuffled_Y = Y[:, permutation]\n",
            "    shuffled_X = X[:, np.random.permutation(m)]\n"
            "    shuffled_Y = Y[:, np.random.permutation(m)]\n",
        ),
        at="shuffled_Y = Y[",
        also=("shuffled_X = X[",),
    ),
    _plant(
        "skeleton",
        "labels_not_shuffled_with_inputs",
        ("X, Y = X[indices], Y[indices]", "X = X[indices]"),
        at="X = X[indices]",
    ),
    _plant(
        "sklearn",
        "labels_not_shuffled_with_inputs",
        (
            "X_batch, y_batch = X[batch_idx], y_enc[batch_idx]",
            "X_batch = X[batch_idx]\n"
            "                y_batch = y_enc[start_idx:start_idx + self.minibatch_size]",
        ),
        at="y_batch = y_enc[start_idx",
    ),
    _plant(
        "loops",
        "labels_not_shuffled_with_inputs",
        (
            "total += self.loss(O, T[batch]) * len(batch)",
            "total += self.loss(O, T[pos:pos + bsize]) * len(batch)",
        ),
        ("self.backward(X[batch], T[batch])", "self.backward(X[batch], T[pos:pos + bsize])"),
        at="self.backward(X[batch], T[pos",
        also=("total += self.loss(",),
    ),
    # ------------------------------------------------------------------ accuracy
    _plant(
        "hangul",
        "accuracy_as_fraction",
        ("return np.sum(pred == answer) / len(Y) * 100", "return np.mean(pred == answer)"),
        at="return np.mean(pred == answer)",
    ),
    _plant(
        "skeleton",
        "accuracy_as_fraction",
        ("return correct / Y.shape[0] * 100", "return correct / Y.shape[0]"),
        at="return correct /",
    ),
    _plant(
        "notebook",
        "accuracy_as_fraction",
        ("return 100 * (Y.argmax", "return (Y.argmax"),
        at="return (Y.argmax",
    ),
    _plant(
        "long_names",
        "accuracy_as_fraction",
        ("return 100.0 * numpy.mean(", "return numpy.mean("),
        at="return numpy.mean(predicted",
    ),
    _plant(
        "hangul",
        "accuracy_wrong_axis",
        ("np.argmax(Y_hat, axis=1)", "np.argmax(Y_hat, axis=0)"),
        ("np.argmax(Y, axis=1)", "np.argmax(Y, axis=0)"),
        at="pred = np.argmax(Y_hat, axis=0)",
        also=("answer = np.argmax(Y, axis=0)",),
    ),
    _plant(
        "stored_grads",
        "accuracy_wrong_axis",
        (
            "(self(x).argmax(axis=1) == target.argmax(axis=1)).mean()",
            "(self(x).argmax(axis=0) == target.argmax(axis=0)).mean()",
        ),
        at="self(x).argmax(axis=0)",
    ),
    _plant(
        "notebook",
        "accuracy_wrong_axis",
        (
            "(Y.argmax(axis=1) == Y_hat.argmax(axis=1)).mean()",
            "(Y.argmax(axis=0) == Y_hat.argmax(axis=0)).mean()",
        ),
        at="Y.argmax(axis=0)",
    ),
    _plant(
        "coursera",
        "accuracy_wrong_axis",
        ("predictions = np.argmax(A2, axis=0)", "predictions = np.argmax(A2, axis=1)"),
        ("np.argmax(Y, axis=0)", "np.argmax(Y, axis=1)"),
        at="predictions = np.argmax(A2, axis=1)",
        also=("np.argmax(Y, axis=1)",),
    ),
    _plant(
        "functional",
        "accuracy_wrong_axis",
        ("p.argmax(-1) == t.argmax(-1)", "p.argmax(0) == t.argmax(0)"),
        at="p.argmax(0)",
    ),
    # ------------------------------------------------------------------ regularisation
    _plant(
        "cs231n",
        "regularisation_gradient",
        ("hidden.T.dot(dscores) + 2 * reg * W2", "hidden.T.dot(dscores)"),
        ("X.T.dot(dsum) + 2 * reg * W1", "X.T.dot(dsum)"),
        at="grads['W1'] = ",
        also=("grads['W2'] = ",),
    ),
    _plant(
        "cs231n",
        "regularisation_gradient",
        ("+ 2 * reg * W2", "+ reg * W2"),
        ("+ 2 * reg * W1", "+ reg * W1"),
        at="grads['W1'] = ",
        also=("grads['W2'] = ", "reg_loss = reg"),
    ),
    _plant(
        "weight_decay",
        "regularisation_gradient",
        ("b1=d_pre.sum(axis=0)", "b1=d_pre.sum(axis=0) + l2 * p.b1"),
        ("b2=d_logits.sum(axis=0)", "b2=d_logits.sum(axis=0) + l2 * p.b2"),
        at="b1=d_pre.sum",
        also=("b2=d_logits.sum",),
    ),
    _plant(
        "octave",
        "regularisation_gradient",
        ("Theta1_grad[:, 1:] += lambda_ / m * Theta1[:, 1:]", "Theta1_grad += lambda_ / m * Theta1"),
        ("Theta2_grad[:, 1:] += lambda_ / m * Theta2[:, 1:]", "Theta2_grad += lambda_ / m * Theta2"),
        at="Theta1_grad += ",
        also=("Theta2_grad += ",),
    ),
    _plant(
        "columns",
        "regularisation_gradient",
        ("self.lambd / m * self.W2\n", "self.lambd * self.W2\n"),
        ("self.lambd / m * self.W1\n", "self.lambd * self.W1\n"),
        at="dW1 = E1",
        also=("dW2 = E2",),
    ),
    _plant(
        "weight_decay",
        "regularisation_gradient",
        ("w1=trace.x.T @ d_pre + l2 * p.w1", "w1=trace.x.T @ d_pre"),
        at="w1=trace.x.T @ d_pre",
    ),
    # ------------------------------------------------------------------ it does not run
    _plant(
        "hangul",
        "syntax_error",
        ("def backward(self, X, Y, ff_dict):", "def backward(self, X, Y, ff_dict)"),
        at="def backward(",
    ),
    _plant(
        "coursera",
        "syntax_error",
        ("dW2 = (1. / m) * np.dot(dZ2, A1.T)", "dW2 = (1. / m) * np.dot(dZ2, A1.T"),
        at="dW2 = (1. / m)",
        also=("db2 = (1. / m)",),
    ),
    _plant(
        "loops",
        "syntax_error",
        ("                right += 1\n", "                right++\n"),
        at="right++",
        also=("return 100.0 * right",),
    ),
    _plant(
        "skeleton",
        "syntax_error",
        ("        grads = {}\n", "       grads = {}\n"),
        at="       grads = {}\n",
        also=("batch_size = X.shape[0]",),
    ),
    _plant("notebook", "syntax_error", ("z2 = h @ W2 + b2", "z2 = h @ W2 + "), at="z2 = h @ W2 + "),
    _plant(
        "functional",
        "syntax_error",
        ("    for _ in range(epochs):\n", "    for _ in range(epochs)\n"),
        at="for _ in range(epochs)",
    ),
    _plant(
        "hangul",
        "name_undefined",
        ("dW2 = np.dot(h.T, dz2)", "dW2 = np.dot(h.T, dZ2)"),
        at="np.dot(h.T, dZ2)",
    ),
    _plant(
        "skeleton",
        "name_undefined",
        ('y = self.softmax(ff_dict["z2"])', 'y = softmax(ff_dict["z2"])'),
        at="y = softmax(",
    ),
    _plant(
        "update_in_backward",
        "name_undefined",
        ("o = self.h @ self.W2", "o = h @ self.W2"),
        at="o = h @ self.W2",
    ),
    _plant(
        "loops",
        "name_undefined",
        ("from math import exp, log, sqrt", "from math import exp, log"),
        at="lim = sqrt(6.0 / (self.nin",
        also=("from math import", "lim = sqrt(6.0 / (self.nhid"),
    ),
    _plant(
        "logsoftmax",
        "name_undefined",
        ("self.rng = default_rng(seed)", "self.rng = np.random.default_rng(sed)"),
        at="default_rng(sed)",
    ),
    _plant(
        "hangul",
        "method_misspelt",
        ("def initialize_parameters(", "def initialize_paramters("),
        at="def initialize_paramters(",
        also=("self.params = self.initialize_parameters(",),
    ),
    _plant(
        "skeleton",
        "method_misspelt",
        ("def forward(self, X", "def forwad(self, X"),
        at="def forwad(",
        also=("y, ff_dict = self.forward(X_batch)", "y_val, _ = self.forward(X_val)"),
    ),
    _plant(
        "notebook",
        "method_misspelt",
        ("def compute_loss(self", "def comput_loss(self"),
        at="def comput_loss(",
        also=("self.compute_loss(Y_batch",),
    ),
    _plant(
        "long_names",
        "method_misspelt",
        ("def backpropagate(", "def backpropogate("),
        at="def backpropogate(",
        also=("self.backpropagate(targets[chosen])",),
    ),
    _plant(
        "layers",
        "method_misspelt",
        ("return self.lastLayer.forward(y, t)", "return self.lastLayer.foward(y, t)"),
        at="self.lastLayer.foward(",
    ),
    _plant("hangul", "crash", ("dW1 = np.dot(X.T, dz1)", "dW1 = np.dot(X, dz1)"), at="dW1 = np.dot(X, dz1)"),
    _plant("coursera", "crash", ('A1 = cache["A1"]', 'A1 = cache["a1"]'), at='A1 = cache["a1"]'),
    _plant(
        "weight_decay",
        "crash",
        ("d_hidden = d_logits @ p.w2.T", "d_hidden = d_logits @ p.w2"),
        at="d_hidden = d_logits @ p.w2",
    ),
    _plant(
        "loops",
        "crash",
        ("err += dout[k] * self.w2[j, k]", "err += dout[k] * self.w2[k, j]"),
        at="err += dout[k] * self.w2[k, j]",
    ),
    _plant(
        "cs231n",
        "crash",
        ("self.params[p] -= learning_rate * grads[p]", "self.params[p] -= learning_rate * grads['d' + p]"),
        at="grads['d' + p]",
    ),
    _plant("notebook", "crash", ("db1=dz1.sum(axis=0)", "db1=dz1.sum(axis=2)"), at="db1=dz1.sum(axis=2)"),
    # ------------------------------------------------------------------ the same mistakes in other hands
    _plant(
        "notebook",
        "init_not_xavier",
        (
            "np.random.randn(n_in, n_out) * np.sqrt(2 / (n_in + n_out))",
            "np.random.rand(n_in, n_out) * np.sqrt(2 / (n_in + n_out))",
        ),
        at="return np.random.rand(",
    ),
    _plant(
        "coursera",
        "init_shape_wrong",
        ("np.random.randn(n_h, n_x)", "np.random.randn(n_x, n_h)"),
        ("np.random.randn(n_y, n_h)", "np.random.randn(n_h, n_y)"),
        at="W1 = np.random.randn(n_x, n_h)",
        also=("W2 = np.random.randn(n_h, n_y)",),
    ),
    _plant(
        "closures",
        "hidden_without_activation",
        ("hid = activate(xs @ theta[0] + theta[1])", "hid = xs @ theta[0] + theta[1]"),
        at="hid = xs @",
    ),
    _plant(
        "minimal", "bias_missing", ("X.dot(self.W1) + self.b1", "X.dot(self.W1)"), at="Z1 = X.dot(self.W1)"
    ),
    _plant(
        "minimal",
        "softmax_wrong_axis",
        ("np.amax(Z2, axis=1, keepdims=True)", "np.amax(Z2, axis=0)"),
        ("E / np.sum(E, axis=1, keepdims=True)", "E / np.sum(E, axis=0)"),
        at="E / np.sum(E, axis=0)",
        also=("np.amax(Z2, axis=0)",),
    ),
    _plant(
        "divide_later",
        "softmax_wrong_axis",
        (
            "np.log(np.sum(np.exp(scores), axis=1, keepdims=True))",
            "np.log(np.sum(np.exp(scores), axis=0, keepdims=True))",
        ),
        at="log_probs = scores - np.log(",
    ),
    _plant(
        "logsoftmax",
        "softmax_over_batch",
        ("top = np.max(a, axis=1, keepdims=True)", "top = np.max(a)"),
        ("np.log(np.sum(np.exp(a - top), axis=1, keepdims=True))", "np.log(np.sum(np.exp(a - top)))"),
        at="np.log(np.sum(np.exp(a - top)))",
    ),
    _plant(
        "closures",
        "loss_log_of_zero",
        ("sum(-np.log(max(p[t], 1e-12)) for", "sum(-np.log(p[t]) for"),
        at="sum(-np.log(p[t])",
    ),
    _plant(
        "blocks",
        "loss_log_of_zero",
        (
            "        self.log_probs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))\n",
            "        self.probs = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)\n",
        ),
        (
            "-self.log_probs[range(len(labels)), labels].mean()",
            "np.mean(-np.log(self.probs[range(len(labels)), labels]))",
        ),
        ("grad = np.exp(self.log_probs)", "grad = self.probs.copy()"),
        at="return np.mean(-np.log(self.probs",
    ),
    _plant(
        "minimal",
        "loss_summed",
        ("np.log(A2.clip(1e-12))) / X.shape[0]", "np.log(A2.clip(1e-12)))"),
        at="return -np.einsum('nc,nc->'",
    ),
    _plant(
        "stored_grads",
        "loss_not_the_one_differentiated",
        (
            "return -(target * np.log(probs + 1e-9)).sum(axis=1).mean()",
            "return -(target * np.log(probs + 1e-9) + (1 - target) * np.log(1 - probs + "
            "1e-9)).sum(axis=1).mean()",
        ),
        at="return -(target",
    ),
    _plant(
        "hidden_first",
        "loss_sign",
        ("per_sample = -np.log(", "per_sample = np.log("),
        at="per_sample = np.log(",
        also=("np.mean(per_sample)",),
    ),
    _plant("divide_later", "loss_sign", ("return -log_probs[", "return log_probs["), at="return log_probs["),
    _plant(
        "minimal", "gradient_not_averaged", ("dZ2 = (A2 - T) / X.shape[0]", "dZ2 = A2 - T"), at="dZ2 = A2 - T"
    ),
    _plant(
        "closures",
        "gradient_not_averaged",
        ("        n = len(xs)\n", ""),
        (
            "[xs.T @ back / n, back.sum(0) / n, hid.T @ err / n, err.sum(0) / n]",
            "[xs.T @ back, back.sum(0), hid.T @ err, err.sum(0)]",
        ),
        at="return [xs.T @ back",
        also=("err[i, t] -= 1",),
    ),
    _plant(
        "no_bias",
        "gradient_not_averaged",
        ("l2_delta = (l2 - y) / len(y)", "l2_delta = l2 - y"),
        at="l2_delta = l2 - y",
    ),
    _plant(
        "weight_decay",
        "gradient_averaged_twice",
        ("w1=trace.x.T @ d_pre + l2", "w1=trace.x.T @ d_pre / n + l2"),
        ("b1=d_pre.sum(axis=0)", "b1=d_pre.mean(axis=0)"),
        ("w2=trace.hidden.T @ d_logits + l2", "w2=trace.hidden.T @ d_logits / n + l2"),
        ("b2=d_logits.sum(axis=0)", "b2=d_logits.mean(axis=0)"),
        at="w2=trace.hidden",
        also=("d_logits = (trace.probs", "w1=trace.x", "b1=d_pre.mean", "b2=d_logits.mean"),
    ),
    _plant(
        "minimal",
        "slope_forgotten",
        ("dZ2.dot(self.W2.T) * (A1 - A1 ** 2)", "dZ2.dot(self.W2.T)"),
        at="dZ1 = dZ2.dot",
    ),
    _plant(
        "columns",
        "slope_forgotten",
        ("E1 = self.W2.T @ E2 * A * (1 - A)", "E1 = self.W2.T @ E2"),
        at="E1 = self.W2.T",
    ),
    _plant(
        "weight_decay",
        "slope_of_another_activation",
        (
            "d_pre = d_hidden * trace.hidden * (1.0 - trace.hidden)",
            "d_pre = d_hidden * (1.0 - trace.hidden**2)",
        ),
        at="d_pre = d_hidden * (1.0 - trace.hidden**2)",
    ),
    _plant(
        "blocks",
        "slope_of_another_activation",
        ("return grad_output * self.s * (1 - self.s)", "return grad_output * (1 - self.s**2)"),
        at="return grad_output * (1 - self.s**2)",
    ),
    _plant(
        "skeleton",
        "slope_applied_twice",
        (
            "X.T @ error_hidden / batch_size",
            'X.T @ (error_hidden * ff_dict["a1"] * (1 - ff_dict["a1"])) / batch_size',
        ),
        at='grads["dW1"] = ',
        also=("error_hidden = (error",),
    ),
    _plant(
        "sklearn",
        "slope_applied_twice",
        ("self.w_out_.T) * (a_h * (1.0 - a_h))", "self.w_out_.T) * (a_h * (1.0 - a_h)) ** 2"),
        at="delta_h = np.dot(delta_out",
    ),
    _plant(
        "columns",
        "bias_gradient_wrong_axis",
        ("dB1 = E1.mean(axis=1, keepdims=True)", "dB1 = E1.mean(axis=0, keepdims=True)"),
        at="dB1 = E1.mean(axis=0",
    ),
    _plant(
        "hidden_first",
        "bias_gradient_wrong_axis",
        ("        ones = np.ones((1, x.shape[0]))\n", ""),
        ('"bias": np.matmul(ones, grad_u1)', '"bias": np.sum(grad_u1, axis=1, keepdims=True)'),
        ('"bias": np.matmul(ones, grad_u2)', '"bias": np.sum(grad_u2, axis=1, keepdims=True)'),
        at="grad1 = {",
        also=("grad2 = {",),
    ),
    _plant(
        "columns",
        "bias_gradient_scalar",
        ("dB2 = E2.mean(axis=1, keepdims=True)", "dB2 = np.sum(E2) / m"),
        at="dB2 = np.sum(E2)",
    ),
    _plant(
        "weight_decay",
        "bias_gradient_before_slope",
        ("b1=d_pre.sum(axis=0)", "b1=d_hidden.sum(axis=0)"),
        at="b1=d_hidden.sum",
    ),
    _plant("minimal", "gradient_sign", ("dZ2 = (A2 - T)", "dZ2 = (T - A2)"), at="dZ2 = (T - A2)"),
    _plant(
        "no_bias", "gradient_sign", ("l2_delta = (l2 - y)", "l2_delta = (y - l2)"), at="l2_delta = (y - l2)"
    ),
    _plant(
        "logsoftmax",
        "gradient_sign",
        ("(np.exp(log_p) - one_hot) / n", "(one_hot - np.exp(log_p)) / n"),
        at="g_logits = (one_hot",
    ),
    _plant(
        "hidden_first",
        "update_ascends",
        ("layer[key] - self.lr", "layer[key] + self.lr"),
        at="layer[key] + self.lr",
    ),
    _plant(
        "hidden_first",
        "parameter_never_updated",
        (
            '            for key in ("weight", "bias"):\n'
            "                layer[key] = layer[key] - self.lr * grad[key]\n",
            '            layer["weight"] = layer["weight"] - self.lr * grad["weight"]\n',
        ),
        at='layer["weight"] = layer["weight"] - ',
        also=("for layer, grad in (",),
    ),
    _plant(
        "notebook",
        "parameter_never_updated",
        ("for k in self.params:", "for k in ('W1', 'b1', 'W2'):"),
        at="for k in ('W1', 'b1', 'W2'):",
        also=("self.params[k] = ",),
    ),
    _plant(
        "functional",
        "train_returns_early",
        (
            "        params = epoch(rng, params, x, t, rate, size)\n    return params\n",
            "        params = epoch(rng, params, x, t, rate, size)\n        return params\n",
        ),
        at="        return params\n",
    ),
    _plant(
        "logsoftmax",
        "train_returns_early",
        ("        return losses\n", "            return losses\n"),
        at="return losses\n",
    ),
    _plant(
        "divide_later",
        "train_without_shuffling",
        ("shuffled = self.rng.permutation(len(x))", "shuffled = np.arange(len(x))"),
        at="shuffled = np.arange",
    ),
    _plant(
        "logsoftmax",
        "last_batch_dropped",
        ("while len(shuffled):", "while len(shuffled) >= batch_size:"),
        at="while len(shuffled) >= ",
    ),
    _plant(
        "columns",
        "last_batch_dropped",
        ("for lo in range(0, m, batch):", "for lo in range(0, m // batch * batch, batch):"),
        at="for lo in range(0, m // batch",
    ),
    _plant(
        "notebook",
        "labels_not_shuffled_with_inputs",
        ("self.train_step(X[b], Y[b], lr)", "self.train_step(X[b], Y[i:i+batch_size], lr)"),
        at="self.train_step(X[b], Y[i",
    ),
    _plant(
        "hidden_first",
        "labels_not_shuffled_with_inputs",
        ("x_s, label_s = x[shuffle_idx], label[shuffle_idx]", "x_s, label_s = x[shuffle_idx], label"),
        at="x_s, label_s = ",
    ),
    _plant(
        "hidden_first",
        "accuracy_as_fraction",
        ("return np.mean(correct) * 100", "return np.mean(correct)"),
        at="return np.mean(correct)",
    ),
    _plant(
        "logsoftmax",
        "accuracy_wrong_axis",
        (
            "return 100 * np.mean(log_p.argmax(axis=1) != labels)",
            "return 100 * np.mean(log_p.argmax() != labels)",
        ),
        at="log_p.argmax() != labels",
    ),
    _plant(
        "hidden_first",
        "method_misspelt",
        ("v2 = self._softmax(u2)", "v2 = self._sofmax(u2)"),
        at="self._sofmax(u2)",
    ),
    _plant(
        "hidden_first",
        "crash",
        ("        return u1, v1, u2, v2\n", "        return v1, u2, v2\n"),
        at="u1, v1, u2, v2 = self.forward(x)",
        also=("return v1, u2, v2",),
    ),
    _plant(
        "functional",
        "crash",
        ("return softmax(s), (x, a, s)", "return softmax(s), x, a, s"),
        at="p, (x, a, _) = forward(",
        also=("return softmax(s), x, a, s", "_, (_, _, s) = forward(", "p, _ = forward("),
    ),
]
