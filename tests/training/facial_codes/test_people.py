"""Benches over made-up people: sides are disjoint, people with habits are told apart, chance stays chance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.facial_codes.made_up_faces import CHANNELS, SMALL, clip, expressions, own_shifts
from training.errors import DataError
from training.facial_codes.clips import (
    ExpressionClip,
    at_rate,
    blendshape_clips,
    even_people,
    frames,
    levelled,
    of_split,
)
from training.facial_codes.drivers import (
    WINDOW_ROWS,
    driver_trials,
    half_sides,
    mean_over,
    plain_trials,
    session_sides,
    window_sides,
    window_weights,
)
from training.facial_codes.fitting import FitSettings, fit_codes
from training.facial_codes.reactions import unit_clips
from training.facial_codes.traits import TOKENS, UNITS, predict_traits
from training.metrics import pooled_area

SETTINGS = FitSettings(size=SMALL, steps=60, batch=128, learning_rate=3e-3)


def _people(count: int, games: int = 3, rows: int = 240) -> list[ExpressionClip]:
    """Everybody has a favourite among four movements."""
    return [
        clip(f"p{person:02d}", str(game), rows, seed=10 * person + game, favourite=person % 4)
        for person in range(count)
        for game in range(games)
    ]


def test_windows_of_the_last_recording_are_probed_and_earlier_ones_enrolled() -> None:
    sides = window_sides(_people(3))
    assert [number for number, _ in sides.enrolled] == [0, 1, 2]
    assert [[part.session for part in side] for _, side in sides.enrolled] == [["0", "1"]] * 3
    assert len(sides.probes) == 3 * (240 // WINDOW_ROWS)
    assert {part.session for _, side in sides.probes for part in side} == {"2"}


def test_sessions_of_enrolment_are_not_probed() -> None:
    clips = [clip("a", f"s{session}", 31, seed=number) for session in range(4) for number in range(6)]
    sides = session_sides([*clips, clip("b", "s0", 400)])
    assert [number for number, _ in sides.enrolled] == [0]
    assert {part.session for part in sides.enrolled[0][1]} == {"s0", "s1"}
    assert {part.session for _, side in sides.probes for part in side} == {"s2", "s3"}
    assert [len(side) for _, side in sides.probes] == [4, 4, 4]


def test_a_short_recording_is_not_cut_in_half() -> None:
    sides = half_sides([clip("a", "0", 40), clip("b", "0", 300)])
    assert [number for number, _ in sides.enrolled] == [1]
    assert len(sides.enrolled[0][1][0].values) == len(sides.probes[0][1][0].values) == 150


def test_habits_are_told_apart_by_every_comparison() -> None:
    clips = _people(4)
    network = fit_codes(torch.from_numpy(frames(clips)), own_shifts(), SETTINGS)
    sides = window_sides(clips)
    for name, trials in driver_trials(network, sides, window_weights(network, clips, WINDOW_ROWS)).items():
        assert pooled_area(trials) > 0.75, name
    assert {trials.genuine.sum() for trials in plain_trials(sides, np.ones(CHANNELS)).values()} == {len(sides.probes)}


def test_the_mean_over_seeds_lies_in_its_interval() -> None:
    clips = _people(4)
    network = fit_codes(torch.from_numpy(frames(clips)), own_shifts(), replace(SETTINGS, steps=5))
    trials = list(driver_trials(network, window_sides(clips), np.ones(SMALL.codes)).values())[:2]
    found = mean_over(trials, pooled_area)
    assert found.value == pytest.approx(np.mean([pooled_area(one) for one in trials]))
    assert found.low <= found.value <= found.high


def test_a_habit_that_is_told_is_predicted_and_noise_is_not() -> None:
    clips = _people(16, games=1)
    random = np.random.default_rng(0)
    told = {f"p{person:02d}": {"habit": float(person % 4 == 0), "noise": random.normal()} for person in range(16)}
    found = predict_traits(clips, told, ("habit", "noise"), [SETTINGS])
    by = {(figure.scale, figure.features): figure for figure in found}
    assert {features for _, features in by} == {TOKENS, UNITS}
    habit = by["habit", TOKENS]
    assert habit.correlation > 0.4
    assert habit.p < 0.05
    assert habit.people == 16
    assert by["noise", TOKENS].p > 0.01


def test_levelling_takes_the_median_off_and_rates_are_even() -> None:
    one = clip("a", "0", 100)
    assert np.abs(np.median(levelled(one).values, axis=0)).max() < 1e-6
    half = at_rate(one, 12.5)
    np.testing.assert_allclose(half.values, one.values[::2], atol=1e-6)
    assert np.diff(half.seconds) == pytest.approx(np.full(len(half.seconds) - 1, 0.08))


def test_people_with_many_frames_do_not_rule() -> None:
    weights = even_people([clip("a", "0", 400), clip("b", "0", 100)])
    assert weights[:400].sum() == pytest.approx(2 * weights[400:].sum())
    with pytest.raises(DataError, match="no recordings"):
        frames([])


def _tracks(root: Path, ok: list[bool]) -> Path:
    for name in ("tracks", "faces"):
        (root / name).mkdir()
    (root / "faces" / "manifest.csv").write_text("driver,split\ngrid_00,val\n")
    (root / "tracks" / "index.csv").write_text("key,frames,fps\ngrid/grid_00/c00,4,25\n")
    blend = np.tile(np.arange(52, dtype=np.uint8), (4, 1))
    arrays: dict[str, Any] = {"grid/grid_00/c00|blend": blend, "grid/grid_00/c00|ok": np.array(ok)}
    np.savez(root / "tracks" / "tracks.npz", **arrays)
    return root


def test_blendshapes_are_read_without_neutral_and_without_lost_frames(tmp_path: Path) -> None:
    (one,) = blendshape_clips(_tracks(tmp_path, [True, False, True, True]))
    assert (one.person, one.split, one.values.shape) == ("grid_00", "val", (3, 51))
    np.testing.assert_allclose(one.values[0], np.arange(1, 52) / 255)
    np.testing.assert_allclose(one.seconds, [0, 0.08, 0.12])
    assert of_split([one], "train") == []


def test_a_recording_without_a_face_is_left_out(tmp_path: Path) -> None:
    assert blendshape_clips(_tracks(tmp_path, [False] * 4)) == []


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read blendshapes"):
        blendshape_clips(tmp_path)
    with pytest.raises(DataError, match="cannot read REACT-Nao"):
        unit_clips(tmp_path)


def test_units_are_read_by_name_and_doubtful_rows_left_out(tmp_path: Path) -> None:
    rows = np.array([[0.9, 5, 1, 2], [0.5, 6, 3, 4], [0.95, 7, 5, 1]], np.float16)
    columns = np.array(["confidence", "pose_Rx", "AU01_r", "AU12_r"])
    arrays: dict[str, Any] = {"columns": columns, "PP1_g3|coefficients": rows}
    np.savez(tmp_path / "react_nao.npz", **arrays)
    (one,), names = unit_clips(tmp_path)
    assert names == ("AU01_r", "AU12_r")
    assert (one.person, one.session) == ("PP1", "g3")
    np.testing.assert_allclose(one.values, [[1, 2], [5, 1]])
    np.testing.assert_allclose(one.seconds, np.array([0, 2]) / 10.7)


@pytest.mark.shared_data
def test_real_recordings_are_read(shared_data: Path) -> None:
    clips = blendshape_clips(shared_data)
    assert len(clips) > 1400
    assert all(np.isfinite(one.values).all() and one.values.max() <= 1 for one in clips)
    units, names = unit_clips(shared_data / "expressions")
    assert (len(units), len({one.person for one in units}), len(names)) == (225, 68, 17)


def test_made_up_frames_are_the_same_for_the_same_seed() -> None:
    assert torch.equal(expressions(10, seed=1), expressions(10, seed=1))
