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
    """x Wᵀ + b, and back: dx = d W, dW = dᵀ x, db = Σ d, each product the other way round as a bᵀ too."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, error: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        # With create_graph each product is differentiated again, and vmap may hold many errors in one.
        again = torch.is_grad_enabled() or torch._C._are_functorch_transforms_active()
        product = plain_product if again else _product
        dx = dweight = dbias = None
        if ctx.needs_input_grad[0]:
            dx = product(error, weight.t())
        errors, rows = error.reshape(-1, error.shape[-1]), x.reshape(-1, x.shape[-1])
        if ctx.needs_input_grad[1] and errors.shape[1] <= rows.shape[1]:
            dweight = product(errors.t(), rows.t())
        elif ctx.needs_input_grad[1]:  # oneDNN turns its first matrix round itself, so let it be the smaller.
            dweight = product(rows.t(), errors.t()).t()
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
        and x.ndim > 1
        and x.shape[-1] == layer.in_features
        and x.numel() * layer.out_features >= SMALL
        and type(x) in (Tensor, nn.Parameter)
        and type(weight := layer.weight) is nn.Parameter
        and x.dtype == weight.dtype == torch.float32
        and x.is_cpu
        and weight.is_cpu
        and not (layer._forward_hooks or layer._forward_pre_hooks)
        and not (layer._backward_hooks or layer._backward_pre_hooks)
        and not (modules._global_forward_hooks or modules._global_forward_pre_hooks)
        and not (modules._global_backward_hooks or modules._global_backward_pre_hooks)
        and "forward" not in layer.__dict__
        and not torch.is_autocast_enabled("cpu")
        and not torch._C._is_tracing()
        and not torch._C._are_functorch_transforms_active()
        and not torch._C._len_torch_dispatch_stack()
        and forward_ad._current_level < 0
        and _is_quicker()
    )


@functools.cache
def _is_quicker() -> bool:
    """Whether oneDNN uses what MKL leaves idle, and is right: tried once, on numbers that add exactly."""
    if torch.backends.cpu.get_cpu_capability() != "AVX512" or not machine.is_amd():
        return False
    try:
        with torch.inference_mode(False), torch.enable_grad():
            numbers = torch.arange(-60.0, 60.0, dtype=torch.float32, device="cpu")
            results = []
            for way in (_Linear.apply, plain_product):
                x = numbers[:42].reshape(2, 3, 7).requires_grad_()
                weight, bias = numbers[40:75].reshape(5, 7).requires_grad_(), numbers[75:80].requires_grad_()
                made = way(x, weight, bias)
                errors = torch.autograd.grad(made, (x, weight, bias), made.detach())
                results.append((made, *errors))
        return all(torch.equal(ours, theirs) for ours, theirs in zip(*results, strict=True))
    except (AttributeError, RuntimeError):
        return False
