"""Functions that stand beside attention and make causal masks: called, so that their triangles can be seen.

Runs inside the sandbox, where torch is loaded already.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from clearhead.checking.attention_run.subject import AttentionSubject
from clearhead.checking.find import Program
from clearhead.checking.recorder import Loaded
from clearhead.checking.source import Source
from clearhead.checking.subject import quiet

NO_PADDING = 7  # a symbol that nobody pads with


def triangles(
    subject: AttentionSubject, program: Program, source: Source, modules: dict[str, Source]
) -> Iterator[tuple[str, Any]]:
    """What each of them makes for as many tokens as the probes have: its name, and a table of numbers."""
    loaded = Loaded(replace(program, body=program.beside), source, modules, None) if program.masks else None
    for name in program.masks:
        table = _made(subject, loaded.names.get(name)) if loaded else None
        if table is not None:
            yield name, table


def _made(subject: AttentionSubject, function: Any) -> Any:
    """The table that a function makes of a number of tokens, of symbols or of vectors; None if of none."""
    B, T, M = (subject.sizes[letter] for letter in "BTM")
    symbols = subject.torch.full((B, T), NO_PADDING)
    for given in (T, symbols, symbols[..., None].expand(B, T, M).double()):
        with contextlib.suppress(Exception), quiet():
            made = function(given)
            if tuple(made.shape[-2:]) == (T, T):
                tables = np.nan_to_num(made.double().reshape(-1, T, T).numpy())
                return tables[0] if (tables == tables[0]).all() else None
    return None
