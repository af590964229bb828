"""What this machine's processor is and can do, and what its memory is spared; loads no other library."""

from __future__ import annotations

import functools
import os
import platform
from collections.abc import MutableMapping

KERNELS = "OPENBLAS_CORETYPE"
# What OpenBLAS's SkylakeX kernels are made of.
AVX512 = {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}


@functools.cache
def described() -> dict[str, str]:
    """What Linux says of the first processor, by name; nothing elsewhere.

    >>> isinstance(described(), dict)
    True
    """
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            lines = file.read().split("\n\n")[0].splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, _, value in pairs}


def processor() -> str:
    """As its maker calls it."""
    return described().get("model name") or platform.processor() or platform.machine()


def is_amd() -> bool:
    """Whether AMD made it."""
    return "AuthenticAMD" in (described().get("vendor_id") or platform.processor())


def has_avx512() -> bool:
    """Whether it is known to have all of AVX-512 that matrix products are written with."""
    return set(described().get("flags", "").split()) >= AVX512


def use_avx512(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let OpenBLAS use AVX-512, unless the user has chosen. In time only where NumPy is not yet loaded.

    The OpenBLAS in NumPy's wheels falls back to AVX2, at half the speed, on a processor it does not know.

    >>> chosen = {"OPENBLAS_CORETYPE": "Haswell"}
    >>> use_avx512(chosen)
    >>> chosen
    {'OPENBLAS_CORETYPE': 'Haswell'}
    """
    if has_avx512():
        environment.setdefault(KERNELS, "SkylakeX")


def keep_freed_memory() -> None:
    """Let this process keep some tens of megabytes that it frees, and not fetch them again page by page.

    glibc's malloc gives memory back beyond twice the largest block that was ever freed, of those up to
    32 MB (mallopt(3), M_MMAP_THRESHOLD). This is such a block, never touched. Elsewhere it changes nothing.
    """
    bytes(2**25 - 2**16)
