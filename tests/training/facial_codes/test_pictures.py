"""Tokens as pictures: what a template moves is red, at its place; pictures are small; words lie beside them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from training.errors import DataError
from training.facial_codes import blendshapes
from training.facial_codes.displacement import blendshape_shifts, measured_shifts, mesh_names
from training.facial_codes.explanation import explain_tokens
from training.facial_codes.pictures import PICTURE_PX, TokenArtist, png
from training.facial_codes.sheet import save_sheet
from training.generators.face_mesh.model import FaceModel


@pytest.fixture(scope="module")
def artist(face_model: FaceModel) -> TokenArtist:
    return TokenArtist(face_model, blendshapes.MOVING)


def _templates(**shift: float) -> NDArray[np.float64]:
    rows = np.zeros((len(shift), len(blendshapes.MOVING)))
    for row, (name, value) in enumerate(shift.items()):
        rows[row, blendshapes.MOVING.index(name)] = value
    return rows


def _red(picture: NDArray[np.uint8]) -> tuple[float, float]:
    """Where the red is, x and y, in pixels."""
    rgb = picture.astype(float)
    red = np.maximum(rgb[..., 0] - rgb[..., 1], 0)
    y, x = np.mgrid[:PICTURE_PX, :PICTURE_PX]
    return float((red * x).sum() / red.sum()), float((red * y).sum() / red.sum())


def test_names_of_trackers_and_mesh() -> None:
    assert mesh_names("eyeBlinkLeft") == ("eyeBlinkLeft", "eyeBlink_L")
    assert mesh_names("browInnerUp") == ("browInnerUp", "browInnerUp_L", "browInnerUp_R")


@pytest.mark.shared_data
def test_every_blendshape_moves_the_mesh_and_the_left_one_the_picture_s_right(face_model: FaceModel) -> None:
    shifts = blendshape_shifts(face_model, blendshapes.MOVING)
    sizes = np.linalg.norm(shifts, axis=2)
    assert (sizes.max(axis=1) > 1e-3).all()
    for name in ("eyeBlink", "browOuterUp", "mouthSmile"):
        for side, sign in (("Left", 1), ("Right", -1)):
            row = sizes[blendshapes.MOVING.index(f"{name}{side}")]
            assert sign * (row * face_model.neutral[:, 0]).sum() / row.sum() > 0.2
    assert measured_shifts(shifts).shape == (51, 839, 3)
    with pytest.raises(DataError, match="no expression for 'wink'"):
        blendshape_shifts(face_model, ["wink"])


@pytest.mark.shared_data
def test_red_lies_where_the_face_moves(artist: TokenArtist) -> None:
    brow, jaw, still = artist.draw(
        np.concatenate([_templates(browOuterUpLeft=0.2, jawOpen=0.2), _templates(jawOpen=0.0)])
    )
    assert brow.shape == (PICTURE_PX, PICTURE_PX, 3)
    assert _red(brow)[0] > PICTURE_PX / 2
    assert _red(brow)[1] < PICTURE_PX / 2
    assert abs(_red(jaw)[0] - PICTURE_PX / 2) < 4
    assert _red(jaw)[1] > 0.6 * PICTURE_PX
    assert (still[..., 0] == still[..., 1]).all()


@pytest.mark.shared_data
def test_a_gaze_turns_the_eyes(artist: TokenArtist) -> None:
    ahead, aside = artist.draw(_templates(jawOpen=0.0, eyeLookOutLeft=0.5))
    assert np.abs(ahead.astype(int) - aside.astype(int)).max() > 20


@pytest.mark.shared_data
def test_explained_tokens_have_small_pictures_and_the_unused_are_left_out(artist: TokenArtist, tmp_path: Path) -> None:
    templates = _templates(browOuterUpLeft=0.2, jawOpen=0.3, mouthPucker=0.2, cheekPuff=0.001)
    found = explain_tokens(artist, templates, blendshapes.MOVING, np.array([True, True, False, True]))
    assert [entry.token for entry in found.entries] == [0, 1]
    assert found.entries[0].words == "left outer brow rises"
    files = found.files()
    assert set(files) == {"pictures/0.png", "pictures/1.png"}
    assert max(map(len, files.values())) <= 10 * 1024
    read = cv2.imdecode(np.frombuffer(files["pictures/1.png"], np.uint8), cv2.IMREAD_COLOR)
    assert read is not None
    assert np.abs(read[..., ::-1].astype(int) - found.pictures[1]).max() <= 3
    save_sheet(found.pictures, found.words, np.array([0.4, 0.3, 0.2, 0.1]), tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 10_000
    assert png(found.pictures[0]) == files["pictures/0.png"]
