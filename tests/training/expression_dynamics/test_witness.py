"""The live witness: from motion to signals, noise, windows and an ONNX graph that tells drivers apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
from scipy.linalg import logm
from typer.testing import CliRunner

from engines.expressions.signals import SIGNAL_NAMES, landmark_signals
from engines.witnesses.folder import read_witness_folder
from training.cli import app
from training.drivers.face_basis import generic_face
from training.drivers.landmarks import LANDMARKS, PART
from training.drivers.motion import DriverMotion
from training.errors import DataError
from training.expression_dynamics.closed_form import deviations
from training.expression_dynamics.matrix_log import matrix_log
from training.expression_dynamics.motion_signals import WITNESS_HZ, signals_of
from training.expression_dynamics.tracker_noise import TrackerNoise
from training.expression_dynamics.witness_material import DriverSeries, as_tracked, joined, witness_material
from training.expression_dynamics.witness_network import as_onnx, embed, fit_witness, moments, upper_triangle
from training.expression_dynamics.witness_run import WitnessConfig, figures, make_witness, write

torch.set_num_threads(1)


def still(frames: int, fps: float = 30.0) -> DriverMotion:
    return DriverMotion(np.zeros((frames, LANDMARKS, 2), np.float32), np.zeros((frames, 4), np.float32), fps)


def test_a_still_face_has_the_signals_of_the_generic_one_at_the_trackers_rate() -> None:
    found = signals_of(still(91))
    assert found.shape == (38, 17)  # 3 s at 12.5 a second, and the first
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, found[:1].repeat(38, axis=0), atol=1e-6)
    opening = found[0, SIGNAL_NAMES.index("right_eye_opening")]
    face = generic_face()
    gaps = face[PART["lower_lid_right"], 1] - face[PART["upper_lid_right"], 1]
    assert opening == pytest.approx(gaps[1] + gaps[3], abs=1e-6)


def test_an_opening_mouth_is_heard_in_its_signal_at_the_right_time() -> None:
    motion = still(60)
    motion.landmarks[30:, PART["lower_lip_inner"], 1] += 0.1
    opening = signals_of(motion)[:, SIGNAL_NAMES.index("mouth_opening")]
    steps = np.flatnonzero(np.diff(opening) > 0.01)
    assert abs(steps.mean() / WITNESS_HZ - 1.0) < 0.15
    assert opening[-1] - opening[0] == pytest.approx(0.1, abs=1e-6)


def test_signals_read_no_point_that_the_bank_leaves_out() -> None:
    points = np.random.default_rng(0).normal(size=(1, 478, 2))
    assert np.isfinite(landmark_signals(points)).all()
    assert np.isfinite(signals_of(still(30))).all()


def test_noise_is_as_large_as_measured_and_gain_keeps_the_level() -> None:
    quiet = np.full((4000, 17), 0.5, np.float32)
    loud = [TrackerNoise().apply(quiet, np.random.default_rng(seed)).std(axis=0) for seed in range(12)]
    mouth = SIGNAL_NAMES.index("mouth_opening")
    assert np.mean([row[mouth] for row in loud]) == pytest.approx(0.0115, rel=0.3)
    moving = quiet + np.random.default_rng(0).normal(size=quiet.shape).astype(np.float32)
    found = TrackerNoise().apply(moving, np.random.default_rng(1))
    np.testing.assert_allclose(np.median(found, axis=0), 0.5, atol=0.05)


def test_short_recordings_are_joined_without_their_levels() -> None:
    parts = [np.full((15, 2), 7.0, np.float32), np.full((20, 2), -3.0, np.float32), np.zeros((2, 2), np.float32)]
    found = joined(parts)
    assert found.shape == (15 + 20 + 2 - 3 - 2, 2)
    np.testing.assert_allclose(found, 0)


def test_sides_are_sessions_in_turn_or_halves_of_a_single_one() -> None:
    long, short = np.zeros((70, 17), np.float32), np.zeros((50, 17), np.float32)
    enrol, probe = DriverSeries("a", True, (long, short, long)).sides(30)
    assert [len(one) for one in enrol] == [70, 70]
    assert [len(one) for one in probe] == [50]
    assert [[len(one) for one in side] for side in DriverSeries("b", True, (long,)).sides(30)] == [[35], [35]]
    assert DriverSeries("c", True, (short,)).sides(30) == ([], [])


def test_moments_are_the_log_covariance_and_log_speeds() -> None:
    windows = np.random.default_rng(0).normal(size=(3, 200, 17)).astype(np.float32) + 5
    found = moments(torch.from_numpy(windows), upper_triangle(17)).numpy()
    assert found.shape == (3, 153 + 3 * 17)
    covariance = np.cov(windows[1].T.astype(np.float64), bias=True)
    covariance += (1e-3 * np.trace(covariance) + 1e-6) * np.eye(17)
    np.testing.assert_allclose(found[1, :153], logm(covariance).real[np.triu_indices(17)], atol=1e-3)
    np.testing.assert_allclose(found[:, 153:170], deviations(windows)[:, 17:34], atol=0.01)


@pytest.mark.parametrize("decades", [1, 3, 6])
def test_the_logarithm_by_products_is_that_by_eigenvalues(decades: int) -> None:
    """However unlike the channels' variances, since a thousandth of the trace is on the diagonal."""
    axes = np.linalg.qr(np.random.default_rng(0).normal(size=(17, 17)))[0]
    matrix = axes @ np.diag(np.logspace(-decades, 0, 17)) @ axes.T
    matrix = 1e-4 * (matrix + 1e-3 * np.trace(matrix) * np.eye(17))
    found = matrix_log(torch.tensor(matrix[None], dtype=torch.float32)).numpy()[0]
    np.testing.assert_allclose(found, logm(matrix).real, atol=1e-4)


