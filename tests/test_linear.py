"""The quick linear layer: the values and gradients of nn.Linear, and nn.Linear itself where more is asked."""

import copy
import math
import pickle

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, jvp, vmap
from torch.nn import functional as F
from torch.nn.utils import parametrizations, prune
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from clearhead import linear as module
from clearhead.attention import CustomMultiHeadAttention
from clearhead.linear import linear
from clearhead.transformer import LanguageModel

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="PyTorch without oneDNN")
SHAPES = [((2, 3, 7), 5), ((11, 5), 7), ((2, 1, 3, 4), 6), ((1, 6), 1), ((9, 1), 4)]


@pytest.fixture
def quick(monkeypatch):
    """Whatever the processor and the size, so that the way depends on the layer alone; returns its calls."""
    calls = []
    true = module._product

    def counted(*arguments):
        calls.append(arguments)
        return true(*arguments)

    monkeypatch.setattr(module, "SMALL", 0)
    monkeypatch.setattr(module, "_is_quicker", lambda: True)
    monkeypatch.setattr(module, "_product", counted)
    return calls


def drawn(shape=(2, 3, 7), features=5, bias=True):
    torch.manual_seed(0)
    return nn.Linear(shape[-1], features, bias=bias), torch.randn(shape, requires_grad=True)


def reference(layer, x, error):
    """Output and gradients in float64, by another way than F.linear: an einsum."""
    x, error, *leaves = (value.detach().double() for value in (x, error, *layer.parameters()))
    leaves = [value.requires_grad_() for value in (x, *leaves)]
    made = torch.einsum("...i,oi->...o", leaves[0], leaves[1])
    made = made + leaves[2] if len(leaves) > 2 else made
    return made, *torch.autograd.grad(made, leaves, error)


def results(way, layer, x, error):
    made = way(layer, x)
    return made, *torch.autograd.grad(made, (x, *layer.parameters()), error)


def assert_near(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other.to(one.dtype), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("shape", "features"), SHAPES)
def test_values_and_gradients_equal_an_einsum_in_double_precision(shape, features, bias, quick):
    layer, x = drawn(shape, features, bias)
    error = torch.randn(*shape[:-1], features)
    assert_near(results(linear, layer, x, error), reference(layer, x, error))
    assert len(quick) == 3


def test_memory_in_any_order_gives_the_same(quick):
    layer, _ = drawn((4, 3, 7))
    x = torch.randn(7, 3, 4).permute(2, 1, 0).requires_grad_()
    error = torch.randn(5, 4, 3).permute(1, 2, 0)
    assert not x.is_contiguous()
    assert_near(results(linear, layer, x, error), reference(layer, x, error))
    expanded = torch.ones(()).expand(4, 3, 5)
    assert_near(results(linear, layer, x, expanded), reference(layer, x, expanded))
    assert len(quick) == 6


@pytest.mark.parametrize("frozen", ["x", "weight", "bias"])
def test_what_needs_no_gradient_gets_none_and_costs_nothing(frozen, quick):
    layer, x = drawn()
    leaves = {"x": x, **dict(layer.named_parameters())}
    leaves[frozen].requires_grad_(False)
    linear(layer, x).sum().backward()
    for name, leaf in leaves.items():
        assert (leaf.grad is None) == (name == frozen)
    assert len(quick) == (3 if frozen == "bias" else 2)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_gradients_only_the_product_is_made(mode, quick):
    layer, x = drawn()
    with mode():
        made = linear(layer, x)
        torch.testing.assert_close(made, layer(x), rtol=2e-6, atol=2e-6)
    assert not made.requires_grad
    assert len(quick) == 1


@pytest.mark.parametrize("features", [5, 9])
def test_gradients_lie_in_memory_as_the_layers_do(features, quick):
    layer, x = drawn(features=features)
    gradients = torch.autograd.grad(linear(layer, x).sum(), (x, *layer.parameters()))
    assert [gradient.stride() for gradient in gradients] == [
        value.stride() for value in (x, *layer.parameters())
    ]


def test_what_no_gradient_asks_for_is_not_held(quick):
    layer, x = drawn()
    layer.requires_grad_(False)
    middle = x * 1
    made = linear(layer, middle)
    middle.relu_()  # A frozen layer does not need it any more.
    made.sum().backward()
    torch.testing.assert_close(x.grad, layer.weight.sum(dim=0).expand(2, 3, 7))
    layer.requires_grad_(True)
    made = linear(layer, x.detach())
    with torch.no_grad():
        layer.weight.add_(1)  # Nobody asks for the gradient of x.
    made.sum().backward()
    assert len(quick) == 4


