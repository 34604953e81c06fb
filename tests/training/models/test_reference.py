"""The published network is reproduced, and a reference file that cannot be used is refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from training.errors import ReferenceFileError
from training.models.feat_diff import FeatDiff
from training.reference import REFERENCE_TOLERANCE, check_reference


@pytest.fixture
def reference(golden: Path) -> Path:
    return golden / "feat_diff_dev.npz"


def changed(reference: Path, path: Path, replaced: dict[str, NDArray[Any]], *, without: str | None = None) -> Path:
    """A copy of the reference file with arrays replaced, and without one."""
    with np.load(reference) as archive:
        arrays = {name: archive[name] for name in archive.files if name != without}
    np.savez(path, **(arrays | replaced))
    return path


def test_golden_outputs_are_reproduced(reference: Path) -> None:
    errors = check_reference(reference)
    assert max(errors.stem, errors.fcc, errors.features, errors.embedding) == errors.largest
    assert errors.largest <= REFERENCE_TOLERANCE
    assert errors.within_tolerance


def test_parameters_are_the_published_ones_without_the_layer_that_is_never_called() -> None:
    assert sum(parameter.numel() for parameter in FeatDiff().parameters()) == 526_808 - 16_512


def test_wrong_outputs_are_measured(reference: Path, tmp_path: Path) -> None:
    with np.load(reference) as archive:
        embedding, kernel = archive["embedding"], archive["weights/fcc.mk_2_W"]
    assert check_reference(changed(reference, tmp_path / "a.npz", {"embedding": embedding + 0.25})).embedding > 0.2
    errors = check_reference(changed(reference, tmp_path / "b.npz", {"weights/fcc.mk_2_W": kernel * 1.1}))
    assert errors.stem <= REFERENCE_TOLERANCE < errors.fcc
    assert not errors.within_tolerance
    nan = check_reference(changed(reference, tmp_path / "c.npz", {"embedding": embedding * np.nan}))
    assert not nan.within_tolerance


@pytest.mark.parametrize("missing", ["frames", "fcc_0", "weights/head.net.3.weight", "weights/fcc.pe_1H"])
def test_missing_array_is_named(reference: Path, tmp_path: Path, missing: str) -> None:
    with pytest.raises(ReferenceFileError, match=f"lacks {missing}"):
        check_reference(changed(reference, tmp_path / "less.npz", {}, without=missing))


def test_damaged_files(reference: Path, tmp_path: Path) -> None:
    content = reference.read_bytes()
    truncated, flipped = tmp_path / "truncated.npz", tmp_path / "flipped.npz"
    truncated.write_bytes(content[: len(content) // 2])
    middle = len(content) // 2
    flipped.write_bytes(content[:middle] + bytes([content[middle] ^ 0xFF]) * 64 + content[middle + 64 :])
    text, single = tmp_path / "text.npz", tmp_path / "single.npz"
    text.write_text("no archive")
    with single.open("wb") as file:
        np.save(file, np.zeros(3))
    for path in (truncated, flipped, text, single):
        with pytest.raises(ReferenceFileError, match=rf"{path.name}: not a readable \.npz reference file"):
            check_reference(path)
    with pytest.raises(ReferenceFileError, match="no such reference file"):
        check_reference(tmp_path / "absent.npz")


def test_wrong_shapes(reference: Path, tmp_path: Path) -> None:
    with pytest.raises(ReferenceFileError, match=r"frames must be uint8 \(n, T >= 4, 128, 128\)"):
        check_reference(changed(reference, tmp_path / "a.npz", {"frames": np.zeros((2, 8, 64, 64), np.uint8)}))
    with pytest.raises(ReferenceFileError, match=r"weights/head\.fc\.0\.weight has shape"):
        check_reference(changed(reference, tmp_path / "b.npz", {"weights/head.fc.0.weight": np.zeros((256, 511))}))
    with pytest.raises(ReferenceFileError, match="embedding has shape"):
        check_reference(changed(reference, tmp_path / "c.npz", {"embedding": np.zeros((2, 128), np.float32)}))
