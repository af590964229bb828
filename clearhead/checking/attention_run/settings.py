"""A configuration for a learner's constructor: it answers by name, and by what the file sets itself.

Runs inside the sandbox.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from clearhead.checking.binding import role_of
from clearhead.checking.subject import Configuration

Constants = Mapping[str, Any]
MOST_ASKED = 4  # fields of unknown meaning for which values are tried


class Settings(Configuration):
    """Fields by the role that their names tell, else as the file sets them, else as they were guessed.

    >>> settings = Settings({"M": 12}, [("M", "width")], {"causal": True}, {"nmbr": 3})
    >>> settings.width, settings.causal, settings.nmbr, settings.other, settings.asked
    (12, True, 3, 0, ['other'])
    """

    def __init__(
        self, values: Mapping[str, Any], table: Any, constants: Constants, guessed: Mapping[str, Any] = {}
    ) -> None:
        super().__init__(dict(values), table)
        self.__dict__.update(_constants=constants, _guessed=guessed, asked=[])

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        kept = self.__dict__
        if name in kept["_guessed"]:
            return kept["_guessed"][name]
        role = role_of(name, kept["_table"])
        if role in kept["_values"] and not isinstance(kept["_constants"].get(name), bool):
            return kept["_values"][role]
        constant = kept["_constants"].get(name)
        # A length that is set may be another one, too.
        if name not in kept["asked"] and (constant is None or type(constant) is int):
            kept["asked"].append(name)
        return constant if name in kept["_constants"] else 0

    def value(self, role: str) -> Any:
        """What stands for a role."""
        return self.__dict__["_values"][role]

    def with_guesses(self, guessed: Mapping[str, Any]) -> "Settings":
        """The same with other guesses; what is asked of it is known to both."""
        kept = self.__dict__
        made = Settings(kept["_values"], kept["_table"], kept["_constants"], {**kept["_guessed"], **guessed})
        made.__dict__["asked"] = self.asked
        return made

    def __contains__(self, name: str) -> bool:
        return True


def constants_of(tree: ast.Module) -> Constants:
    """What a file's configurations set: fields of classes, defaults, dictionaries and named arguments.

    >>> constants_of(ast.parse("class C:\\n  causal: bool = True\\nconf = {'width': 8}"))
    {'causal': True, 'width': 8}
    """
    return {
        name: value.value for name, value in _settings(tree)
        if isinstance(value, ast.Constant) and not isinstance(value.value, str)
    }  # fmt: skip


def _settings(tree: ast.Module) -> Iterator[tuple[str, ast.expr | None]]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not _is_module(node):
            for part in node.body:
                yield from _assigned(part)
                if isinstance(part, ast.FunctionDef) and part.name == "__init__":
                    yield from _defaults(part)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                if isinstance(key, ast.Constant):
                    yield str(key.value), value


def _is_module(node: ast.ClassDef) -> bool:
    return any(re.search("Module", ast.unparse(base)) for base in node.bases)


def _assigned(part: ast.stmt) -> Iterator[tuple[str, ast.expr | None]]:
    targets = part.targets if isinstance(part, ast.Assign) else [getattr(part, "target", None)]
    for target in targets:
        if isinstance(target, ast.Name):
            yield target.id, getattr(part, "value", None)


def _defaults(function: ast.FunctionDef) -> Iterator[tuple[str, ast.expr | None]]:
    names = [argument.arg for argument in function.args.args]
    defaults = function.args.defaults
    yield from zip(names[len(names) - len(defaults) :], defaults, strict=True)
    for part in ast.walk(function):
        if isinstance(part, ast.Assign) and isinstance(part.targets[0], ast.Attribute):
            yield part.targets[0].attr, part.value
