"""Functions that are forms still to be filled in.

Runs inside the sandbox, on the syntax tree alone.
"""

import ast
import re
from typing import Any

from clearhead.checking.source import Source

_ASKS = re.compile(
    r"TODO|YOUR CODE|FILL (THIS )?IN|여기에|작성하|구현하(세요|시오)|코드를? (작성|입력)", re.I
)


def is_unwritten(function: Any, source: Source) -> bool:
    """Whether a function is a form still to be filled in.

    >>> from clearhead.checking.source import read
    >>> source = read("net.py", b"def forward(X):\\n    pass\\n")
    >>> is_unwritten(source.tree.body[0], source)
    True
    """
    lines = source.text.split("\n")[function.lineno - 1 : function.end_lineno]
    asked = any(map(_ASKS.search, lines))
    body = [part for part in function.body if not _is_text(part)]
    raises = any(isinstance(part, ast.Raise) and "NotImplementedError" in ast.unparse(part) for part in body)
    blank = any(_is_blank(part, asked) for part in ast.walk(function))
    return raises or blank or all(_is_empty(part, asked) for part in body)


def _is_text(part: ast.stmt) -> bool:
    return (
        isinstance(part, ast.Expr)
        and isinstance(part.value, ast.Constant)
        and isinstance(part.value.value, str)
    )


def _is_empty(part: ast.stmt, asked: bool) -> bool:
    """Whether a statement does nothing; where something is `asked` for, also what only stands for it."""
    if isinstance(part, ast.Pass):
        return True
    if isinstance(part, ast.Raise):
        return "NotImplemented" in ast.unparse(part)
    if isinstance(part, ast.Expr):
        return isinstance(part.value, ast.Constant) or (asked and "print" in ast.unparse(part))
    if isinstance(part, ast.Return):
        placeholder = ast.Constant | ast.Name | ast.Tuple | ast.Dict
        return asked and (part.value is None or isinstance(part.value, placeholder))
    if isinstance(part, ast.Assign):
        return asked and isinstance(part.value, ast.Constant) and part.value.value in (None, ...)
    return False


def _is_blank(part: ast.AST, asked: bool) -> bool:
    """Whether it gives a name `...`, or None where something is asked for."""
    if not (isinstance(part, ast.Assign) and isinstance(part.value, ast.Constant)):
        return False
    if part.value.value is ...:
        return True
    return asked and part.value.value is None and all(isinstance(t, ast.Name) for t in part.targets)
