"""Recordings of painted faces: through a real codec, and still the face they were."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice, pairwise

import cv2
import numpy as np
import pytest

from engines.pixels import CropBox, crop_from_eyes, full_range, luma_plane
from training.data.calls import CallQuality, Recording, crops_of, framed, received_through, through_call, through_vp8
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


def test_several_calls_of_one_performance_are_what_each_alone_would_be() -> None:
    framings = [CallQuality(300_000, lost_share=0.2, beside=0.25), CallQuality(300_000, nearer=1.25)]
    qualities = [CallQuality(300_000), CallQuality(size=(320, 180)), CallQuality(300_000, lost_share=0.2), *framings]
    found = list(received_through([SHORT], qualities, processes=1))
    assert len(found) == 1
    for quality, together in zip(qualities, found[0], strict=True):
        alone = replace(SHORT, quality=quality).received()
        np.testing.assert_array_equal(together.crops, alone.crops)
        np.testing.assert_array_equal(together.continues, alone.continues)


def test_a_loss_freezes_the_picture_until_a_keyframe_and_is_told() -> None:
    """Losses are drawn as the test's own generator draws them; what is between a loss and the keyframe is missing."""
    quality = CallQuality(lost_share=0.1, recovery_seconds=0.1)
    sent = [picture.copy() for picture in islice(PuppetPlayer(1_000_000, 1_000_000), 40)]
    arrived = list(through_call(iter(sent), quality, np.random.default_rng(3)))
    random, lost = np.random.default_rng(3), set[int]()
    for number in range(1, 40):
        if random.random() < quality.lost_share:
            lost.add(number)
    missing = {number for first in lost for number in range(first, first + 3)}
    got = [int(frame.pts or 0) for frame, _ in arrived]
    assert len(lost) > 1
    assert set(got) == set(range(40)) - missing
    after_gap = [int(frame.pts or 0) for frame, continues in arrived if not continues]
    assert after_gap == [one for before, one in pairwise(got) if one != before + 1]
    for frame, _ in arrived:
        grey = cv2.cvtColor(sent[int(frame.pts or 0)], cv2.COLOR_BGR2GRAY).astype(float)
        assert np.abs(grey - full_range(luma_plane(frame).pixels)).mean() < 4  # never smeared


def test_a_face_can_sit_beside_its_place_or_nearer() -> None:
    eyes = (320.0, 150.0), 100.0
    usual, beside, nearer = (
        framed(eyes, quality) for quality in (CallQuality(), CallQuality(beside=0.25), CallQuality(nearer=1.25))
    )
    assert usual == crop_from_eyes(*eyes)
    assert beside == CropBox(usual.x - 25, usual.y, usual.side)  # so the face is to the right of the crop's middle
    assert nearer.side == pytest.approx(usual.side / 1.25, abs=1)
    assert nearer.x + nearer.side / 2 == pytest.approx(eyes[0][0], abs=1)
    moved = replace(SHORT, quality=CallQuality(beside=0.25)).crops().astype(float)
    still = replace(SHORT, quality=CallQuality()).crops().astype(float)
    shift = round(0.25 * 128 / 3.2)
    assert np.abs(moved[:, :, shift:] - still[:, :, :-shift]).mean() < np.abs(moved - still).mean() / 3


def test_quality_sets_rate_size_and_bits() -> None:
    slow = Recording("val", 0, 0, 0, 0.2, CallQuality(fps=20)).received()
    assert len(slow.crops) == 4
    assert slow.continues.all()
    sharp, small, starved = (
        Recording("val", 0, 0, 0, 0.2, quality).crops().astype(float)
        for quality in (CallQuality(), CallQuality(size=(160, 90)), CallQuality(20_000))
    )
    detail = [np.abs(np.diff(crops, axis=2)).mean() for crops in (sharp, small, starved)]
    assert detail[0] > detail[1]
    assert detail[0] > detail[2]
