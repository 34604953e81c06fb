"""A contact sheet: all tokens of a codebook, their pictures with words and how often they are seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from training.facial_codes.pictures import Pictures

mpl.use("Agg")
from matplotlib import pyplot as plt  # the backend has to be chosen first

_COLUMNS = 8


def save_sheet(pictures: Pictures, words: Sequence[str], shares: NDArray[np.float64], path: Path) -> None:
    """Tokens in the order of their shares (K,), the most frequent first."""
    order = np.argsort(-shares, kind="stable")
    rows = -(-len(order) // _COLUMNS)
    figure, panels = plt.subplots(rows, _COLUMNS, figsize=(1.75 * _COLUMNS, 2.05 * rows), constrained_layout=True)
    for axes in panels.flat:
        axes.set_axis_off()
    for axes, token in zip(panels.flat, order.tolist(), strict=False):
        axes.imshow(pictures[token], interpolation="none")
        axes.set_title(f"{token}: {shares[token]:.1%}\n{_folded(words[token])}", fontsize=6.5)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _folded(words: str) -> str:
    return words.replace(", ", ",\n")
