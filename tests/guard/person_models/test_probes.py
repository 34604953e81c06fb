"""Pairs of faces a third of a second apart, and faces to learn from: by media time, never across a break."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.person_models.faces import ENROLMENT_FRAMES, PAIR_SECONDS, PAIRS_A_PROBE
from guard.person_models.probes import (
    LONGEST_GAP_SECONDS,
    SHORTEST_STRETCH,
    STEP_SECONDS,
    FaceEnrolment,
    Probe,
    ProbeCollector,
)
from tests.guard.person_models.made_faces import LATE_SECONDS, face

SPACING_SECONDS = STEP_SECONDS / PAIRS_A_PROBE


def played(collector: ProbeCollector, times: list[float]) -> list[Probe]:
    return [probe for seconds in times if (probe := collector.add(face(seconds))) is not None]


def steady(seconds: float, fps: float = 30, begin: float = 0.0) -> list[float]:
    return [begin + step / fps for step in range(round(seconds * fps))]


@pytest.mark.parametrize("fps", [15, 25, 30])
def test_a_probe_every_step_of_pairs_a_third_of_a_second_apart(fps: float) -> None:
    probes = played(ProbeCollector(), steady(4 * STEP_SECONDS + 1, fps))
    assert len(probes) == 4
    for number, probe in enumerate(probes):
        assert probe.faces.shape == (2 * PAIRS_A_PROBE, 64, 64)
        first, second = np.split(probe.faces[:, 0, 0].astype(int), 2)
        apart = (second - first) % 256 / 100
        assert np.all(np.abs(apart - PAIR_SECONDS) <= 1 / fps + 0.02)
        assert probe.since_seconds == pytest.approx(
            LATE_SECONDS + number * STEP_SECONDS, abs=(1 + number * PAIRS_A_PROBE) / fps
        )
        assert STEP_SECONDS / 2 < probe.until_seconds - probe.since_seconds < STEP_SECONDS


def test_nothing_is_paired_across_a_break_of_any_kind() -> None:
    collector = ProbeCollector()
    played(collector, steady(SPACING_SECONDS + 0.5))
    assert collector.pairs == 2
    after = SPACING_SECONDS + 0.5 + LONGEST_GAP_SECONDS + 0.1
    played(collector, steady(0.2, begin=after))
    assert collector.pairs == 0, "a gap"
    played(collector, steady(1.0, begin=after + 0.2))
    assert collector.pairs == 1
    played(collector, steady(0.1, begin=0.5))
    assert collector.pairs == 0, "time ran back"


def test_a_crop_that_moved_begins_the_pair_anew() -> None:
    collector = ProbeCollector()
    assert collector.add(face(0.0)) is None
    collector.add(face(0.2, continues=False))
    collector.add(face(0.33))
    assert collector.pairs == 0
    collector.add(face(0.53))
    assert collector.pairs == 1


@given(st.lists(st.floats(-1e6, 1e6), max_size=200))
def test_no_clock_of_a_sender_makes_a_probe_of_less_than_its_pairs(times: list[float]) -> None:
    collector = ProbeCollector()
    for seconds in times:
        probe = collector.add(face(seconds))
        assert probe is None or len(probe.faces) == 2 * PAIRS_A_PROBE
        assert collector.pairs < PAIRS_A_PROBE


@pytest.mark.parametrize(("fps", "kept"), [(20, 20), (25, 25), (29.97, 25), (30, 25), (50, 25), (60, 25)])
def test_an_enrolment_keeps_25_faces_a_second_of_any_camera(fps: float, kept: int) -> None:
    enrolment = FaceEnrolment()
    for seconds in steady(10, fps):
        enrolment.add(face(seconds))
    (stretch,) = enrolment.stretches()
    assert len(stretch) == pytest.approx(10 * kept, abs=2)


def test_an_enrolment_keeps_500_faces_in_stretches() -> None:
    enrolment = FaceEnrolment()
    for seconds in [*steady(4, 50), *steady(0.2, 50, 10.0), *steady(30, 50, 20.0)]:
        enrolment.add(face(seconds))
    stretches = enrolment.stretches()
    assert [len(stretch) for stretch in stretches] == [100, ENROLMENT_FRAMES - 100 - 5]
    assert all(stretch.shape[1:] == (64, 64) for stretch in stretches)
    steps = np.diff(stretches[0][:, 0, 0].astype(int)) % 256
    assert set(steps.tolist()) <= {3, 4, 5}


def test_short_stretches_are_left_out() -> None:
    enrolment = FaceEnrolment()
    for step in range(3 * SHORTEST_STRETCH):
        enrolment.add(face(step / 25, continues=step % (SHORTEST_STRETCH - 1) != 0))
    assert enrolment.stretches() == ()
