"""What stands for modules that draw, show progress or are not installed.

Runs inside the sandbox.
"""

from collections.abc import Iterator
from typing import Any, ClassVar


class Stub:
    """Takes everything, and does nothing.

    >>> Stub("tqdm").tqdm([1, 2])
    [1, 2]
    """

    touched: ClassVar[set[str]] = set()  # the modules that are missed, of which something was asked

    def __init__(self, name: str, missed: str = "") -> None:
        self.__name__, self.__missed__ = name, missed

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Stub(name, self.__missed__)

    def __call__(self, *arguments: Any, **_: Any) -> Any:
        """What a function of the module returns: as a rule, a stub."""
        if self.__missed__:
            self.touched.add(self.__missed__)
        # tqdm(range(9)) is what it shows the progress of.
        if self.__name__.endswith(("tqdm", "trange", "track", "notebook")) and arguments:
            return range(arguments[0]) if self.__name__ == "trange" else arguments[0]
        if self.__name__ == "subplots":
            return Stub("figure"), Stub("axes")
        return Stub("value")

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: Any) -> None:
        return None
