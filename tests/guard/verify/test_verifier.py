"""From embeddings to verdicts, in a space of drivers where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.comparison import comparison_scores
from engines.errors import EngineInputError
from guard.config import VerifyConfig
from guard.verify.comparison import TemplateComparison
from guard.verify.decision import Alert, Verdict
from guard.verify.states import AbstainReason, DriverState
from guard.verify.verifier import Verifier
from tests.guard.verify.driver_space import FPS, SIZE, WINDOW_FRAMES, DriverSpace


class Seat:
    """A verifier with virtual time."""

    def __init__(self, space: DriverSpace) -> None:
        self.verifier = Verifier(space.spec, VerifyConfig())
        self.now = 0.0
        self.alerts: list[Alert] = []

    def show(self, windows: NDArray[np.float32], valid_fraction: float = 1.0, fps: float = FPS) -> Verdict:
        """Each window for as many frames as it covers."""
        return [self.frame(window, valid_fraction, fps) for window in windows for _ in range(WINDOW_FRAMES)][-1]

    def frame(self, window: NDArray[np.float32], valid_fraction: float = 1.0, fps: float = FPS) -> Verdict:
        self.now += 1 / FPS
        return self._note(self.verifier.update(window, valid_fraction, self.now, fps))

    def abstain(self, reason: AbstainReason, seconds: float) -> Verdict:
        self.now += seconds
        return self._note(self.verifier.abstain(reason, self.now))

    def _note(self, verdict: Verdict) -> Verdict:
        self.alerts += verdict.alerts
        return verdict


@pytest.fixture
def seat(space: DriverSpace) -> Seat:
    return Seat(space)


def test_comparison_is_the_shared_score_through_the_calibration_line(space: DriverSpace) -> None:
    alice = space.driver(1)
    template, probe = space.template(alice).mean, space.windows(alice, 1)[0]
    outcome = TemplateComparison(template, space.spec.calibration).compare(probe)
    expected = float(comparison_scores(template[None], probe[None], space.spec.calibration.cohort)[0, 0])
    assert outcome.similarity == pytest.approx(expected, rel=1e-6)
    assert outcome.llr == pytest.approx(2.0 * expected - 6.5, rel=1e-5)


def test_the_enrolled_driver_is_verified_and_another_one_is_a_mismatch(space: DriverSpace, seat: Seat) -> None:
    alice, mallory = space.driver(1), space.driver(2)
    assert seat.verifier.set_template(space.template(alice)).state is DriverState.WARMING
    verdict = seat.show(space.windows(alice, 8))
    assert verdict.state is DriverState.VERIFIED
    assert verdict.llr is not None
    assert verdict.llr > 0
    assert not seat.alerts
    verdict = seat.show(space.windows(mallory, 8))
    assert verdict.state is DriverState.MISMATCH
    assert [alert.severity for alert in seat.alerts] == ["critical"]


def test_an_empty_seat_says_nothing_about_anybody(space: DriverSpace, seat: Seat) -> None:
    verdict = seat.show(space.windows(space.driver(1), 20))
    assert (verdict.state, verdict.llr, verdict.similarity) == (DriverState.UNENROLLED, None, None)
    assert seat.abstain(AbstainReason.STALLED, 100.0).state is DriverState.UNENROLLED
    assert not seat.alerts


def test_taking_the_template_away_forgets_the_driver(space: DriverSpace, seat: Seat) -> None:
    alice = space.driver(1)
    seat.verifier.set_template(space.template(alice))
    seat.show(space.windows(alice, 8))
    cleared = seat.verifier.set_template(None)
    assert (cleared.state, cleared.evidence) == (DriverState.UNENROLLED, 0.0)
    assert seat.verifier.set_template(space.template(alice)).evidence == 0.0


def test_frames_from_before_the_template_do_not_speak_for_it(space: DriverSpace, seat: Seat) -> None:
    alice = space.driver(1)
    window = space.windows(alice, 1)[0]
    seat.show(window[None])
    seat.verifier.set_template(space.template(alice))
    verdicts = [seat.frame(window) for _ in range(WINDOW_FRAMES)]
    assert all(verdict.llr is None for verdict in verdicts[: WINDOW_FRAMES // 2 - 1])
    assert all(verdict.llr is not None for verdict in verdicts[WINDOW_FRAMES // 2 - 1 :])


def test_template_of_another_engine_abstains_and_alerts(space: DriverSpace, seat: Seat) -> None:
    alice = space.driver(1)
    seat.verifier.set_template(space.template(alice, engine="b" * 64))
    verdict = seat.show(space.windows(alice, 20))
    assert verdict.abstain_reason is AbstainReason.ENGINE_CHANGED
    assert verdict.llr is None
    assert seat.abstain(AbstainReason.NO_FACE, 1.0).abstain_reason is AbstainReason.ENGINE_CHANGED
    why = "no verdict for 15 s: template belongs to another engine"
    assert seat.alerts == [Alert("warning", why, AbstainReason.ENGINE_CHANGED)]


def test_low_frame_rate_abstains_until_it_is_clearly_above_the_bound(space: DriverSpace, seat: Seat) -> None:
    alice = space.driver(1)
    seat.verifier.set_template(space.template(alice))
    window = space.windows(alice, 1)[0]
    assert seat.frame(window, fps=11.9).abstain_reason is AbstainReason.FRAME_RATE_TOO_LOW
    assert seat.frame(window, fps=12.5).abstain_reason is AbstainReason.FRAME_RATE_TOO_LOW
    assert seat.frame(window, fps=13.1).state is DriverState.WARMING
    assert seat.frame(window, fps=12.5).state is DriverState.WARMING
    assert seat.frame(window, fps=0.0).state is DriverState.WARMING


def test_windows_that_stay_unusable_are_called_unsteady(space: DriverSpace, seat: Seat) -> None:
    alice = space.driver(1)
    seat.verifier.set_template(space.template(alice))
    windows = space.windows(alice, 20)
    assert seat.show(windows[:1], valid_fraction=0.3).state is DriverState.WARMING
    verdict = seat.show(windows, valid_fraction=0.3)
    assert verdict.abstain_reason is AbstainReason.UNSTEADY
    assert [alert.severity for alert in seat.alerts] == ["warning"]
    assert seat.show(windows[:8]).state is DriverState.VERIFIED


def test_a_usable_frame_now_and_then_does_not_hide_that_video_is_unsteady(space: DriverSpace, seat: Seat) -> None:
    alice = space.driver(1)
    seat.verifier.set_template(space.template(alice))
    window = space.windows(alice, 1)[0]
    for _ in range(10):
        for _ in range(100):
            seat.frame(window, valid_fraction=0.1)
        seat.frame(window)
    assert [alert.severity for alert in seat.alerts] == ["warning"]


def test_never_verified_on_empty_windows(space: DriverSpace, seat: Seat) -> None:
    seat.verifier.set_template(space.template(space.driver(1)))
    nothing = np.zeros((30, SIZE), np.float32)
    assert seat.show(nothing, valid_fraction=0.0).state is DriverState.ABSTAIN


def test_an_embedding_that_is_no_number_says_nothing(space: DriverSpace, seat: Seat) -> None:
    alice = space.driver(1)
    seat.verifier.set_template(space.template(alice))
    seat.show(space.windows(alice, 8))
    verdict = seat.frame(np.full(SIZE, np.nan, np.float32))
    assert verdict.llr is None
    assert np.isfinite(verdict.evidence)


def test_an_embedding_of_another_length_is_refused(space: DriverSpace, seat: Seat) -> None:
    seat.verifier.set_template(space.template(space.driver(1)))
    with pytest.raises(EngineInputError, match="same length"):
        seat.show(np.ones((1, SIZE + 1), np.float32))
