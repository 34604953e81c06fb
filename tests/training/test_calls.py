"""Recordings of painted faces: through a real codec, and still the face they were."""

from __future__ import annotations

from itertools import islice

import cv2
import numpy as np

from engines.pixels import full_range, luma_plane
from training.data.calls import Recording, crops_of, through_vp8
from training.puppets.player import PuppetPlayer

SHORT = Recording("val", face=0, driver=0, take=0, seconds=0.5)


def test_a_recording_is_a_moving_face_that_repeats_exactly() -> None:
    crops = SHORT.crops()
    assert crops.shape == (15, 128, 128)
    assert crops.dtype == np.uint8
    np.testing.assert_array_equal(crops, SHORT.crops())
    change = np.abs(np.diff(crops.astype(np.int16), axis=0)).mean(axis=(1, 2))
    assert change.max() > 0
    # The crop stands still and so does the background behind the head.
    corners = np.abs(np.diff(crops[:, :8, :8].astype(np.int16), axis=0)).mean()
    assert corners < change.mean()


def test_the_codec_loses_something_and_not_the_picture() -> None:
    sent = list(islice(PuppetPlayer(1_000_000, 1_000_000), 12))
    received = [full_range(luma_plane(frame).pixels) for frame in through_vp8(iter(sent), 300_000)]
    assert len(received) == len(sent)
    for picture, got in zip(sent, received, strict=True):
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(float)
        assert 0 < np.abs(grey - got).mean() < 4


def test_recordings_come_in_order_from_several_processes() -> None:
    other = Recording("val", face=1, driver=1, take=0, seconds=0.2)
    found = list(crops_of([SHORT, other], processes=2))
    np.testing.assert_array_equal(found[0], SHORT.crops())
    np.testing.assert_array_equal(found[1], other.crops())
