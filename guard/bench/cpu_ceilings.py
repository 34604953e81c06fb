"""What the processor reaches at best, in a process of its own: `python -m guard.bench.cpu_ceilings THREADS`.

Its own process, since a BLAS takes its number of threads from the environment, once, when numpy loads it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

_PRODUCT_SIZE = 1024
_COPY_BYTES = 128 * 2**20
"""More than any cache holds; two such arrays."""
_SECONDS = 1.0


def product_gflops() -> float:
    """Billions of additions and multiplications a second in an fp32 matrix product, best of many."""
    left, right = np.random.default_rng(0).random((2, _PRODUCT_SIZE, _PRODUCT_SIZE), dtype=np.float32)
    out = np.empty_like(left)
    return 2 * _PRODUCT_SIZE**3 / _best_seconds(lambda: np.matmul(left, right, out=out)) / 1e9


def copy_gbps(threads: int) -> float:
    """Billions of bytes a second read plus written in a copy of memory, best of many."""
    source, target = np.ones(_COPY_BYTES, np.uint8), np.zeros(_COPY_BYTES, np.uint8)
    pieces = list(zip(np.array_split(target, threads), np.array_split(source, threads), strict=True))
    with ThreadPoolExecutor(threads) as pool:
        return 2 * _COPY_BYTES / _best_seconds(lambda: list(pool.map(lambda piece: np.copyto(*piece), pieces))) / 1e9


def _best_seconds(call: Callable[[], object]) -> float:
    call()
    taken: list[float] = []
    end = time.perf_counter() + _SECONDS
    while not taken or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return min(taken)


def main() -> None:
    """Print both as one JSON object."""
    sys.stdout.write(json.dumps({"gflops": product_gflops(), "copy_gbps": copy_gbps(int(sys.argv[1]))}) + "\n")


if __name__ == "__main__":
    main()
