"""What the words of an exception tell of its cure."""

import re

# By the key of its text, what stands in a message; a group's name fills a place in the text. The first that
# fits is taken.
CURES = {
    "super": r"cannot assign (module|parameter)s? before Module\.__init__",
    "none": r"NoneType",
    "method": r"(\w+\.)(?P<name>\w+)\(\) takes .* given",
    "given": r"(?P<name>\w+)\(\) (takes .* given|missing \d+ required|got an unexpected keyword)",
    "not_there": r"module '(?P<name>[\w.]+)' has no attribute"
    r"|'(?P<other>ndarray|numpy\.\w+|Tensor|list|dict|tuple|int|float|str)' object has no attribute",
    "attribute": r"object has no attribute '(?P<name>\w+)'",
    "key": r"KeyError: (?P<name>'\w+')",
    "local": r"(local variable '(?P<name>\w+)'|cannot access local variable '(?P<other>\w+)')",
    "product": r"matmul: |not aligned|cannot be multiplied|of batch2 tensor",
    "view": r"view size is not compatible",
    "reshape": r"cannot reshape|is invalid for input of size",
    "shapes": r"could not be broadcast|non-broadcastable|[Ss]ize of tensor a|shape mismatch|broadcast input",
    "axis": r"AxisError|Dimension out of range",
    "unpack": r"to unpack|cannot unpack",
    "index": r"IndexError",
    "called": r"object is not callable",
    "whole": r"Cannot cast ufunc|can't be cast to the desired output type",
    "precision": r"same dtype|expected scalar type|dtype mismatch",
    "endless": r"RecursionError",
}


def cure_of(message: str) -> tuple[str, str]:
    """The key of the text that tells the cure, and the name in it; nothing where the words tell none.

    >>> cure_of("KeyError: 'dW1'"), cure_of("ValueError: no")
    (('key', "'dW1'"), ('', ''))
    """
    for key, pattern in CURES.items():
        if found := re.search(pattern, message):
            named = found.groupdict()
            return key, next(filter(None, named.values()), "")
    return "", ""
