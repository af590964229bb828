# -*- coding: utf-8 -*-
"""
인공지능개론 과제 2 - 2층 신경망 구현
작성자: 20학번 컴퓨터공학과
"""
import numpy as np
import matplotlib.pyplot as plt


def softmax(z):
    # 오버플로 방지를 위해 행마다 최댓값을 뺀다
    z = z - np.max(z, axis=1, keepdims=True)
    exp_z = np.exp(z)
    return exp_z / np.sum(exp_z, axis=1, keepdims=True)


def sigmoid(x):
    # 입력이 너무 크면 exp가 넘치므로 자른다
    x = np.clip(x, -500, 500)
    return 1.0 / (1.0 + np.exp(-x))


class TwoLayerNN:
    """입력층 - 은닉층(시그모이드) - 출력층(소프트맥스)"""

    def __init__(self, input_dim=784, num_hiddens=256, num_classes=10):
        self.input_dim = input_dim
        self.num_hiddens = num_hiddens
        self.num_classes = num_classes
        self.params = self.initialize_parameters(input_dim, num_hiddens, num_classes)

    def initialize_parameters(self, input_dim, num_hiddens, num_classes):
        """
        Xavier 초기화. 편향은 0으로 둔다.
        W1: (D, H), b1: (H,), W2: (H, C), b2: (C,)
        """
        params = {}
        # 가중치
        std1 = np.sqrt(2.0 / (input_dim + num_hiddens))
        std2 = np.sqrt(2.0 / (num_hiddens + num_classes))
        params['W1'] = np.random.normal(0, std1, size=(input_dim, num_hiddens))
        params['W2'] = np.random.normal(0, std2, size=(num_hiddens, num_classes))
        # 편향
        params['b1'] = np.zeros(num_hiddens)
        params['b2'] = np.zeros(num_classes)
        return params

    def forward(self, X):
        """순전파. 역전파에 필요한 값은 ff_dict에 담아서 돌려준다."""
        ff_dict = {}

        # 은닉층
        z1 = np.dot(X, self.params['W1']) + self.params['b1']   # (N, H)
        h = sigmoid(z1)
        # 출력층
        z2 = np.dot(h, self.params['W2']) + self.params['b2']   # (N, C)
        y = softmax(z2)

        ff_dict['z1'] = z1
        ff_dict['h'] = h
        ff_dict['z2'] = z2
        ff_dict['y'] = y
        return y, ff_dict

    def backward(self, X, Y, ff_dict):
        """역전파. 연쇄 법칙으로 각 파라미터의 기울기를 구한다."""
        N = X.shape[0]
        h = ff_dict['h']
        y = ff_dict['y']

        # 소프트맥스 + 크로스 엔트로피의 미분
        dz2 = (y - Y) / N
        dW2 = np.dot(h.T, dz2)
        db2 = np.sum(dz2, axis=0)

        # 은닉층으로 전파
        dh = np.dot(dz2, self.params['W2'].T)
        dz1 = dh * h * (1 - h)      # 시그모이드의 미분은 h(1-h)
        dW1 = np.dot(X.T, dz1)
        db1 = np.sum(dz1, axis=0)

        grads = {}
        grads['dW1'] = dW1
        grads['db1'] = db1
        grads['dW2'] = dW2
        grads['db2'] = db2
        return grads

    def compute_loss(self, Y, Y_hat):
        """평균 크로스 엔트로피"""
        eps = 1e-12   # log(0) 방지
        N = Y.shape[0]
        loss = -np.sum(Y * np.log(Y_hat + eps)) / N
        return loss

    def evaluate(self, Y, Y_hat):
        """정확도(%)"""
        pred = np.argmax(Y_hat, axis=1)
        answer = np.argmax(Y, axis=1)
        return np.sum(pred == answer) / len(Y) * 100

    def train_step(self, X_batch, Y_batch, lr):
        # 1) 순전파
        Y_hat, ff_dict = self.forward(X_batch)
        # 2) 손실
        loss = self.compute_loss(Y_batch, Y_hat)
        # 3) 역전파
        grads = self.backward(X_batch, Y_batch, ff_dict)
        # 4) 갱신
        for name in ['W1', 'b1', 'W2', 'b2']:
            self.params[name] = self.params[name] - lr * grads['d' + name]
        return loss

    def train(self, X, Y, X_val, Y_val, lr, n_epochs, batch_size, log_interval=1):
        history = {'loss': [], 'acc': [], 'val_loss': [], 'val_acc': []}
        N = X.shape[0]

        for epoch in range(n_epochs):
            # 에폭마다 섞는다
            perm = np.random.permutation(N)
            X_shuffled = X[perm]
            Y_shuffled = Y[perm]

            losses = []
            for i in range(0, N, batch_size):
                X_batch = X_shuffled[i:i + batch_size]
                Y_batch = Y_shuffled[i:i + batch_size]
                losses.append(self.train_step(X_batch, Y_batch, lr))

            Y_hat, _ = self.forward(X)
            Y_val_hat, _ = self.forward(X_val)
            history['loss'].append(np.mean(losses))
            history['acc'].append(self.evaluate(Y, Y_hat))
            history['val_loss'].append(self.compute_loss(Y_val, Y_val_hat))
            history['val_acc'].append(self.evaluate(Y_val, Y_val_hat))
            if epoch % log_interval == 0:
                print('[%d 에폭] 손실 %.4f, 정확도 %.2f%%, 검증 정확도 %.2f%%'
                      % (epoch, history['loss'][-1], history['acc'][-1], history['val_acc'][-1]))

        return history


if __name__ == '__main__':
    np.random.seed(42)
    data = np.load('mnist.npz')
    X_train = data['x_train'].reshape(-1, 784) / 255.0
    Y_train = np.eye(10)[data['y_train']]
    X_test = data['x_test'].reshape(-1, 784) / 255.0
    Y_test = np.eye(10)[data['y_test']]

    model = TwoLayerNN(784, 256, 10)
    hist = model.train(X_train, Y_train, X_test, Y_test, lr=0.5, n_epochs=10, batch_size=100)

    plt.plot(hist['acc'], label='훈련')
    plt.plot(hist['val_acc'], label='검증')
    plt.legend()
    plt.show()
