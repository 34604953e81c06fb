"""Buckets, profiles and padding: pure arithmetic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.errors import EngineInputError
from engines.tensorrt.batch_buckets import (
    BatchPiece,
    BatchProfile,
    batch_buckets,
    batch_profiles,
    bucket_for,
    cut_into_batches,
    profile_of,
)

LARGEST = st.sampled_from([1, 2, 8, 32, 256])


def test_default_buckets_and_profiles() -> None:
    assert batch_buckets() == (1, 2, 4, 8, 16, 32, 64, 128, 256)
    assert batch_profiles(batch_buckets()) == (
        BatchProfile(1, 2, 4),
        BatchProfile(8, 16, 32),
        BatchProfile(64, 128, 256),
    )


@given(largest=LARGEST)
def test_every_bucket_lies_in_the_profile_that_is_found_for_it(largest: int) -> None:
    buckets = batch_buckets(largest)
    profiles = batch_profiles(buckets)
    for bucket in buckets:
        profile = profiles[profile_of(bucket, profiles)]
        assert profile.smallest <= bucket <= profile.largest
        assert {profile.smallest, profile.usual, profile.largest} <= set(buckets)


@given(rows=st.integers(1, 256))
def test_a_bucket_is_the_smallest_that_holds_the_rows(rows: int) -> None:
    bucket = bucket_for(rows, batch_buckets())
    assert rows <= bucket < 2 * rows


@given(rows=st.integers(0, 20_000), largest=LARGEST)
def test_pieces_cover_every_row_once_in_order_with_little_padding(rows: int, largest: int) -> None:
    buckets = batch_buckets(largest)
    pieces = cut_into_batches(rows, buckets)
    assert [row for piece in pieces for row in range(piece.start, piece.start + piece.rows)] == list(range(rows))
    assert all(piece.bucket in buckets for piece in pieces)
    assert all(piece.rows == piece.bucket for piece in pieces[:-1])
    assert all(piece.bucket < 2 * piece.rows for piece in pieces)


def test_a_large_step_is_cut_and_its_rest_padded() -> None:
    assert cut_into_batches(600, batch_buckets()) == (
        BatchPiece(0, 256, 256),
        BatchPiece(256, 256, 256),
        BatchPiece(512, 88, 128),
    )


@pytest.mark.parametrize("rows", [0, -1, 257])
def test_rows_that_no_bucket_holds_are_refused(rows: int) -> None:
    with pytest.raises(EngineInputError, match="1 to 256 rows"):
        bucket_for(rows, batch_buckets())


def test_sizes_that_fit_nothing_are_refused() -> None:
    with pytest.raises(EngineInputError, match="power of two"):
        batch_buckets(48)
    with pytest.raises(EngineInputError, match="no optimisation profile"):
        profile_of(64, batch_profiles(batch_buckets(32)))
