"""Sizes of batch that a GPU runs: few, so that each can have a captured graph, and close, so that little is padded."""

from __future__ import annotations

from dataclasses import dataclass

from engines.errors import EngineInputError

LARGEST_BATCH = 256
"""Larger steps are cut. The intermediates of a frame are about 1 MB, so batches that long outgrew every cache."""

_BUCKETS_PER_PROFILE = 3


@dataclass(frozen=True, slots=True)
class BatchProfile:
    """One optimisation profile: the batch sizes that TensorRT allows for and the one that it picks kernels for."""

    smallest: int
    usual: int
    largest: int


@dataclass(frozen=True, slots=True)
class BatchPiece:
    """Rows `start` to `start + rows` of a step, run as a batch of `bucket` whose last rows are padding."""

    start: int
    rows: int
    bucket: int


def batch_buckets(largest: int = LARGEST_BATCH) -> tuple[int, ...]:
    """Powers of two from 1 up to `largest`, which must be one itself."""
    if largest < 1 or largest & (largest - 1):
        raise EngineInputError(f"the largest batch must be a power of two, got {largest}")
    return tuple(1 << exponent for exponent in range(largest.bit_length()))


def batch_profiles(buckets: tuple[int, ...]) -> tuple[BatchProfile, ...]:
    """A profile for every three neighbouring buckets, optimised for the middle one: 1-4, 8-32, 64-256."""
    groups = [buckets[start : start + _BUCKETS_PER_PROFILE] for start in range(0, len(buckets), _BUCKETS_PER_PROFILE)]
    return tuple(BatchProfile(group[0], group[len(group) // 2], group[-1]) for group in groups)


def profile_of(bucket: int, profiles: tuple[BatchProfile, ...]) -> int:
    """The number of the profile that holds a bucket."""
    for number, profile in enumerate(profiles):
        if profile.smallest <= bucket <= profile.largest:
            return number
    raise EngineInputError(f"no optimisation profile holds a batch of {bucket}")


def bucket_for(rows: int, buckets: tuple[int, ...]) -> int:
    """The smallest bucket that holds `rows`. Raises EngineInputError where none does."""
    for bucket in buckets:
        if 1 <= rows <= bucket:
            return bucket
    raise EngineInputError(f"a batch holds 1 to {buckets[-1]} rows, got {rows}")


def cut_into_batches(rows: int, buckets: tuple[int, ...]) -> tuple[BatchPiece, ...]:
    """Cut a step of any size: as many of the largest bucket as it fills, then the smallest that holds the rest.

    Less than half of the last piece is padding, none of the others. A padded row is computed from whatever lies in the
    buffers; rows do not depend on each other, so it disturbs nothing, and nobody reads it.
    """
    largest = buckets[-1]
    full = [BatchPiece(start, largest, largest) for start in range(0, rows - largest + 1, largest)]
    rest = rows - len(full) * largest
    return (*full, BatchPiece(rows - rest, rest, bucket_for(rest, buckets))) if rest else tuple(full)
