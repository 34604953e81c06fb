"""Golden vectors: every engine folder says what a backend has to answer."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from engines.errors import ModelFolderError
from engines.golden import (
    GOLDEN_COSINE,
    GoldenVectors,
    golden_clip,
    golden_cosine,
    golden_frames,
    read_golden,
    write_golden,
)
from engines.protocol import Engine
from engines.registry import load_engine


def test_an_engine_gives_what_its_model_gave(any_engine_folder: Path) -> None:
    engine = load_engine(str(any_engine_folder))
    assert golden_cosine(engine, read_golden(any_engine_folder)) >= GOLDEN_COSINE


def test_other_answers_do_not_pass(random_engine: Engine, random_engine_folder: Path) -> None:
    golden = read_golden(random_engine_folder)
    other = GoldenVectors(golden.frames, np.roll(golden.embeddings, 1, axis=1))
    assert golden_cosine(random_engine, other) < GOLDEN_COSINE


def test_the_clip_moves_breaks_once_and_is_looked_at_inside_of_it() -> None:
    frames, continues = golden_clip(64)
    assert frames.shape == (80, 128, 128)
    assert continues.sum() == 78
    assert (frames[1:] != frames[:-1]).any(axis=(1, 2)).all()
    assert 60 < frames.mean() < 180
    assert golden_frames(64).tolist() == [63, 72, 79]


@pytest.mark.parametrize("content", [None, b"PK\x03\x04 cut short", b""])
def test_missing_or_damaged_vectors_are_refused(
    random_engine_folder: Path, tmp_path: Path, content: bytes | None
) -> None:
    folder = tmp_path / "engine"
    shutil.copytree(random_engine_folder, folder)
    (folder / "golden.npz").unlink()
    if content is not None:
        (folder / "golden.npz").write_bytes(content)
    with pytest.raises(ModelFolderError, match="export the engine again"):
        read_golden(folder)


def test_vectors_of_another_engine_are_refused(random_engine: Engine, tmp_path: Path) -> None:
    write_golden(GoldenVectors(np.array([5]), np.ones((1, 7), np.float32)), tmp_path)
    with pytest.raises(ModelFolderError, match="another shape"):
        golden_cosine(random_engine, read_golden(tmp_path))
    write_golden(GoldenVectors(np.array([5, 6]), np.ones((1, 7), np.float32)), tmp_path)
    with pytest.raises(ModelFolderError, match="do not belong together"):
        read_golden(tmp_path)
