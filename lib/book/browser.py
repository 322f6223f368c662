"""Training in a reader's browser: the fused kernel as WebAssembly, and what the page of the laboratory has to know.

Notable features:
- the kernels are fused.cpp, unchanged, one for each width that the page offers, compiled with vectors of 128 bits;
- each is a script of its own, since a page opened from disk may load scripts and nothing else; what stands in it is
  compressed and written in base64;
- each names the digest of what it was made from, so that one that is out of date is found without a compiler.

`python -m lib.book.browser` compiles them to `book/_static/kernels`; `make wasm` installs the compiler first.
"""

import base64
import gzip
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from lib import data, sweep
from lib.charts.style import HELD_OUT, RIGHT, size_colour
from lib.model import fused
from lib.run import Run

ROOT = Path(__file__).parents[2]
KERNELS = ROOT / "book" / "_static" / "kernels"
COMPILER = ROOT / "requirements-wasm.lock"
WIDTHS = (6, 8, 10, 12, 14, 17, 20, 24, 28, 40, 56)
EXPORTS = ("train", "loss_or_gradient", "malloc")
FLAGS = [
    "-std=c++17", "-target", "wasm32-wasi", "-O3", "-msimd128", "-mexec-model=reactor", "-s",
    "-fno-exceptions", "-fno-rtti", "-fno-math-errno", "-fno-trapping-math", *(f"-Wl,--export={e}" for e in EXPORTS),
]  # fmt: skip
SCRIPT = "// lib/model/fused.cpp, width {width}, made from {digest}\n"
SCRIPT += "(window.laboratoryKernels ??= {{}})[{width}] = {text};\n"

PAGE = """<link rel="stylesheet" href="../_static/laboratory.css">
<div id="laboratory" style="--right:{right};--held-out:{held_out}">
<script type="application/json">{known}</script>
<noscript>Training in the page needs JavaScript, which is switched off.</noscript>
</div>
<script src="../_static/laboratory-worker.js"></script>
<script src="../_static/laboratory.js"></script>"""


def _command(width: int) -> list[str]:
    return [*FLAGS, *(f"-D{k}={v}" for k, v in fused.sizes(Run(data.ARITHMETIC, width, seed=0).architecture).items())]


def digest(width: int) -> str:
    """What the kernel of a width is made from, as one hash: source, flags and compiler."""
    parts = [fused.SOURCE.read_text(), COMPILER.read_text(), *_command(width)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def compile_kernel(width: int) -> None:
    """Writes the script with the kernel of a width, unless it is there and up to date."""
    path, made_from = KERNELS / f"{width}.js", digest(width)
    if path.exists() and made_from in path.read_text().partition("\n")[0]:
        return
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "kernel.wasm"
        compiler = [sys.executable, "-m", "ziglang", "c++"]
        subprocess.run([*compiler, *_command(width), str(fused.SOURCE), "-o", str(built)], check=True)
        text = base64.b64encode(gzip.compress(built.read_bytes(), mtime=0)).decode()
    KERNELS.mkdir(exist_ok=True)
    path.write_text(SCRIPT.format(width=width, digest=made_from, text=json.dumps(text)))


def outcomes(runs: pd.DataFrame) -> dict[str, dict[int, int]]:
    """Held-out sums right at the end of each run that can be had in the laboratory, by seed, by settings.

    The settings are spelt as the page spells them: "width / held out / order of the lines / weight decay / updates".

    Parameters
    ----------
    runs : `Store.runs`.
    """
    found: dict[str, dict[int, int]] = {}
    for run, right in zip(sweep.rows(runs), runs["held_out_correct"], strict=True):
        lines = {None: "published", run.seed: "own"}.get(run.line_order)
        chosen: dict[str, Any] = {
            "weight_decay": run.weight_decay,
            "held_out": run.held_out,
            "line_order": run.line_order,
        }
        if lines and run.id == Run(data.ARITHMETIC, run.width, run.seed, run.iterations, **chosen).id:
            settings = (run.width, run.held_out, lines, f"{run.weight_decay:g}", run.iterations)
            found.setdefault(" / ".join(map(str, settings)), {})[run.seed] = int(right)
    return found


def recording(runs: pd.DataFrame, curves: pd.DataFrame, items: pd.DataFrame) -> dict[str, Any] | None:
    """The first of some runs, evaluation by evaluation, as the page shows it where nothing can be trained.

    Parameters
    ----------
    runs, curves, items : `Store.runs`, and `Store.curves` and `Store.items` of them; the result is None without a run.
    """
    if runs.empty:
        return None
    run, curve = sweep.rows(runs)[0], curves[curves["run"] == runs["run"].iloc[0]]
    greedy = items[items["run"] == run.id].pivot(index="iteration", columns="prompt", values="greedy")
    rights = greedy[published_order()].to_numpy(dtype=int)
    return {
        "run": {
            "width": run.width, "hidden": data.pairs(run.held_out), "seed": run.seed, "lineOrder": run.line_order,
            "weightDecay": run.weight_decay, "iterations": run.iterations,
        },
        "floors": {"unordered": data.floor(run.corpus, ordered=False), "ordered": data.floor(run.corpus)},
        "iterations": curve["iteration"].tolist(), "losses": curve["loss"].round(4).tolist(),
        "rights": ["".join(map(str, row)) for row in rights],
    }  # fmt: skip


def published_order() -> list[str]:
    """The 200 expressions in the published order of their lines; those that it has not come last."""
    shown = data.PUBLISHED_ORDER
    return shown + [p.name for p in data.make(data.ARITHMETIC).prompts if p.name not in set(shown)]


def page(runs: pd.DataFrame, recorded: dict[str, Any] | None) -> str:
    """The laboratory, in HTML: what it knows of the book, and the scripts that make the rest.

    Parameters
    ----------
    runs : the runs to compare with (`Store.runs`).
    recorded : a `recording`.
    """
    known = {
        "published": published_order(), "colours": {width: size_colour(width) for width in WIDTHS},
        "runs": outcomes(runs), "recording": recorded,
    }  # fmt: skip
    return PAGE.format(right=RIGHT, held_out=HELD_OUT, known=json.dumps(known, separators=(",", ":")))


if __name__ == "__main__":
    for width in WIDTHS:
        compile_kernel(width)
