"""The public names, and what importing them loads."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

import clearhead


def python(code, *flags):
    return subprocess.run([sys.executable, *flags, "-c", code], capture_output=True, text=True)


def test_the_public_names_are_these():
    assert clearhead.__all__ == [
        "Block",
        "CustomMultiHeadAttention",
        "Data",
        "LanguageModel",
        "MultiHeadAttention",
        "Run",
        "SequenceClassifier",
        "Step",
        "Trace",
        "TwoLayerNN",
        "check",
        "fit",
        "load",
        "load_data",
        "trace",
        "trace_bytes",
    ]
    assert dir(clearhead) == clearhead.__all__


def test_every_public_name_is_documented_and_no_module_takes_its_place():
    modules = [module.name for module in pkgutil.iter_modules(clearhead.__path__)]
    for module in modules:
        importlib.import_module(f"clearhead.{module}")
    assert not set(modules) & set(clearhead.__all__)
    for name in clearhead.__all__:
        assert getattr(clearhead, name).__doc__, name


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(AttributeError, match=r"no attribute 'TwoLayerNet'; it has Block, .*TwoLayerNN"):
        _ = clearhead.TwoLayerNet


@pytest.mark.parametrize("statement", ["import clearhead", "from clearhead import TwoLayerNN"])
def test_torch_is_not_loaded_for_the_network(statement):
    loaded = python(f"{statement}\nimport sys; print(*sys.modules)").stdout.split()
    assert "clearhead" in loaded
    assert not {"torch", "polars", "rich", "click"} & set(loaded)


@pytest.mark.parametrize("trouble", ["raise ImportError('libtorch is missing')", "1 / 0"])
def test_the_network_trains_where_torch_is_broken(trouble, tmp_path):
    (tmp_path / "torch.py").write_text(trouble)
    code = f"""
import sys; sys.path.insert(0, {str(tmp_path)!r})
from clearhead import TwoLayerNN, fit, load_data
run = fit(TwoLayerNN(64, 5, 10, seed=0), load_data("digits"), epochs=1, lr=0.5, batch_size=64)
run.save({str(tmp_path / "run")!r})
assert run.predict([[0.0] * 64]).labels.shape == (1,)
"""
    result = python(code)
    assert result.returncode == 0, result.stderr


def test_the_mark_of_a_typed_package_is_shipped():
    from importlib.resources import files

    assert (files("clearhead") / "py.typed").is_file()


def test_the_version_is_that_of_the_installed_package():
    from importlib.metadata import version

    assert clearhead.__version__ == version("clearhead")