def test_a_weight_changed_between_forward_and_backward_is_reported(quick):
    layer, x = drawn()
    made = linear(layer, x)
    with torch.no_grad():
        layer.weight.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        made.sum().backward()


# Where anything but the plain product is asked for, the layer itself is called.


class Outer(nn.Module):
    """What holds a layer, as attention does."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return linear(self.inner, x)


class Twice(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


class Lora(nn.Module):
    """What adapters put in a layer's place."""

    def __init__(self, base):
        super().__init__()
        self.base, self.down, self.up = base, nn.Linear(7, 2, bias=False), nn.Linear(2, 5, bias=False)

    def forward(self, x):
        return self.base(x) + self.up(self.down(x))


def shadowed(layer):
    layer.forward = lambda x: 3 * F.linear(x, layer.weight, layer.bias)
    return layer


def hooked(layer):
    layer.register_forward_hook(lambda _, inputs, output: output + 1)
    return layer


def hooked_before(layer):
    layer.register_forward_pre_hook(lambda _, inputs: (inputs[0] + 1,))
    return layer


class Scaled(torch.Tensor):
    """What quantisation puts in a weight's place: a tensor with mathematics of its own."""

    @classmethod
    def __torch_function__(cls, function, types, arguments=(), options=None):
        made = super().__torch_function__(function, types, arguments, options or {})
        return made * 2 if function is F.linear else made


def unregistered(layer):
    layer.weight = nn.Parameter(layer.weight.detach().as_subclass(Scaled), requires_grad=False)
    return layer


def subclassed(layer):
    other = Twice(7, 5)
    other.load_state_dict(layer.state_dict())
    return other


CHANGED = {
    "hook": hooked,
    "hook before": hooked_before,
    "subclass": subclassed,
    "adapter": Lora,
    "forward replaced": shadowed,
    "parametrised": lambda layer: parametrizations.weight_norm(layer),
    "spectral norm": lambda layer: parametrizations.spectral_norm(layer).eval(),
    "pruned": lambda layer: prune.l1_unstructured(layer, "weight", amount=0.5),
    "double": lambda layer: layer.double(),
    "bfloat16": lambda layer: layer.bfloat16(),
    "weight no parameter": unregistered,
    "bias with gaps": lambda layer: given(layer, bias=torch.randn(5, 2)[:, 0]),
    "one bias for all": lambda layer: given(layer, bias=torch.randn(1).expand(5)),
    "one number as bias": lambda layer: given(layer, bias=torch.randn(1)),
    "double bias": lambda layer: given(layer, bias=torch.randn(5).double()).double(),
    "sparse weight": lambda layer: given(layer, weight=layer.weight.detach().to_sparse_csr()),
    "more features than said": lambda layer: given(layer, weight=torch.randn(6, 7), bias=torch.randn(6)),
}


def given(layer, **values):
    for name, value in values.items():
        setattr(layer, name, nn.Parameter(value, requires_grad=False))
    return layer


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support")
@pytest.mark.parametrize("name", CHANGED)
def test_a_layer_that_does_more_or_other_is_called_itself(name, quick):
    layer, x = drawn()
    plain = layer(x).detach()
    changed = CHANGED[name](copy.deepcopy(layer))
    x = x.detach().to(next(changed.parameters()).dtype)
    torch.testing.assert_close(linear(changed, x), changed(x), rtol=0, atol=0)
    assert not quick
    if name in (
        "hook",
        "hook before",
        "subclass",
        "adapter",
        "forward replaced",
        "pruned",
        "weight no parameter",
    ):
        assert not torch.allclose(linear(changed, x), plain)


@pytest.mark.parametrize("register", ["register_full_backward_hook", "register_full_backward_pre_hook"])
def test_a_hook_on_the_way_back_fires(register, quick):
    layer, x = drawn()
    fired = []
    getattr(layer, register)(lambda *arguments: fired.append(len(arguments)))
    linear(layer, x).sum().backward()
    assert len(fired) == 1
    assert not quick


@pytest.mark.parametrize(
    "kind", ["forward_hook", "forward_pre_hook", "full_backward_hook", "full_backward_pre_hook"]
)
def test_a_hook_on_every_module_fires(kind, quick):
    layer, x = drawn()
    fired = []
    handle = getattr(nn.modules.module, f"register_module_{kind}")(lambda *arguments: fired.append(1))
    try:
        linear(layer, x).sum().backward()
    finally:
        handle.remove()
    assert fired
    assert not quick
    linear(layer, x)
    assert quick, "a hook that is gone no longer counts"


