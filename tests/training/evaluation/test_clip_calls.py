"""People's own clips as calls: which recordings make a stream, and what is said where they do not."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.training.evaluation.made_up_calls import FPS, WINDOW_FRAMES, clip, direction, made_up_engine
from training.evaluation.clip_calls import MOST_STREAMS, SHORTEST_SECONDS, ClipCallGatherer, longest_run
from training.evaluation.prepared_clips import LabelledClip
from training.evaluation.protocols import ClipLabels
from training.evaluation.report_text import clip_calls_json, clip_calls_markdown
from training.evaluation.streams import stream_clip

LONG = round(12 * FPS)
"""Frames: each half holds `SHORTEST_SECONDS` and a window."""


def labelled(
    driver: int,
    target: int,
    session: str = "s0",
    *,
    frames: int = LONG,
    generator: str = "warp",
    fps: float = FPS,
    continues: NDArray[np.bool_] | None = None,
) -> LabelledClip:
    labels = ClipLabels(f"p{driver:03d}", f"p{target:03d}", session, generator, "here", generator == "none")
    follows = np.ones(frames, np.bool_) if continues is None else continues
    return LabelledClip(clip(driver, frames, len(session) + target), follows, fps, labels)


def gathered(clips: list[LabelledClip], spread: float = 0.2) -> ClipCallGatherer:
    gatherer = ClipCallGatherer(made_up_engine(spread))
    for one in clips:
        gatherer.add(one, *stream_clip(gatherer.engine, one.frames, one.continues))
    return gatherer


def test_the_longest_run_is_found() -> None:
    assert longest_run(np.array([False, True, True])) == slice(0, 3)
    assert longest_run(np.array([True, True, False, True, True, True, False])) == slice(2, 6)
    assert longest_run(np.array([False, False, False])) == slice(0, 1)


def test_two_sessions_enrol_and_are_heard_and_one_is_cut_in_half() -> None:
    clips = [labelled(0, 9, "a"), labelled(0, 9, "b"), labelled(0, 9, "b", frames=LONG + 8), labelled(1, 9, "a")]
    two, one = gathered(clips, 0.0)._one_face()
    assert (two.halved, one.halved) == (False, True)
    assert len(two.stream.embeddings) == LONG + 8  # the longest of the last session
    assert len(one.stream.embeddings) == LONG // 2
    assert two.enrolment_seconds == LONG // WINDOW_FRAMES * WINDOW_FRAMES / FPS
    assert one.enrolment_seconds == LONG // 2 // WINDOW_FRAMES * WINDOW_FRAMES / FPS
    np.testing.assert_allclose(one.stream.template, direction(1), atol=1e-5)
    np.testing.assert_array_equal(one.stream.opening, clips[3].frames[LONG // 2 : LONG // 2 + WINDOW_FRAMES])
    np.testing.assert_array_equal(one.stream.ending, clips[3].frames[-WINDOW_FRAMES:])
    assert (one.stream.valid[WINDOW_FRAMES - 1 :] == 1).all()


def test_a_recording_counts_as_far_as_it_is_unbroken() -> None:
    follows = np.arange(2 * LONG) != LONG + 4
    (stream, _) = gathered([labelled(0, 9, frames=2 * LONG, continues=follows), labelled(1, 9)])._one_face()
    assert len(stream.stream.embeddings) == LONG + 4 - (LONG + 4) // 2


def test_swaps_and_seconds_of_evidence_are_told_on_one_face() -> None:
    clips = [labelled(driver, target, session) for driver, target, session in product(range(3), range(2), "ab")]
    gatherer = gathered(clips)
    one_face, camera = gatherer.study()
    assert (one_face.streams, one_face.drivers, one_face.faces, one_face.halves) == (6, 3, 2, 0)
    assert [one.seconds for one in one_face.evidence] == [2.5, 5.0, 10.0]
    assert one_face.evidence[-1].accuracy.equal_error.value == 0
    assert one_face.unmeasured == ("30 s of evidence: no stream is 30 s long",)
    assert [one.target_per_hour for one in one_face.detection] == [1.0, 6.0, None]
    assert one_face.detection[0].swaps == 2 * 3 * 2
    assert one_face.detection[0].within_30_seconds.value == 1
    assert one_face.detection[0].recorded_hours == pytest.approx(6 * (LONG - WINDOW_FRAMES + 1) / FPS / 3600)
    assert camera.missing
    text = clip_calls_markdown([one_face, camera])
    assert "6 streams of 3 drivers on 2 faces, enrolled with 12.0 s" in text
    assert "Not measured: 30 s of evidence" in text
    assert "h of genuine video" in text
    assert "## Camera recordings" in text
    document = json.loads(json.dumps([clip_calls_json(one) for one in (one_face, camera)], allow_nan=False))
    assert len(document[0]["detection_curve"]["threshold"]) == 119
    assert document[1]["detection_curve"] is None


def test_a_cameras_recordings_swap_faces_too() -> None:
    one_face, camera = gathered([labelled(person, person, generator="none") for person in range(3)]).study()
    assert "two drivers" in one_face.missing
    assert (camera.streams, camera.faces, camera.halves) == (3, 3, 3)
    assert "no proof of motion" in camera.about


def test_one_driver_alone_is_no_measure_of_a_length() -> None:
    clips = [labelled(driver, 9, session) for driver, session in product(range(3), "ab")]
    told, _ = gathered([*clips, labelled(0, 9, "b", frames=round(31 * FPS))]).study()
    assert [one.seconds for one in told.evidence] == [2.5, 5.0, 10.0]
    assert told.unmeasured == ("30 s of evidence: one driver alone is heard for 30 s",)


def test_what_is_too_short_or_too_slow_is_counted_and_said() -> None:
    short = [labelled(driver, 9, frames=round(4 * FPS)) for driver in range(3)]
    slow = [labelled(driver, 9, fps=0.5) for driver in range(2)]
    gatherer = gathered([*short, *slow, labelled(7, 9, frames=round(SHORTEST_SECONDS * FPS) + 4)])
    assert (gatherer.clips, gatherer.short, gatherer.out_of_range) == (6, 3, 2)
    for told in gatherer.study():
        assert "of 6 clips 3 are shorter, the longest of these 4.0 s" in told.missing
        assert "2 have a frame rate at which the guard abstains" in told.missing


def test_no_more_drivers_on_faces_are_kept_than_said() -> None:
    gatherer = gathered([labelled(number % 200, number // 200) for number in range(MOST_STREAMS + 3)])
    assert (len(gatherer.takes), gatherer.left_out) == (MOST_STREAMS, 3)
    gatherer.add(labelled(0, 0, "later"), *stream_clip(gatherer.engine, labelled(0, 0, "later").frames))
    assert gatherer.left_out == 3
