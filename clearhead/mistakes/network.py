"""The mistakes that learners make in a two-layer network, as wrong steps beside the right ones of `two_layer_nn`.

A function's name is the mistake's id; what follows two underscores only tells several of one id apart.

X[N,D]: the examples, one a row
Y[N,C]: their labels, one-hot
W1[D,H]: weights of the hidden layer
b1[H]: biases of the hidden layer
W2[H,C]: weights of the output layer
b2[C]: biases of the output layer
W2_next[H,C]: the output weights after their update
z1[N,H]: how strongly each example drives each hidden unit
h[N,H]: the hidden values
z2[N,C]: the score of each class
shifted[N,C]: the same, less the largest of its example
y[N,C]: the probabilities
dz2[N,C]: the error of each score
dh[N,H]: the error of each hidden value
dz1[N,H]: the error of each drive
"""

import numpy as np


def _softmax(z, axis):
    powers = np.exp(z - z.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def _sigmoid(z):
    return 0.5 * np.tanh(0.5 * z) + 0.5


def bias_missing__hidden(X, W1):
    """z1[N,H] = X W1: the bias b1 is never added."""
    return X @ W1


def bias_missing__output(h, W2):
    """z2[N,C] = h W2: the bias b2 is never added."""
    return h @ W2


def hidden_without_activation(z1):
    """h[N,H] = z1: σ is missing, so that two layers are worth one."""
    return z1


def activation_sign(z1):
    """h[N,H] = σ(-z1): the sign in the exponent is turned, so that large sums give small values."""
    return _sigmoid(-z1)


def another_activation__tanh(z1):
    """h[N,H] = tanh(z1): tanh stands where σ was asked for."""
    return np.tanh(z1)


def another_activation__relu(z1):
    """h[N,H] = z1 ⊙ [z1 > 0]: ReLU stands where σ was asked for."""
    return z1 * (z1 > 0)


def softmax_wrong_axis(z2):
    """y[N,C] = softmax_N(z2): each class sums to one over the examples, not each example over the classes."""
    return _softmax(z2, 0)


def softmax_over_batch(z2):
    """y[N,C] = softmax_NC(z2): everything together sums to one, not each example."""
    return _softmax(z2, (0, 1))


def softmax_wrong_axis__shifted(shifted):
    """y[N,C] = exp(shifted) / Σ_N(exp(shifted)): each class sums to one over the examples."""
    return np.exp(shifted) / np.exp(shifted).sum(axis=0)


def softmax_over_batch__shifted(shifted):
    """y[N,C] = exp(shifted) / Σ_NC(exp(shifted)): everything together sums to one, not each example."""
    return np.exp(shifted) / np.exp(shifted).sum()


def softmax_missing(z2):
    """y[N,C] = z2: the scores are returned as they are."""
    return z2


def output_sigmoid(z2):
    """y[N,C] = σ(z2): each score is squashed by itself, so that a row does not sum to one."""
    return _sigmoid(z2)


def loss_summed(y, Y):
    """loss[] = -Σ_NC(Y ⊙ log(y)): the sum over the examples, not their mean."""
    return -(Y * np.log(y)).sum()


def loss_averaged_over_classes(y, Y):
    """loss[] = -mean_NC(Y ⊙ log(y)): averaged over the classes too."""
    return -(Y * np.log(y)).mean()


def loss_sign(y, Y):
    """loss[] = mean_N(Σ_C(Y ⊙ log(y))): the minus is missing."""
    return (Y * np.log(y)).sum() / len(y)


def loss_not_the_one_differentiated__squares(y, Y):
    """loss[] = mean_N(Σ_C((y - Y)²)): squared error, while the gradient is that of cross-entropy."""
    return ((y - Y) ** 2).sum() / len(y)


def loss_not_the_one_differentiated__half_squares(y, Y):
    """loss[] = mean_N(Σ_C((y - Y)²)) / 2: squared error, while the gradient is that of cross-entropy."""
    return ((y - Y) ** 2).sum() / len(y) / 2


def loss_not_the_one_differentiated__mean_squares(y, Y):
    """loss[] = mean_NC((y - Y)²): squared error, while the gradient is that of cross-entropy."""
    return ((y - Y) ** 2).mean()


def loss_not_the_one_differentiated__half_mean_squares(y, Y):
    """loss[] = mean_NC((y - Y)²) / 2: squared error, while the gradient is that of cross-entropy."""
    return ((y - Y) ** 2).mean() / 2


def loss_not_the_one_differentiated__sum_squares(y, Y):
    """loss[] = Σ_NC((y - Y)²): squared error, while the gradient is that of cross-entropy."""
    return ((y - Y) ** 2).sum()


def loss_not_the_one_differentiated__half_sum_squares(y, Y):
    """loss[] = Σ_NC((y - Y)²) / 2: squared error, while the gradient is that of cross-entropy."""
    return ((y - Y) ** 2).sum() / 2


def loss_not_the_one_differentiated__binary(y, Y):
    """loss[] = -mean_N(Σ_C(Y ⊙ log(y) + (1 - Y) ⊙ log(1 - y))): that of separate yes-or-no answers."""
    return -(Y * np.log(y) + (1 - Y) * np.log(1 - y)).sum() / len(y)


def loss_not_the_one_differentiated__mean_binary(y, Y):
    """loss[] = -mean_NC(Y ⊙ log(y) + (1 - Y) ⊙ log(1 - y)): that of separate yes-or-no answers."""
    return -(Y * np.log(y) + (1 - Y) * np.log(1 - y)).mean()


def loss_not_the_one_differentiated__absolute(y, Y):
    """loss[] = mean_NC(√((y - Y)²)): absolute error, while the gradient is that of cross-entropy."""
    return np.abs(y - Y).mean()


def accuracy_wrong_axis(y, Y):
    """accuracy[] = Σ_C([argmax_N(y) = argmax_N(Y)]) 100 / C: the likeliest example of each class, not the likeliest class of each example."""
    return 100 * (y.argmax(axis=0) == Y.argmax(axis=0)).sum() / y.shape[1]


def slope_at_output(y, Y):
    """dz2[N,C] = (y - Y) ⊙ y ⊙ (1 - y) / N: the slope of σ at the output, where softmax and cross-entropy leave none."""
    return (y - Y) * y * (1 - y) / len(y)


def weight_gradient_of_sum(z1, dz2):
    """dW2[H,C] = z1ᵀ dz2: z1 stands where the hidden values h fed the error."""
    return z1.T @ dz2


def bias_gradient_scalar__output(dz2):
    """db2[C] = Σ_NC(dz2) + 0 Σ_N(dz2): one number for all classes."""
    return np.full(dz2.shape[1], dz2.sum())


def update_before_use(dz2, W2_next):
    """dh[N,H] = dz2 W2_nextᵀ: W2 had already moved when the error was sent back along it."""
    return dz2 @ W2_next.T


def slope_forgotten(dh):
    """dz1[N,H] = dh: the slope of σ is missing; multiply by h ⊙ (1 - h)."""
    return dh


def slope_of_activated_value(dh, h):
    """dz1[N,H] = dh ⊙ σ(h) ⊙ (1 - σ(h)): σ is applied to h, which is already σ(z1)."""
    return dh * _sigmoid(h) * (1 - _sigmoid(h))


def slope_of_sum(dh, z1):
    """dz1[N,H] = dh ⊙ z1 ⊙ (1 - z1): the slope is written in h, but given z1."""
    return dh * z1 * (1 - z1)


def slope_applied_twice(dh, h):
    """dz1[N,H] = dh ⊙ h ⊙ (1 - h) ⊙ h ⊙ (1 - h): the slope of σ, twice."""
    return dh * (h * (1 - h)) ** 2


def slope_of_activated_value__tanh(dh, h):
    """dz1[N,H] = dh ⊙ (1 - tanh(h)²): tanh is applied to h, which is already tanh(z1)."""
    return dh * (1 - np.tanh(h) ** 2)


def slope_applied_twice__tanh(dh, h):
    """dz1[N,H] = dh ⊙ (1 - h²) ⊙ (1 - h²): the slope of tanh, twice."""
    return dh * (1 - h**2) ** 2


def slope_of_another_activation__tanh(dh, h):
    """dz1[N,H] = dh ⊙ (1 - h²): the slope of tanh."""
    return dh * (1 - h**2)


def slope_of_another_activation__tanh_of_sum(dh, z1):
    """dz1[N,H] = dh ⊙ (1 - tanh(z1)²): the slope of tanh."""
    return dh * (1 - np.tanh(z1) ** 2)


def slope_of_another_activation__relu(dh, z1):
    """dz1[N,H] = dh ⊙ [z1 > 0]: the slope of ReLU."""
    return dh * (z1 > 0)


def slope_of_another_activation__half(dh, h):
    """dz1[N,H] = dh ⊙ h: half of the slope, without 1 - h."""
    return dh * h


def slope_of_another_activation__other_half(dh, h):
    """dz1[N,H] = dh ⊙ (1 - h): half of the slope, without h."""
    return dh * (1 - h)


def slope_applied_twice__weights(X, dz1, h):
    """dW1[D,H] = Xᵀ (dz1 ⊙ h ⊙ (1 - h)): the slope of σ once more."""
    return X.T @ (dz1 * h * (1 - h))


def slope_applied_twice__biases(dz1, h):
    """db1[H] = Σ_N(dz1 ⊙ h ⊙ (1 - h)): the slope of σ once more."""
    return (dz1 * h * (1 - h)).sum(axis=0)


def slope_forgotten__weights(X, dh):
    """dW1[D,H] = Xᵀ dh: the slope of σ is missing; multiply by h ⊙ (1 - h)."""
    return X.T @ dh


def bias_gradient_scalar__hidden(dz1):
    """db1[H] = Σ_NH(dz1) + 0 Σ_N(dz1): one number for all hidden units."""
    return np.full(dz1.shape[1], dz1.sum())


def bias_gradient_before_slope(dh):
    """db1[H] = Σ_N(dh): the errors are summed before the slope of σ."""
    return dh.sum(axis=0)
