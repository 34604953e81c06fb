"""The bar code that video tests rely on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.bench.barcode import read_number, write_number


@given(
    number=st.integers(0, 65535),
    width=st.integers(100, 1000),
    height=st.integers(60, 600),
    noise=st.integers(0, 60),
)
@settings(deadline=None)
def test_a_number_is_read_back_through_noise(number: int, width: int, height: int, noise: int) -> None:
    rng = np.random.default_rng(number)
    luma = rng.integers(0, 256, (height, width), np.uint8)
    write_number(luma, number)
    noisy = luma.astype(int) + rng.integers(-noise, noise + 1, luma.shape)
    assert read_number(np.clip(noisy, 0, 255).astype(np.uint8)) == number


def test_a_flipped_cell_is_no_number() -> None:
    luma = np.zeros((120, 200), np.uint8)
    write_number(luma, 1234)
    for cell in range(20):
        damaged = luma.copy()
        columns = slice(cell * 10, (cell + 1) * 10)
        damaged[:10, columns] = 251 - damaged[:10, columns]
        assert read_number(damaged) is None


@pytest.mark.parametrize("number", [-1, 65536])
def test_a_number_that_does_not_fit_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="16 bits"):
        write_number(np.zeros((12, 20), np.uint8), number)
