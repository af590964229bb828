"""How long it takes to begin, as Markdown; about a minute.

    python benchmarks/startup.py

Whole processes, in turn: importing NumPy, importing clearhead, importing its network, and the command
`clearhead train two-layer` on the digits.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np

from clearhead.bench import Timing, conditions, markdown

IMPORTS = {
    "import clearhead": "import clearhead",
    "from clearhead import TwoLayerNN": "from clearhead import TwoLayerNN",
    "import numpy": "import numpy",
    "python alone": "",
}


@click.command()
@click.option("--rounds", default=25)
def main(rounds):
    print(conditions(), flush=True)
    print(f"\n{markdown(timed({name: ['-c', code] for name, code in IMPORTS.items()}, rounds))}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        command = ["-m", "clearhead", "train", "two-layer", "--out", str(Path(folder) / "run")]
        print(f"\n{markdown(timed({'clearhead train two-layer': command}, max(3, rounds // 5)))}")


def timed(commands, rounds):
    seconds = np.empty((rounds + 1, len(commands)))
    for row in seconds:
        for i, arguments in enumerate(commands.values()):
            began = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
            row[i] = time.perf_counter() - began
    return [Timing(name, column) for name, column in zip(commands, seconds[1:].T, strict=True)]


if __name__ == "__main__":
    main()
