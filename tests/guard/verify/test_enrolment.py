"""Enrolment: what is accepted, what is refused, and with which words."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.typing import NDArray

from guard.config import VerifyConfig
from guard.errors import EnrolmentError, TemplateError
from guard.verify.enrolment import MIN_WINDOWS, Enrolment, split_llrs
from guard.verify.template import ConsentRecord, Template
from tests.guard.verify.driver_space import FPS, SIZE, WINDOW_FRAMES, DriverSpace, consent

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def begin(space: DriverSpace, seconds: float = 20.0, name: str = "alice") -> Enrolment:
    return Enrolment(name, consent(), space.spec, VerifyConfig(enrolment_seconds=seconds))


def show(
    enrolment: Enrolment,
    windows: NDArray[np.float32],
    *,
    fps: float = FPS,
    valid_fraction: float = 1.0,
    start: float = 0.0,
) -> float:
    """Plays windows one after the other until the enrolment is complete; the time when it ended."""
    frame = 0
    for window in windows:
        for _ in range(WINDOW_FRAMES):
            if enrolment.complete:
                return start + frame / fps
            enrolment.add(window, valid_fraction, start + frame / fps, fps, continues=frame > 0)
            frame += 1
    return start + frame / fps


def test_twenty_seconds_of_one_driver_make_a_template(space: DriverSpace) -> None:
    alice = space.driver(1)
    windows = space.windows(alice, 12)
    enrolment = begin(space)
    seconds = show(enrolment, windows)
    assert enrolment.progress == 1.0
    assert seconds == pytest.approx(20.0, abs=0.1)
    template = enrolment.template(NOW)
    assert isinstance(template, Template)
    assert template.engine_sha256 == space.spec.model_sha256
    assert (template.name, template.created, template.consent) == ("alice", NOW, consent())
    # 20 s at 32 fps are 640 frames: ten windows that share no frame.
    np.testing.assert_array_equal(template.embeddings, windows[:10])
    assert float(template.mean @ alice) > 0.9


def test_progress_only_grows_and_ends_at_one(space: DriverSpace) -> None:
    enrolment = begin(space)
    seen = [enrolment.progress]
    for start, window in enumerate(space.windows(space.driver(1), 12)):
        show(enrolment, window[None], start=start * WINDOW_FRAMES / FPS)
        seen.append(enrolment.progress)
    assert seen[0] == 0.0
    assert seen[-1] == 1.0
    assert seen == sorted(seen)


def test_short_enrolments_still_need_enough_independent_windows(space: DriverSpace) -> None:
    enrolment = begin(space, seconds=5.0)
    seconds = show(enrolment, space.windows(space.driver(1), 12))
    assert seconds == pytest.approx(MIN_WINDOWS * WINDOW_FRAMES / FPS, abs=0.1)
    assert len(enrolment.template(NOW).embeddings) == MIN_WINDOWS


def test_too_short_a_video_says_what_is_missing(space: DriverSpace) -> None:
    enrolment = begin(space)
    show(enrolment, space.windows(space.driver(1), 4))
    assert 0 < enrolment.progress < 1
    with pytest.raises(EnrolmentError, match=r"too short: 8\.0 s of usable video in 4 windows, need 20 s"):
        enrolment.template(NOW)


@pytest.mark.parametrize("changed_after", [2, 3, 5, 7, 8])
def test_a_driver_change_in_the_middle_is_refused(space: DriverSpace, changed_after: int) -> None:
    before, after = space.windows(space.driver(1), changed_after), space.windows(space.driver(2), 12 - changed_after, 5)
    enrolment = begin(space)
    show(enrolment, np.concatenate([before, after]))
    with pytest.raises(EnrolmentError, match="as if the driver had changed"):
        enrolment.template(NOW)


def test_one_driver_is_hardly_ever_refused(space: DriverSpace) -> None:
    agreeing = [min(split_llrs(space.windows(space.driver(seed), 9, seed), space.spec)) > -1 for seed in range(100)]
    assert sum(agreeing) >= 99


def test_a_still_picture_is_refused(space: DriverSpace) -> None:
    enrolment = begin(space)
    show(enrolment, np.repeat(space.windows(space.driver(1), 1), 12, axis=0))
    with pytest.raises(EnrolmentError, match="the face does not move"):
        enrolment.template(NOW)


@pytest.mark.parametrize(
    ("fps", "valid_fraction", "why"),
    [
        (8.0, 1.0, "the frame rate is too low"),
        (FPS, 0.2, "there are too many breaks in the video"),
    ],
)
def test_unusable_video_is_given_up_with_the_reason(
    space: DriverSpace, fps: float, valid_fraction: float, why: str
) -> None:
    enrolment = begin(space)
    with pytest.raises(EnrolmentError, match=f"given up after 64 s with 0 of 20 s of usable video: {why}"):
        show(enrolment, space.windows(space.driver(1), 40), fps=fps, valid_fraction=valid_fraction)
    assert enrolment.progress == 0.0


def test_no_frames_at_all_are_given_up_too(space: DriverSpace) -> None:
    enrolment = begin(space)
    enrolment.wait(100.0)
    enrolment.wait(163.0)
    with pytest.raises(EnrolmentError, match="no face was seen"):
        enrolment.wait(165.0)


def test_time_across_a_break_is_no_usable_video(space: DriverSpace) -> None:
    enrolment = begin(space)
    window = space.windows(space.driver(1), 1)[0]
    enrolment.add(window, 1.0, 0.0, FPS, continues=False)
    enrolment.add(window, 1.0, 5.0, FPS, continues=False)
    assert enrolment.progress == 0.0
    for frame in range(1, 200):
        enrolment.add(window, 1.0, 5.0 + frame / FPS, 0.0, continues=True)
    assert enrolment.progress == pytest.approx(199 / FPS / 20.0)


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "alice\n", "../alice", "né"])
def test_names_follow_the_rule(space: DriverSpace, name: str) -> None:
    with pytest.raises(TemplateError, match="cannot name a template"):
        begin(space, name=name)


@pytest.mark.parametrize("missing", ["text_version", "statement", "given_by"])
def test_nobody_is_enrolled_without_consent(missing: str) -> None:
    parts = {"text_version": "1", "statement": "I agree", "given_by": "Alice", missing: "  "}
    with pytest.raises(EnrolmentError, match="no consent"):
        ConsentRecord(**parts, time=NOW)
    with pytest.raises(EnrolmentError, match="no time zone"):
        ConsentRecord("1", "I agree", "Alice", datetime(2026, 11, 21))


@pytest.mark.parametrize(
    "embeddings",
    [np.zeros((0, SIZE), np.float32), np.zeros(SIZE, np.float32), np.full((2, 3), np.nan, np.float32), np.ones((2, 3))],
)
def test_a_template_refuses_arrays_that_are_none(embeddings: NDArray[np.float32]) -> None:
    with pytest.raises(TemplateError, match="embeddings"):
        Template("alice", embeddings, "a" * 64, NOW, consent())
