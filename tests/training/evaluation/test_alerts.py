"""The alert rule of evaluation is the guard's: same evidence and same alerts on the same scores."""

from __future__ import annotations

import numpy as np
import pytest

from engines.comparison import comparison_scores
from guard.config import VerifyConfig
from guard.verify.decision import Decision
from guard.verify.verifier import Verifier
from tests.guard.verify.driver_space import FPS, WINDOW_FRAMES, driver_space
from training.evaluation.alerts import AlertRule, alert_frames, evidence_path, new_shares
from training.evaluation.streams import live_scores, log_likelihood_ratio


def test_the_defaults_are_the_guards() -> None:
    rule, config = AlertRule(), VerifyConfig()
    assert rule.half_life_seconds == config.half_life_seconds
    assert rule.limit == config.evidence_limit
    assert (rule.enter, rule.leave) == (config.mismatch_enter, config.mismatch_leave)
    assert rule.min_valid_fraction == config.min_valid_fraction


@pytest.mark.parametrize("seed", range(6))
def test_evidence_and_alerts_equal_the_guards_decision_on_random_streams(seed: int) -> None:
    random = np.random.default_rng(seed)
    frames, rule = 3000, AlertRule()
    drift = np.tile(np.repeat([9.0, -9.0], 300), frames // 600)
    llr = drift + random.normal(0, 6, frames)
    valid = np.clip(random.uniform(0.2, 1.4, frames), 0, 1)
    shares = new_shares(valid, WINDOW_FRAMES, rule, begins=False)
    decision, found, evidence = Decision(VerifyConfig()), [], []
    decision.begin()
    for frame in range(frames):
        seconds = frame / FPS
        usable = valid[frame] >= rule.min_valid_fraction
        said = decision.observe(llr[frame], shares[frame], seconds) if usable else decision.pause(seconds)
        evidence.append(said.evidence)
        found += [frame] * sum(alert.severity == "critical" for alert in said.alerts)
    path = evidence_path(llr, shares, FPS, rule)
    np.testing.assert_allclose(path, evidence, atol=1e-9)
    assert alert_frames(path, shares, rule.enter, rule.leave).tolist() == found
    assert len(found) > 1


def test_a_stream_of_embeddings_equals_the_guards_verifier_through_a_swap() -> None:
    space, rule = driver_space(), AlertRule()
    alice, mallory = space.driver(1), space.driver(2)
    embeddings = np.concatenate([space.windows(alice, 900, 3), space.windows(mallory, 900, 4)])
    valid = np.ones(len(embeddings))
    valid[:60] = np.linspace(0, 1, 60)
    template = space.template(alice)
    verifier = Verifier(space.spec, VerifyConfig())
    verifier.set_template(template)
    said = [
        verifier.update(row, share, frame / FPS, FPS)
        for frame, (row, share) in enumerate(zip(embeddings, valid.tolist(), strict=True))
    ]
    scores = live_scores(template.mean, embeddings, space.spec.calibration.cohort)
    np.testing.assert_allclose(
        scores, comparison_scores(template.mean[None], embeddings, space.spec.calibration.cohort)[0]
    )
    shares = new_shares(valid, WINDOW_FRAMES, rule, begins=True)
    path = evidence_path(log_likelihood_ratio(scores, space.spec.calibration), shares, FPS, rule)
    np.testing.assert_allclose(path, [verdict.evidence for verdict in said], atol=1e-4)
    raised = [frame for frame, verdict in enumerate(said) if verdict.alerts]
    assert alert_frames(path, shares, rule.enter, rule.leave).tolist() == raised
    assert len(raised) == 1
    assert raised[0] > 900


def test_an_episode_alerts_once_until_evidence_has_recovered() -> None:
    path = np.array([0.0, -4, -2, -4, -0.5, -3, -3])
    shares = np.ones(7)
    assert alert_frames(path, shares, -3.0, -1.0).tolist() == [1, 5]
    assert alert_frames(path, shares, -5.0, -1.0).tolist() == []
    assert alert_frames(path, shares / 4, -3.0, -1.0).tolist() == [3, 5]  # warm from the fourth frame on
