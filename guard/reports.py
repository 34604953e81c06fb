"""What the guard knows, in the terms of its events and its API."""

from __future__ import annotations

import uuid

from engines.protocol import Engine
from guard.config import GuardConfig, VerifyConfig
from guard.outcomes import Judged, StageSeconds
from guard.seat import Seat
from guard.serve.events import EngineInfo
from guard.serve.service import Limits, TemplateInfo, Thresholds
from guard.verify import store
from guard.verify.decision import Alert, Transition
from guard.verify.movements import MOST, Movement
from guard.verify.second_opinion import SecondOpinion
from guard.verify.states import AbstainReason

_NOMINAL_FPS = 30.0


def engine_info(engine: Engine) -> EngineInfo:
    """Which engine runs where."""
    spec, status = engine.spec, engine.status
    return EngineInfo(
        name=spec.name,
        version=spec.version,
        model_sha256=spec.model_sha256,
        backend=status.backend,
        precision=status.precision,
        device=status.device,
        fallback_reason=status.fallback_reason,
        window_frames=spec.window_frames,
        window_seconds=spec.window_frames / _NOMINAL_FPS,
    )


def limits(config: GuardConfig) -> Limits:
    """What this guard takes on, and what it needs."""
    return Limits(
        max_participants=config.calls.max_participants,
        enrolment_seconds=config.verify.enrolment_seconds,
        thumbnails=config.server.thumbnails,
        person_models=config.person_models.folder is not None,
    )


def thresholds(config: VerifyConfig) -> Thresholds:
    """Where the state changes."""
    return Thresholds(
        verified_enter=config.verified_enter,
        verified_leave=config.verified_leave,
        mismatch_enter=config.mismatch_enter,
        mismatch_leave=config.mismatch_leave,
        evidence_limit=config.evidence_limit,
    )


def template_info(stored: store.TemplateInfo, running_sha256: str) -> TemplateInfo:
    """A stored template, beside the engine that runs."""
    return TemplateInfo(
        name=stored.name,
        created=stored.created,
        expires=stored.expires,
        model_sha256=stored.engine_sha256,
        usable=stored.engine_sha256 == running_sha256,
        consent_given_by=stored.consent.given_by,
        consent_text_version=stored.consent.text_version,
        witnesses=list(stored.witnesses),
    )


def score_fields(judged: Judged, now: float) -> dict[str, object]:
    """A verdict as a score event; `now` is when it is sent, on the clock of the frame's arrival."""
    verdict = judged.verdict
    return {
        "type": "score",
        "pts_seconds": judged.pts_seconds,
        "llr": verdict.llr,
        "evidence": verdict.evidence,
        "similarity": verdict.similarity,
        "state": verdict.state,
        "abstain_reason": verdict.abstain_reason,
        "why": verdict.why,
        "valid_fraction": judged.valid_fraction,
        "fps": judged.fps,
        "latency": _latency_fields(judged.stages, now) if judged.stages is not None else None,
    }


def _latency_fields(stages: StageSeconds, now: float) -> dict[str, float]:
    return {
        "total_ms": 1000 * (now - stages.arrival_seconds),
        "queue_ms": 1000 * stages.queue,
        "pixels_ms": 1000 * stages.pixels,
        "engine_ms": 1000 * stages.engine,
        "verify_ms": 1000 * stages.verify,
    }


def witness_fields(second: SecondOpinion) -> dict[str, object]:
    """Second opinions as an event."""
    return {
        "type": "witnesses",
        "witnesses": [
            {
                "name": heard.name,
                "llr": heard.llr,
                "why": heard.why,
                "age_seconds": heard.age_seconds,
                "weight": heard.weight,
            }
            for heard in second.opinions
        ],
        "fused_llr": None if second.fused is None else second.fused.llr,
        "fused_seconds": None if second.fused is None else second.fused.seconds,
        "movements": [_movement_fields(movement) for movement in second.movements[:MOST]],
    }


def _movement_fields(movement: Movement) -> dict[str, object]:
    return {
        "token": movement.token,
        "words": movement.words,
        "picture": f"/api/witnesses/{movement.witness}/pictures/{movement.picture}",
        "direction": movement.direction,
        "share": movement.share,
        "limits": movement.limits,
    }


def state_fields(transition: Transition, abstain_reason: AbstainReason | None) -> dict[str, object]:
    """A change of state as an event."""
    return {
        "type": "state",
        "previous": transition.previous,
        "state": transition.state,
        "abstain_reason": abstain_reason,
        "why": transition.why,
    }


def alert_fields(alert: Alert) -> dict[str, object]:
    """An alert as an event, with an id of its own."""
    return {
        "type": "alert",
        "severity": alert.severity,
        "reason": alert.reason,
        "abstain_reason": alert.abstain_reason,
        "evidence_id": uuid.uuid4().hex,
    }


def health_fields(seat: Seat, lag_ms: float) -> dict[str, object]:
    """How the guard is doing with one participant."""
    return {
        "type": "health",
        "received_frames": seat.frames.received,
        "dropped_frames": seat.frames.dropped,
        "breaks": seat.breaks,
        "queue_frames": len(seat.frames),
        "engine_lag_ms": lag_ms,
    }
