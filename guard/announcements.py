"""What viewers of a call are told of its participants, and how often."""

from __future__ import annotations

from engines.protocol import Engine
from guard.outcomes import Judged, Outcome
from guard.pipeline_thread import IDLE_SECONDS
from guard.reports import alert_fields, engine_info, health_fields, score_fields, state_fields, witness_fields
from guard.roster import Member
from guard.seat import Seat
from guard.seat_key import SeatKey
from guard.serve.hub import EventHub

_OPINIONS_SECONDS = 0.95
"""Between two reports of second opinions on a participant; they go out with a score, so about once a second."""


class Announcements:
    """Publishes events of one guard. `now` is in seconds on one monotonic clock."""

    def __init__(self, hub: EventHub, scores_per_second: float) -> None:
        self._hub = hub
        self._between_scores = 1 / scores_per_second - IDLE_SECONDS / 10

    def publish(self, key: SeatKey, fields: dict[str, object]) -> None:
        """One event about a participant."""
        self._hub.publish(key.call, key.participant, fields)

    def enrolment_failed(self, key: SeatKey, why: str) -> None:
        """A participant was not enrolled."""
        self.publish(key, {"type": "participant", "action": "enrolment_failed", "why": why})

    def engine(self, engine: Engine) -> None:
        """To the viewers of every call, also of those that nobody is in."""
        for call in self._hub.calls:
            self._hub.publish(call, None, {"type": "engine", "engine": engine_info(engine)})

    def health(self, key: SeatKey, seat: Seat, member: Member) -> None:
        """How a participant's video comes in."""
        self.publish(key, health_fields(seat, member.lag_ms))

    def verdict(self, member: Member, judged: Judged, now: float) -> None:
        """Changes and alerts always, the score and second opinions when they are due."""
        verdict = judged.verdict
        if self.is_score_due(member, now) or verdict.transition is not None:
            member.last_score_seconds = now
            self.publish(judged.seat, score_fields(judged, now))
        if verdict.second is not None and now - member.last_opinions_seconds >= _OPINIONS_SECONDS:
            member.last_opinions_seconds = now
            self.publish(judged.seat, witness_fields(verdict.second))
        if verdict.transition is not None:
            self.publish(judged.seat, state_fields(verdict.transition, verdict.abstain_reason))
        for alert in verdict.alerts:
            self.publish(judged.seat, alert_fields(alert))

    def wants(self, outcome: Outcome, member: Member | None, now: float) -> bool:
        """Whether anybody is told of it: of thirty verdicts a second every sixth."""
        if not isinstance(outcome, Judged) or outcome.stages is None:
            return True
        verdict = outcome.verdict
        return (
            member is None or self.is_score_due(member, now) or verdict.transition is not None or bool(verdict.alerts)
        )

    def is_score_due(self, member: Member, now: float) -> bool:
        """Whether a participant's next score goes out."""
        return now - member.last_score_seconds >= self._between_scores