def test_autocast_is_obeyed(quick):
    layer, x = drawn()
    with torch.autocast("cpu", torch.bfloat16):
        made = linear(layer, x)
    assert made.dtype == torch.bfloat16
    assert not quick


def test_other_parameters_for_one_call_are_used(quick):
    layer, x = drawn()

    weight = torch.randn(5, 7)
    made = functional_call(Outer(layer), {"inner.weight": weight}, (x,))
    torch.testing.assert_close(made, F.linear(x, weight, layer.bias))


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_inputs_of_other_layouts_are_the_layers_business(quick):
    layer, x = drawn((3, 7))
    expected = layer(x)
    torch.testing.assert_close(
        linear(layer, x.detach().to_mkldnn()).to_dense(), expected, rtol=2e-6, atol=2e-6
    )
    torch.testing.assert_close(linear(layer, x.detach().to_sparse()), expected, rtol=2e-6, atol=2e-6)
    nested = torch.nested.as_nested_tensor([x.detach(), x.detach()[:2]], layout=torch.strided)
    torch.testing.assert_close(linear(layer, nested).unbind()[1], expected[:2], rtol=2e-6, atol=2e-6)

    class Own(torch.Tensor):
        pass

    assert type(linear(layer, x.detach().as_subclass(Own))) is Own
    assert not quick


def test_a_mode_over_every_function_sees_the_layer(quick):
    layer, x = drawn()

    class Doubled(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, arguments=(), options=None):
            made = function(*arguments, **(options or {}))
            return 2 * made if function is F.linear else made

    with Doubled():
        made = linear(layer, x)
    torch.testing.assert_close(made, 2 * layer(x), rtol=0, atol=0)
    assert not quick


def test_what_every_linear_layer_was_made_to_do_is_done(quick, monkeypatch):
    layer, x = drawn()
    monkeypatch.setattr(nn.Linear, "forward", lambda self, x: F.linear(x, self.weight) * 7)
    torch.testing.assert_close(linear(layer, x), F.linear(x, layer.weight) * 7, rtol=0, atol=0)
    assert not quick


def test_onednn_that_is_switched_off_stays_off(quick):
    layer, x = drawn()
    torch._C._set_mkldnn_enabled(False)
    try:
        linear(layer, x)
    finally:
        torch._C._set_mkldnn_enabled(True)
    assert not quick


def test_on_the_meta_device_only_the_shape_is_worked_out(quick):
    layer, x = drawn()
    assert linear(layer.to("meta"), x.detach().to("meta")).shape == (2, 3, 5)
    assert not quick


def test_operations_are_counted_as_the_layers_own(quick):
    layer, x = drawn()
    with FlopCounterMode(display=False) as counter:
        linear(layer, x.detach())
    assert counter.get_total_flops() == 2 * 6 * 7 * 5
    loss = linear(layer, x).sum()
    with FlopCounterMode(display=False) as counter:
        loss.backward()
    assert counter.get_total_flops() == 2 * 2 * 6 * 7 * 5


@pytest.mark.parametrize("shape", [(7,), (0, 7), (2, 0, 7)])
def test_one_vector_and_none_are_the_layers_business(shape, quick, monkeypatch):
    monkeypatch.setattr(module, "SMALL", 1)
    layer, _ = drawn()
    x = torch.ones(shape)
    torch.testing.assert_close(linear(layer, x), layer(x), rtol=0, atol=0)
    assert not quick


def test_small_products_are_the_layers_business(monkeypatch):
    monkeypatch.setattr(module, "_is_quicker", lambda: pytest.fail("asked for the processor"))
    layer, x = drawn()
    torch.testing.assert_close(linear(layer, x), layer(x), rtol=0, atol=0)


def test_a_wrong_size_gets_pytorchs_own_words(quick):
    layer, _ = drawn()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        linear(layer, torch.ones(2, 3, 8))


# Derivatives of derivatives, and functions of functions.


def loss_of(way, layer):
    return lambda x: (way(layer, x).tanh() ** 2).sum()


def test_the_second_derivative_equals_that_of_the_layer(quick):
    layer, x = drawn()
    seconds = []
    for way in (linear, lambda layer, x: layer(x)):
        (first,) = torch.autograd.grad(loss_of(way, layer)(x), x, create_graph=True)
        seconds.append(torch.autograd.grad((first**3).sum(), (x, layer.weight, layer.bias)))
    assert quick
    assert_near(*seconds)
    assert all(second.abs().max() > 0.1 for second in seconds[0])


