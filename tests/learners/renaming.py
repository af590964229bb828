"""The same program with every identifier of its own replaced by a random one, line by line as it was."""

import ast
import builtins
import json
import random
import re
import tokenize
from io import StringIO

KEPT = {"self", "cls", "forward", "super", "print", *dir(builtins)}


def renamed(text, seed=0):
    """A source whose classes, functions, arguments, variables and attributes have other names.

    What Python or a library calls by name stays: `forward` of a module, methods with two underscores.
    """
    tree = ast.parse(text)
    own, attributes = set(), set()
    imported = {
        (alias.asname or alias.name).partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            own.add(node.name)
            attributes.add(node.name)
        elif isinstance(node, ast.arg):
            own.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            own.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            attributes.add(node.attr)
    for node in ast.walk(tree):  # Fields of dataclasses and of configurations.
        if isinstance(node, ast.ClassDef):
            attributes |= {part.target.id for part in node.body if isinstance(part, ast.AnnAssign)}
            attributes |= {
                target.id
                for part in node.body
                if isinstance(part, ast.Assign)
                for target in part.targets
                if isinstance(target, ast.Name)
            }
    callees = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    callees |= attributes  # Instances of own classes, called.
    lines = text.split("\n")

    def at(row, octets):  # The place in characters, as `tokenize` counts; `ast` counts octets.
        return row, len(lines[row - 1].encode()[:octets].decode())

    foreign = {  # What a library's function calls its arguments.
        at(word.lineno, word.col_offset)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and getattr(node.func, "attr", getattr(node.func, "id", "")) not in callees | {"cls"}
        for word in node.keywords
    }
    foreign |= {  # What a library's module has under one of these names: F.dropout.
        at(node.end_lineno, node.end_col_offset - len(node.attr.encode()))
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node).partition(".")[0] in imported
    }
    own |= attributes
    own = {name for name in own if name not in KEPT | imported and not name.startswith("__")}
    attributes &= own
    draw = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyz"
    new = {}
    for name in sorted(own):
        made = "".join(draw.choice(letters) for _ in range(6))
        new[name] = made if made not in own else made + "x"
    edits, before, texts = [], "", []
    for token in tokenize.generate_tokens(StringIO(text).readline):
        if token.type == tokenize.STRING and token.string[:2].lower().startswith(("f'", 'f"', "rf", "fr")):
            texts.append((token.start[0], token.end[0]))
        if token.type == tokenize.NAME and token.string in new and token.start not in foreign:
            after_dot = before == "."
            if not after_dot or token.string in attributes:
                edits.append((token.start, token.string))
        if token.type not in (
            tokenize.NL,
            tokenize.NEWLINE,
            tokenize.INDENT,
            tokenize.DEDENT,
            tokenize.COMMENT,
        ):
            before = token.string
    called = {getattr(node, "id", getattr(node, "attr", "")) for node in ast.walk(tree)}
    by_name = {"getattr", "setattr", "register_buffer", "register_parameter"} & called
    for node in ast.walk(tree) if by_name else ():  # Attributes that are asked for by their names.
        if isinstance(node, ast.Constant) and node.value in attributes and node.value in new:
            edits.append((at(node.lineno, node.col_offset + 1), node.value))
    edits.sort()
    for (row, column), name in reversed(edits):
        line = lines[row - 1]
        lines[row - 1] = line[:column] + new[name] + line[column + len(name) :]
    for first, last in texts:  # Names inside the braces of a formatted string.
        for row in range(first - 1, last):
            lines[row] = re.sub(
                r"\{[^{}]*\}",
                lambda found: re.sub(r"(?<![\w'\".])\w+", lambda word: new.get(word[0], word[0]), found[0]),
                lines[row],
            )
            lines[row] = re.sub(
                r"\{[^{}]*\}",
                lambda found: re.sub(r"(?<=\.)\w+", lambda word: new.get(word[0], word[0]), found[0]),
                lines[row],
            )
    return "\n".join(lines)


def renamed_notebook(text, seed=0):
    """The same of a notebook: its cells are one program."""
    notebook = json.loads(text)
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    sources = ["".join(cell["source"]) for cell in cells]
    magics = [["%" in line[:2] or line.startswith("!") for line in source.split("\n")] for source in sources]
    plain = [
        "\n".join("pass" if magic else line for line, magic in zip(source.split("\n"), marks, strict=True))
        for source, marks in zip(sources, magics, strict=True)
    ]
    made = renamed("\n".join(plain), seed).split("\n")
    for cell, source in zip(cells, sources, strict=True):
        count = source.count("\n") + 1
        part, made = made[:count], made[count:]
        cell["source"] = "\n".join(part)
    return json.dumps(notebook)
