"""The views: ES modules that notebook, page and file share, and what joins them into one.

A browser gets one module without imports: a notebook loads it from a Blob URL and a file from
`file://`, and from neither can a module import its neighbours.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import json
import re
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
_IMPORT = re.compile(r"^import \{([^}]*)\} from \"\./(\w+)\.js\";\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function |class |const )", re.MULTILINE)
_TOP = re.compile(r"^(?:async )?(?:function|class|const|let) (\w+)", re.MULTILINE)
_DEFAULT = re.compile(r"^export default (.*);\n", re.MULTILINE)


class JoinError(ValueError):
    """Source files that cannot be joined: an import of what is not there, a circle, a name twice."""


def joined(entry: str = "main", folder: Path = FOLDER, *, page: bool = False) -> str:
    """The module `entry` and all that it imports as one module without imports.

    Files are put in the order in which they need each other, imports and exports taken away; with
    page=True the entry's default export too. Raises JoinError where a file imports a name that the
    other does not export, imports in another form, files need each other in a circle, or two files
    have the same name at their top.

    >>> source = joined()
    >>> "\\nimport" in source, source.count("export default")
    (False, 1)
    """
    sources: dict[str, str] = {}
    _gather(entry, folder, sources, ())
    owners: dict[str, str] = {}
    parts = []
    for name, source in sources.items():
        body = _EXPORT.sub("", _IMPORT.sub("", source))
        if name != entry or page:
            body = _DEFAULT.sub("", body)
        for top in _TOP.findall(body):
            if owners.setdefault(top, name) != name:
                raise JoinError(
                    f"{top} stands at the top of both {owners[top]}.js and {name}.js; rename one."
                )
        if left := re.search(r"^(?:import\b(?! ?\()|export (?!default)).*", body, re.MULTILINE):
            raise JoinError(f'{name}.js: write `import {{ name }} from "./file.js";`, not `{left[0]}`.')
        parts.append(body)
    return "\n".join(parts)


def _gather(name: str, folder: Path, sources: dict[str, str], above: tuple[str, ...]) -> None:
    if name in above:
        raise JoinError(f"files need each other in a circle: {' -> '.join((*above, name))}.")
    if name in sources:
        return
    try:
        source = (folder / f"{name}.js").read_text("utf-8")
    except FileNotFoundError:
        raise JoinError(
            f"{above[-1] if above else 'the entry'} imports {name}.js, which is not there."
        ) from None
    for names, other in _IMPORT.findall(source):
        _gather(other, folder, sources, (*above, name))
        exported = _TOP.findall(
            "\n".join(
                line[len("export ") :] for line in sources[other].splitlines() if line.startswith("export ")
            )
        )
        for wanted in filter(None, (word.strip() for word in names.split(","))):
            if wanted not in exported:
                raise JoinError(f"{name}.js imports {wanted} from {other}.js, which does not export it.")
    sources[name] = source


@functools.cache
def _script() -> tuple[str, str]:
    """The page's one module, and its hash as a content security policy names it."""
    script = joined("page", page=True)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return script, f"sha256-{digest}"


def page(document: dict[str, Any], language: str | None = None, title: str = "clearhead") -> str:
    """One HTML file that shows a document (a trace's or a report's JSON) with the network off.

    Raises ValueError for a language other than en and ko.
    """
    if language not in (None, "en", "ko"):
        raise ValueError(f"language={language!r} must be en or ko, or None for the browser's own.")
    script, digest = _script()
    # Inside a script element no text may look like its end; JSON may write any letter by number.
    data = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    for letter in "<>&\u2028\u2029":
        data = data.replace(letter, f"\\u{ord(letter):04x}")
    policy = f"default-src 'none'; script-src '{digest}'; base-uri 'none'; form-action 'none'"
    return f"""<!doctype html>
<html lang="{language or "en"}" data-language="{language or ""}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{html.escape(title)}</title>
</head>
<body>
<script type="application/json" id="document">{data}</script>
<script type="module">{script}</script>
</body>
</html>
"""


def in_notebook(table: str, shown: str) -> str:
    """A plain table, which is all that an untrusted notebook keeps, then the page in a sandboxed frame."""
    return (
        f"<details open><summary>clearhead: the values as a table</summary>{table}</details>"
        f'<iframe sandbox="allow-scripts" title="clearhead" width="100%" height="760" frameborder="0" '
        f'srcdoc="{html.escape(shown)}"></iframe>'
    )