def test_the_second_derivative_equals_central_differences(quick):
    layer, x = drawn()
    direction, width = torch.randn_like(x), 1e-3

    def first(x):
        x = x.detach().requires_grad_()
        return torch.autograd.grad(loss_of(linear, layer)(x), x, create_graph=True)[0], x

    here, at = first(x)
    (exact,) = torch.autograd.grad(here, at, direction)
    above, below = (first(x + sign * width * direction)[0] for sign in (1, -1))
    torch.testing.assert_close(exact, (above - below).detach() / (2 * width), rtol=2e-2, atol=2e-2)


# PyTorch's own forward mode still scripts its rules.
SCRIPTED = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")


@SCRIPTED
@pytest.mark.parametrize("transform", ["grad", "vmap", "jvp", "per example"])
def test_functions_of_functions_work_as_for_the_layer(transform, quick):
    layer, x = drawn()
    x = x.detach()

    def run(way):
        if transform == "grad":
            return grad(loss_of(way, layer))(x)
        if transform == "vmap":
            return vmap(lambda row: way(layer, row))(x)
        if transform == "jvp":
            return jvp(lambda x: way(layer, x), (x,), (torch.ones_like(x),))[1]
        return vmap(grad(loss_of(way, layer)))(x)

    torch.testing.assert_close(run(linear), run(lambda layer, x: layer(x)), rtol=0, atol=0)
    assert not quick


@SCRIPTED
def test_forward_mode_works(quick):
    layer, x = drawn()
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x.detach(), torch.ones_like(x))
        tangent = torch.autograd.forward_ad.unpack_dual(linear(layer, dual)).tangent
    torch.testing.assert_close(tangent, torch.ones_like(x) @ layer.weight.T, rtol=2e-6, atol=2e-6)
    assert not quick
    made, error = linear(layer, x), torch.ones(2, 3, 5)
    with torch.autograd.forward_ad.dual_level():
        (dual,) = torch.autograd.grad(made, x, torch.autograd.forward_ad.make_dual(error, 2 * error))
        tangent = torch.autograd.forward_ad.unpack_dual(dual).tangent
    torch.testing.assert_close(tangent, 2 * error @ layer.weight, rtol=2e-6, atol=2e-6)


def test_many_errors_at_once_go_back_as_one_by_one(quick):
    layer, x = drawn()
    made = linear(layer, x)
    errors = torch.randn(4, *made.shape)
    (together,) = torch.autograd.grad(made, x, errors, is_grads_batched=True, retain_graph=True)
    for error, gradient in zip(errors, together, strict=True):
        torch.testing.assert_close(gradient, torch.autograd.grad(made, x, error, retain_graph=True)[0])
    assert quick


