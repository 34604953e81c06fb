"""What several opinions say of the same stretches: who is compared with whom, and when a witness is silent."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.comparison import comparison_scores, mean_embedding
from engines.expressions.series import ExpressionSeries
from engines.protocol import Calibration, EngineSpec
from engines.witnesses.protocol import WitnessSpec
from training.errors import DataError
from training.evaluation.opinion_trials import opinion_trials
from training.evaluation.witness_calls import HeardCall, HeardSide

_COHORT = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))[0].astype(np.float32)
ENGINE_SPEC = EngineSpec("e", "1", 10, 5, 4, 12, 35, 0.45, 0.25, "0" * 64, Calibration(2.0, -1.0, _COHORT))
WITNESS_SPEC = WitnessSpec("w", "1", "signals", 10.0, 8, 4, "1" * 64, Calibration(3.0, 0.5, _COHORT))


class FirstFour:
    """Embeds a window as its mean first four signals."""

    spec = WITNESS_SPEC

    def embed(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        mean = windows[:, :, :4].mean(1)
        rows: NDArray[np.float32] = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        return rows


def side(direction: int, seconds: float, unseen: slice = slice(0)) -> HeardSide:
    """Somebody whose embeddings and signals point one way; the tracker has no face in `unseen`."""
    frames, samples = round(seconds * 30), round(seconds * 10)
    row = (np.eye(4)[direction] + 0.1).astype(np.float32)
    signals = np.zeros((samples, 17), np.float32)
    signals[:, :4] = row
    found = np.ones(samples, np.bool_)
    found[unseen] = False
    track = ExpressionSeries(np.arange(samples) / 10, np.zeros((samples, 52), np.float32), signals, found)
    rows = np.tile(row / np.linalg.norm(row), (frames, 1))
    return HeardSide(rows, track)


def call(driver: int, face: int, unseen: slice = slice(0)) -> HeardCall:
    return HeardCall(driver, face, side(driver, 3.0), side(driver, 4.0, unseen))


def test_every_template_meets_every_stretch_of_its_own_face_only() -> None:
    trials = opinion_trials([call(0, 7), call(1, 7), call(2, 8)], ENGINE_SPEC, [FirstFour()], [2.0])
    met = list(zip(trials.template_driver.tolist(), trials.probe_driver.tolist(), strict=True))
    assert met == [(0, 0)] * 2 + [(0, 1)] * 2 + [(1, 0)] * 2 + [(1, 1)] * 2 + [(2, 2)] * 2
    assert set(trials.seconds) == {2.0}
    assert trials.models == {"f5c": "0" * 64, "w": "1" * 64}


def test_lengths_lie_one_after_the_other() -> None:
    trials = opinion_trials([call(0, 7), call(1, 7)], ENGINE_SPEC, [FirstFour()], [1.0, 4.0])
    assert trials.seconds.tolist() == [1.0] * 16 + [4.0] * 4
    assert len(trials.lasting(4.0).llrs["w"]) == 4


def test_an_opinion_is_the_calibrated_score_of_template_and_stretch() -> None:
    one, other = call(0, 7), call(1, 7)
    trials = opinion_trials([one, other], ENGINE_SPEC, [FirstFour()], [2.0])
    template, probe = (mean_embedding(each.enrol.embeddings[:1]) for each in (one, other))
    score = comparison_scores(template[None], probe[None], _COHORT)[0, 0]
    impostor = (trials.template_driver == 0) & (trials.probe_driver == 1)
    np.testing.assert_allclose(trials.llrs["f5c"][impostor], 2.0 * score - 1.0, rtol=1e-5)
    np.testing.assert_allclose(trials.llrs["w"][impostor], 3.0 * score + 0.5, rtol=1e-5)
    assert trials.llrs["w"][trials.genuine].min() > trials.llrs["w"][impostor].max()


def test_a_witness_is_silent_on_stretches_that_hold_no_window_with_a_face() -> None:
    trials = opinion_trials([call(0, 7), call(1, 7, unseen=slice(0, 20))], ENGINE_SPEC, [FirstFour()], [2.0])
    silent = np.isnan(trials.llrs["w"])
    assert silent.tolist() == [False, False, True, False] * 2
    assert not np.isnan(trials.llrs["f5c"]).any()
    short = opinion_trials([call(0, 7), call(1, 7)], ENGINE_SPEC, [FirstFour()], [0.4])
    assert np.isnan(short.llrs["w"]).all() and not np.isnan(short.llrs["f5c"]).any()


def test_nobody_is_enrolled_without_a_face() -> None:
    unseen = HeardCall(0, 7, side(0, 3.0, slice(0, 30)), side(0, 4.0))
    with pytest.raises(DataError, match="saw too little of driver 0 to enrol for w"):
        opinion_trials([unseen, call(1, 7)], ENGINE_SPEC, [FirstFour()], [2.0])


def test_calls_that_are_too_short_say_so() -> None:
    with pytest.raises(DataError, match="no call is 9 s long"):
        opinion_trials([call(0, 7), call(1, 7)], ENGINE_SPEC, [FirstFour()], [9.0])
