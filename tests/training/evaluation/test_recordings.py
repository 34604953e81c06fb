"""How long people are heard, and in which recordings."""

from __future__ import annotations

import numpy as np

from training.data.bank import MotionClip
from training.data.material import build_material
from training.drivers.procedural import ProceduralDriver
from training.evaluate import DriverEmbeddings, Protocol
from training.evaluation.recordings import HALVES, OTHER_RECORDING, by_recordings, pooled_seconds
from training.puppets.puppet import puppet_targets


def windows(driver: int, target: int, enrol: int, probe: int) -> DriverEmbeddings:
    return DriverEmbeddings(driver, target, np.ones((enrol, 4), np.float32), np.ones((probe, 4), np.float32))


def test_seconds_are_those_of_the_windows_that_were_used_a_driver_once() -> None:
    rows = [windows(0, 0, 16, 10), windows(0, 1, 16, 10), windows(1, 0, 2, 1), windows(2, 0, 4, 4)]
    assert pooled_seconds(rows, 0.5) == "2.0 s (median; 0.5 to 5.0) against 2.0 s (median; 1.0 to 8.0)"


def test_seconds_of_equals_are_one_number() -> None:
    assert pooled_seconds([windows(0, 0, 9, 4), windows(1, 0, 9, 4)], 64 / 30) == "8.5 s against 19.2 s"


def test_people_with_one_recording_are_told_apart_from_those_with_two() -> None:
    def clip(seed: int, take: int) -> MotionClip:
        name = f"person {seed}"
        return MotionClip(name, f"take {take}", f"{seed}/{take}", ProceduralDriver(seed).motion(2.0, 25, take))

    material = build_material([clip(0, 0), clip(0, 1), clip(1, 0)], {"person 0", "person 1"}, puppet_targets([0]))
    rows = [windows(0, 0, 2, 2), windows(1, 0, 1, 2)]
    found = by_recordings(material, Protocol(frames=16, enrol=2, probe=2, targets=1), rows)
    assert found == {OTHER_RECORDING: [rows[0]], HALVES: [rows[1]]}