def test_values_that_are_worked_out_again_are_the_same(quick):
    layer, x = drawn()
    error = torch.randn(2, 3, 5)
    again = results(lambda layer, x: checkpoint(linear, layer, x, use_reentrant=False), layer, x, error)
    for one, other in zip(again, results(linear, layer, x, error), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_the_first_use_may_be_within_a_checkpoint(monkeypatch):
    monkeypatch.setattr(module, "SMALL", 0)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(module.machine, "is_amd", lambda: True)
    layer, x = drawn()
    module._is_quicker.cache_clear()
    try:
        checkpoint(linear, layer, x, use_reentrant=False).sum().backward()
        assert module._is_quicker.cache_info().currsize == 1
    finally:
        module._is_quicker.cache_clear()
    torch.testing.assert_close(x.grad, layer.weight.sum(dim=0).expand(2, 3, 7))


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_a_compiler_sees_the_layer_alone(backend, quick):
    layer, x = drawn()
    compiled = torch.compile(linear, fullgraph=True, backend=backend)
    torch.testing.assert_close(compiled(layer, x), layer(x), rtol=0, atol=0)
    assert not quick


@pytest.mark.filterwarnings("ignore:`torch.jit", "ignore::torch.jit.TracerWarning")
def test_a_traced_layer_is_the_layer(quick):
    layer, x = drawn()

    traced = torch.jit.trace(Outer(layer), (x.detach(),), check_trace=False)
    assert "mkldnn" not in str(traced.inlined_graph)
    assert not quick
    attention = CustomMultiHeadAttention(2, 6)
    exported = torch.export.export(attention, (torch.randn(2, 3, 6),))
    x = torch.randn(2, 3, 6)
    torch.testing.assert_close(exported.module()(x), attention(x))
    assert not any("mkldnn" in str(node.target) for node in exported.graph.nodes)


# Where it is used.


@pytest.mark.parametrize("keeping", [True, False])
def test_attention_gives_the_same_the_quick_way(keeping, quick, monkeypatch):
    torch.manual_seed(0)
    attention, x = CustomMultiHeadAttention(3, 12), torch.randn(2, 5, 12, requires_grad=True)

    def run():
        output = attention(x, causal=True, keep={} if keeping else None)
        return output, *torch.autograd.grad((output**2).sum(), (x, *attention.parameters()))

    ours = run()
    # Four projections, three products each.
    assert len(quick) == 12
    monkeypatch.setattr(module, "_is_quicker", lambda: False)
    assert_near(ours, run())


def test_a_hook_on_a_projection_fires_and_an_adapter_changes_the_output(quick):
    attention, x = CustomMultiHeadAttention(1, 7), torch.randn(2, 3, 7)
    before, fired = attention(x), []
    handle = attention.key_proj.register_forward_hook(lambda *_: fired.append(1))
    attention(x)
    handle.remove()
    assert fired == [1]
    attention.value_proj = nn.Sequential(attention.value_proj, nn.Linear(7, 7))
    assert not torch.allclose(attention(x), before)


def test_a_language_model_learns_the_same_the_quick_way(quick, monkeypatch):
    losses = []
    for quicker in (True, False):
        monkeypatch.setattr(module, "_is_quicker", lambda quicker=quicker: quicker)
        torch.manual_seed(0)
        model = LanguageModel(11, 6, model_dim=8, num_heads=2, num_layers=2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        symbols = torch.arange(42).reshape(6, 7) ** 2 % 11
        for _ in range(20):
            loss = F.cross_entropy(model(symbols[:, :-1]).flatten(0, 1), symbols[:, 1:].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses.append(loss.item())
    assert len(quick) == 20 * 3 * (2 * 6 + 1)  # Steps, products, two blocks of six layers and the last one.
    assert math.isclose(*losses, rel_tol=1e-3)
    assert losses[0] < 2.2


def test_copies_and_pickles_know_nothing_of_it(quick):
    attention, x = CustomMultiHeadAttention(2, 6), torch.randn(2, 3, 6)
    for twin in (copy.deepcopy(attention), pickle.loads(pickle.dumps(attention))):
        torch.testing.assert_close(twin(x), attention(x), rtol=0, atol=0)


# Whether it is used.


def processor(monkeypatch, capability="AVX512", is_amd=True):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(module.machine, "is_amd", lambda: is_amd)
    return module._is_quicker.__wrapped__()


@pytest.mark.parametrize(
    ("capability", "is_amd", "expected"),
    [("AVX512", True, True), ("AVX512", False, False), ("AVX2", True, False), ("DEFAULT", False, False)],
)
def test_it_is_used_where_mkl_leaves_half_of_the_processor_idle(capability, is_amd, expected, monkeypatch):
    assert processor(monkeypatch, capability, is_amd) is expected


@pytest.mark.parametrize("name", ["_are_functorch_transforms_active", "_len_torch_dispatch_stack"])
def test_a_pytorch_that_has_other_private_names_does_without(name, monkeypatch):
    monkeypatch.delattr(torch._C, name)
    assert processor(monkeypatch) is False
    monkeypatch.setattr(module, "_is_quicker", lambda: False)
    monkeypatch.setattr(module, "SMALL", 0)
    layer, x = drawn()
    linear(layer, x.detach())


@pytest.mark.parametrize("fault", ["bias", "order", "gradient", "absent", "refused"])
def test_an_operator_that_answers_wrongly_or_not_is_not_used(fault, monkeypatch):
    true = module._product

    def wrong(x, weight, bias=None):
        if fault == "absent":
            raise AttributeError("'_OpNamespace' 'mkldnn' object has no attribute '_linear_pointwise'")
        if fault == "refused":
            raise RuntimeError("could not create a primitive")
        if fault == "bias":
            return true(x, weight, None)
        if fault == "gradient" and bias is None:
            return true(x, weight) + 1
        return true(x, weight, bias).flip(-1) if fault == "order" else true(x, weight, bias)

    monkeypatch.setattr(module, "_product", wrong)
    assert processor(monkeypatch) is False


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_it_can_be_tried_first_wherever_that_happens(mode, monkeypatch):
    state = torch.random.get_rng_state()
    with mode(), torch.device("meta"):
        assert processor(monkeypatch) is True
    assert torch.equal(torch.random.get_rng_state(), state), "a seed gives the same numbers as without"
