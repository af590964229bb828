"""What the processor is, which kernels are asked for, and what becomes of freed memory."""

import builtins
import os
import platform
import subprocess
import sys

import pytest

from clearhead import machine

FLAGS = "fpu sse2 avx avx2 fma avx512f avx512dq avx512ifma avx512cd avx512bw avx512vl"
CPUINFO = f"""processor\t: 0
vendor_id\t: AuthenticAMD
model name\t: AMD Ryzen: a name
flags\t\t: {FLAGS}
bugs\t\t:

processor\t: 1
vendor_id\t: another
"""


@pytest.fixture
def told(monkeypatch, tmp_path):
    """Let Linux say something of the processor, or nothing."""
    before = builtins.open

    def tell(text):
        path = tmp_path / "cpuinfo"
        if text is not None:
            path.write_text(text)
        monkeypatch.setattr(
            builtins, "open", lambda name, *a, **k: before(path if name == "/proc/cpuinfo" else name, *a, **k)
        )
        monkeypatch.setattr(machine, "described", machine.described.__wrapped__)

    return tell


def test_the_first_processor_is_described(told):
    told(CPUINFO)
    assert machine.described()["vendor_id"] == "AuthenticAMD"
    assert machine.processor() == "AMD Ryzen: a name"
    assert machine.is_amd()
    assert machine.has_avx512()


@pytest.mark.parametrize("missing", ["avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"])
def test_a_part_of_avx512_is_not_all_of_it(missing, told):
    told(CPUINFO.replace(f" {missing}", ""))
    assert not machine.has_avx512()


def test_where_linux_is_not_the_system_is_asked(told, monkeypatch):
    told(None)
    monkeypatch.setattr(platform, "processor", lambda: "AMD64 Family 26 Model 2, AuthenticAMD")
    assert machine.described() == {}
    assert machine.is_amd()
    assert machine.processor() == "AMD64 Family 26 Model 2, AuthenticAMD"
    assert not machine.has_avx512()
    monkeypatch.setattr(platform, "processor", lambda: "")
    assert not machine.is_amd()
    assert machine.processor() == platform.machine()


@pytest.mark.parametrize(
    ("flags", "before", "after"),
    [
        (FLAGS, {}, {"OPENBLAS_CORETYPE": "SkylakeX"}),
        (FLAGS, {"OPENBLAS_CORETYPE": "Haswell"}, {"OPENBLAS_CORETYPE": "Haswell"}),
        (FLAGS, {"OPENBLAS_CORETYPE": ""}, {"OPENBLAS_CORETYPE": ""}),
        ("fpu avx2", {}, {}),
    ],
)
def test_avx512_is_asked_for_where_it_is_and_the_user_has_not_chosen(flags, before, after, told):
    told(CPUINFO.replace(FLAGS, flags))
    environment = dict(before)
    machine.use_avx512(environment)
    assert environment == after


COMMAND = """
import sys
from clearhead import machine
machine.described = lambda: {"flags": sys.argv.pop()}
from clearhead.__main__ import main
assert "numpy" not in sys.modules
try:
    main()
except SystemExit:
    pass
import os
from clearhead.blas import kernel
print(os.environ.get("OPENBLAS_CORETYPE"), kernel())
"""


@pytest.mark.parametrize(
    ("flags", "chosen", "expected"),
    [
        pytest.param(
            FLAGS,
            None,
            "SkylakeX",
            marks=pytest.mark.skipif(
                not machine.has_avx512(), reason="what is asked for is run, and this processor has no AVX-512"
            ),
        ),
        (FLAGS, "Haswell", "Haswell"),
        ("avx2", None, "None"),
    ],
)
def test_the_command_asks_before_numpy_is_loaded(flags, chosen, expected):
    environment = {name: value for name, value in os.environ.items() if name != machine.KERNELS}
    if chosen:
        environment[machine.KERNELS] = chosen
    arguments = [sys.executable, "-c", COMMAND, "--version", flags]
    result = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=True)
    asked, kernel = result.stdout.splitlines()[-1].split()
    assert asked == expected
    if asked != "None" and kernel != "None":
        assert kernel == asked


PAGES = """
import resource, sys
from clearhead.machine import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
def come_and_go():
    blocks = [bytearray(5_000_000) for _ in range(8)]
for _ in range(3):
    come_and_go()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    come_and_go()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only glibc's malloc gives memory back so eagerly"
)
def test_freed_memory_is_not_fetched_again_page_by_page():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    pages = {
        way: int(subprocess.check_output([sys.executable, "-c", PAGES, way], env=environment))
        for way in ("kept", "given back")
    }
    # 40 MB, five times: some 49,000 pages of 4 KB where all go back and come again.
    assert pages["kept"] < 1000 < pages["given back"]
