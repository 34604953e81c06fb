"""Frame numbers burnt into pictures: which frame arrived, and did it survive the codec?

Top stripe, a twelfth of the height, 20 cells over the full width, black or white: 1, 0 (start), 16 bits of the number
(most significant first), parity, 1 (stop).
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

CELLS = 20
NUMBER_BITS = 16
_STRIPE_SHARE = 12
_THRESHOLD = 120
BLACK, WHITE = 16, 235


def _cells(number: int) -> list[int]:
    bits = [number >> shift & 1 for shift in reversed(range(NUMBER_BITS))]
    return [1, 0, *bits, sum(bits) % 2, 1]


def write_number(luma: NDArray[np.uint8], number: int) -> None:
    """Burn `number` (0..65535) into `luma`: uint8 (H, W) limited range, or any view of a picture's planes, in place."""
    if not 0 <= number < 1 << NUMBER_BITS:
        raise ValueError(f"frame number {number} does not fit into {NUMBER_BITS} bits")
    height, width = luma.shape[:2]
    edges = np.linspace(0, width, CELLS + 1).round().astype(int)
    for cell, bit in enumerate(_cells(number)):
        luma[: height // _STRIPE_SHARE, edges[cell] : edges[cell + 1]] = WHITE if bit else BLACK


def number_rows(luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The rows of a luma plane, uint8 (H, W), that tell its number: the inner half of the stripe, a view."""
    stripe = luma.shape[0] // _STRIPE_SHARE
    return luma[stripe // 4 : max(stripe // 4 + 1, stripe - stripe // 4)]


def read_number(luma: NDArray[np.uint8]) -> int | None:
    """The number in a luma plane, uint8 (H, W); None where start, stop or parity are wrong."""
    return read_rows(number_rows(luma))


def read_rows(rows: NDArray[np.uint8]) -> int | None:
    """The number in rows of the stripe, uint8 (rows, W): all of `number_rows`, or some of them."""
    width = rows.shape[1]
    row = rows.mean(axis=0)
    edges = np.linspace(0, width, CELLS + 1)
    margin = 0.3 * width / CELLS
    bits = [
        int(row[round(left + margin) : round(right - margin)].mean() > _THRESHOLD)
        for left, right in itertools.pairwise(edges)
    ]
    number_bits, parity = bits[2 : 2 + NUMBER_BITS], bits[2 + NUMBER_BITS]
    if bits[:2] != [1, 0] or bits[-1] != 1 or sum(number_bits) % 2 != parity:
        return None
    return int("".join(map(str, number_bits)), 2)
