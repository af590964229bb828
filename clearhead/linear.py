"""A layer of nn.Linear, applied by oneDNN where PyTorch's own product leaves half the processor idle.

PyTorch hands float32 products to MKL, which uses no AVX-512 on AMD's processors; oneDNN, in the same
PyTorch, does. Its operator (`mkldnn::_linear_pointwise`, which torch.compile puts in a frozen layer's place)
is private and has no gradient, so it is tried before it is used, and `nn.Linear` itself is called wherever
anything but the plain product is asked for: other types and devices, hooks, adapters, parametrisations,
autocast, torch.func, torch.compile.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.functional import linear as plain_product
from torch.nn.modules import module as modules

from clearhead import machine

machine.keep_freed_memory()  # Tensors of many megabytes come and go with every step.
SMALL = 2**22  # Below so many products of two numbers the way through Python costs more than it saves.
PLAIN_FORWARD = nn.Linear.forward


def linear(layer: Any, x: Tensor) -> Tensor:
    """layer(x) (..., features out) for x (..., features in): nn.Linear's, in less time where that can be.

    >>> layer = nn.Linear(4, 3)
    >>> linear(layer, torch.ones(2, 5, 4)).shape
    torch.Size([2, 5, 3])
    """
    # First, and alone: the rest is nothing for a compiler.
    if torch.compiler.is_compiling() or not _is_plain(layer, x):
        made: Tensor = layer(x)
    elif torch.is_grad_enabled():
        made = _Linear.apply(x, layer.weight, layer.bias)
    else:
        made = _product(x, layer.weight, layer.bias)
    return made


class _Linear(torch.autograd.Function):
    """x Wᵀ + b; and back, for an error d: dx = d W, dW = dᵀ x, db = Σ d, each product written as a bᵀ."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        of_x, of_weight, _ = ctx.needs_input_grad
        ctx.save_for_backward(x if of_weight else None, weight if of_x else None)
        return _product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, error: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        # With create_graph each product is differentiated again.
        product = plain_product if torch.is_grad_enabled() or _is_watched() else _product
        errors = error.reshape(-1, error.shape[-1])
        dx = dweight = dbias = None
        if weight is not None:
            dx = product(error, weight.t())
        if x is not None:
            rows = x.reshape(-1, x.shape[-1])
            # oneDNN turns its first matrix round itself, so let it be the smaller.
            if errors.shape[1] <= rows.shape[1]:
                dweight = product(errors.t(), rows.t())
            else:
                dweight = product(rows.t(), errors.t()).t().contiguous()
        if ctx.needs_input_grad[2]:
            dbias = errors.sum(dim=0)
        return dx, dweight, dbias


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x Wᵀ + b by oneDNN: what `F.linear` has from MKL."""
    made: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return made


def _is_plain(layer: Any, x: Tensor) -> bool:
    """Whether layer(x) is a product of large float32 matrices on this processor, and nothing besides."""
    return (
        type(layer) is nn.Linear
        and type(x) in (Tensor, nn.Parameter)
        and not x.is_nested
        and x.layout == torch.strided
        and x.ndim > 1
        and x.shape[-1] == layer.in_features
        and x.numel() * layer.out_features >= SMALL
        and _is_quicker()
        and x.dtype == torch.float32
        and x.is_cpu
        and _is_dense(layer.weight, (layer.out_features, layer.in_features))
        and (layer.bias is None or _is_dense(layer.bias, (layer.out_features,)))
        and not (layer._forward_hooks or layer._forward_pre_hooks)
        and not (layer._backward_hooks or layer._backward_pre_hooks)
        and not (modules._global_forward_hooks or modules._global_forward_pre_hooks)
        and not (modules._global_backward_hooks or modules._global_backward_pre_hooks)
        and nn.Linear.forward is PLAIN_FORWARD
        and "forward" not in layer.__dict__
        and bool(torch.backends.mkldnn.enabled)
        and not torch.is_autocast_enabled("cpu")
        and not _is_watched()
    )


def _is_dense(parameter: Any, shape: tuple[int, ...]) -> bool:
    """Whether it is a parameter as nn.Linear makes it: oneDNN's operator looks at nothing but its memory."""
    return (
        type(parameter) is nn.Parameter
        and parameter.dtype == torch.float32
        and parameter.is_cpu
        and parameter.layout == torch.strided
        and parameter.shape == shape
        and parameter.is_contiguous()
    )


def _is_watched() -> bool:
    """Whether somebody follows each operation: torch.func, vmap, forward mode, tracing, a mode."""
    return (
        torch._C._are_functorch_transforms_active()
        or torch._C._is_tracing()
        or torch._C._len_torch_dispatch_stack() > 0
        or torch._C._len_torch_function_stack() > 0
        or forward_ad._current_level >= 0
    )


@functools.cache
def _is_quicker() -> bool:
    """Whether oneDNN uses what MKL leaves idle, and is right: tried once, on numbers that add exactly.

    Everything private that this module asks PyTorch for is asked for here first.
    """
    if torch.backends.cpu.get_cpu_capability() != "AVX512" or not machine.is_amd():
        return False
    try:
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            torch.autograd.graph.saved_tensors_hooks(lambda saved: saved, lambda saved: saved),
        ):
            _is_watched()
            same = [_tried(_Linear.apply, *sizes) == _tried(plain_product, *sizes)
                    for sizes in ((6, 7, 5), (5, 3, 9), (64, 256, 256))]  # fmt: skip
        return torch.backends.mkl.is_available() and all(same)
    except (AttributeError, RuntimeError):
        return False


def _tried(way: Any, rows: int, inwards: int, outwards: int) -> list[list[Any]]:
    """Output and gradients of a product of small whole numbers, as lists."""
    shapes = ((rows, inwards), (outwards, inwards), (outwards,))
    x, weight, bias = (
        (torch.arange(torch.Size(shape).numel(), device="cpu") % 7 - 3)
        .float()
        .reshape(shape)
        .requires_grad_()
        for shape in shapes
    )
    made = way(x, weight, bias)
    return [value.tolist() for value in (made, *torch.autograd.grad(made, (x, weight, bias), made.detach()))]
