"""The motion that errors are laid beside is that of the very windows that were probed."""

from __future__ import annotations

import numpy as np
import pytest

from training.data.bank import MotionClip
from training.data.calls import FPS, Recording
from training.data.material import build_material
from training.drivers.procedural import ProceduralDriver
from training.evaluate import CallProtocol, DriverEmbeddings, Protocol
from training.evaluation.bench_clips import PROCEDURAL_FROM
from training.evaluation.engine_errors import call_errors, people_errors
from training.puppets.player import PuppetPlayer
from training.puppets.puppet import puppet_targets


def told(driver: int, target: int, windows: int) -> DriverEmbeddings:
    row = np.eye(4, dtype=np.float32)[driver]
    return DriverEmbeddings(driver, target, row[None], np.tile(row, (windows, 1)))


def test_a_recordings_motion_is_what_moves_its_picture() -> None:
    recording = Recording("val", face=0, driver=1, take=10, seconds=0.2)
    moved = recording.landmarks(6)
    assert moved.shape == (6, 95, 2)
    player = PuppetPlayer(1_000_000, 1_000_001, 10, FPS)
    frames = [next(player._performance)[0] for _ in range(6)]
    np.testing.assert_array_equal(moved, frames)


def test_calls_have_the_motion_of_their_probes() -> None:
    protocol = CallProtocol("val", faces=1, drivers_per_face=2, frames=8)
    found = call_errors(protocol, [told(0, 0, 3), told(1, 0, 3)])
    assert {error.driver for error in found.drivers} == {PROCEDURAL_FROM, PROCEDURAL_FROM + 1}
    assert not any(error.real for error in found.drivers)
    assert found.window_area == found.pooled_area == 1
    first = next(error for error in found.drivers if error.driver == PROCEDURAL_FROM)
    moved = protocol.recordings()[0][1].landmarks(24)
    assert first.motion == pytest.approx(1000 * np.linalg.norm(np.diff(moved, axis=0), axis=2).mean(), rel=2)
    assert first.motion > 0


def test_people_have_the_motion_of_their_probes() -> None:
    clips = [
        MotionClip(f"person {seed}", f"day {take}", f"{seed}/{take}", ProceduralDriver(seed).motion(2.0, 25, take))
        for seed in range(2)
        for take in range(2)
    ]
    still = np.zeros_like(clips[3].motion.landmarks)
    clips[3] = MotionClip("person 1", "day 1", "1/1", type(clips[3].motion)(still, clips[3].motion.head, 25.0))
    material = build_material(clips, {"person 0", "person 1"}, puppet_targets([0]))
    protocol = Protocol(frames=16, enrol=2, probe=2, targets=1)
    found = people_errors(material, protocol, [told(0, 0, 2), told(1, 0, 2)])
    moved = {error.driver: error.motion for error in found.drivers}
    assert all(error.real for error in found.drivers)
    assert moved[1] == pytest.approx(0.001, rel=1e-3)  # the day that probes stands still
    assert moved[0] > 0.1