def test_the_graph_computes_what_the_network_does_and_never_zeros() -> None:
    random = np.random.default_rng(0)
    driver = np.repeat(np.arange(20), 6)
    habit = np.exp(random.normal(0, 0.5, (20, 1, 17)))[driver]
    windows = (random.normal(size=(120, 30, 17)) * habit * 0.02).astype(np.float32)
    network = fit_witness(windows, driver, 8)
    session = ort.InferenceSession(as_onnx(network, 30, 17))
    (found,) = session.run(None, {"windows": windows})
    np.testing.assert_allclose(found, embed(network, list(windows)), atol=1e-5)
    (flat,) = session.run(None, {"windows": np.zeros((1, 30, 17), np.float32)})
    np.testing.assert_allclose(np.linalg.norm(np.concatenate([found, flat]), axis=1), 1, atol=1e-5)
    own = found @ found.T
    same = driver[:, None] == driver[None, :]
    assert own[same].mean() > own[~same].mean() + 0.3


def test_noise_is_drawn_for_each_recording_and_repeats_with_its_seed() -> None:
    drivers = witness_material("val", None, 2)
    one, again, other = (as_tracked(drivers, TrackerNoise(), seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one[0].sessions[0], again[0].sessions[0])
    assert not np.allclose(one[0].sessions[0], other[0].sessions[0])


def test_a_witness_is_made_of_procedural_drivers_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.expression_dynamics.witness_run._HELD_SEEDS", 6)
    told: list[str] = []
    fitted = make_witness(WitnessConfig(seeds=40, size=12), None, "0.0.1", told.append)
    assert len(told) == 3
    assert fitted.draft.slope > 0
    (group,) = fitted.groups
    assert (group.kind, len(np.unique(group.single.template_driver))) == ("seeds", 6)
    (_, area, _), *_ = figures(group)
    assert area.value > 0.5
    write(fitted, tmp_path / "expression_dynamics")
    spec = read_witness_folder(tmp_path / "expression_dynamics").spec
    assert (spec.version, spec.window_frames, spec.embedding_size) == ("0.0.1", 31, 12)


def test_a_folder_that_holds_something_else_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("mine")
    result = CliRunner().invoke(app, ["expressions", "witness", "--out", str(tmp_path)])
    assert result.exit_code == 1
    assert "something else" in result.output


def test_no_drivers_at_all_are_refused() -> None:
    with pytest.raises(DataError, match="no drivers"):
        witness_material("train", None, 0)
