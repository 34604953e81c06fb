"""Who is connected, as the event loop sees them."""

from __future__ import annotations

from dataclasses import dataclass

from guard.calls.source import LatestFrames
from guard.media.latest_faces import LatestFaces
from guard.serve.events import ParticipantSnapshot
from guard.verify.decision import Verdict
from guard.verify.enrolment import Enrolment
from guard.verify.states import DriverState

_UNENROLLED = Verdict(
    state=DriverState.UNENROLLED, why="no template is assigned to this seat", evidence=0.0, llr=None, similarity=None
)


@dataclass(slots=True)
class Member:
    """One connected participant."""

    frames: LatestFrames | LatestFaces
    verdict: Verdict = _UNENROLLED
    enrolment: Enrolment | None = None
    """The running one."""
    enrolment_progress: float = 0.0
    last_score_seconds: float = 0.0
    last_opinions_seconds: float = 0.0
    lag_ms: float = 0.0

    def snapshot(self, participant: str, enrolled_as: str | None, *, thumbnail: bool) -> ParticipantSnapshot:
        """As the API tells it. thumbnail: whether this guard shows pictures."""
        return ParticipantSnapshot(
            participant=participant,
            state=self.verdict.state,
            abstain_reason=self.verdict.abstain_reason,
            why=self.verdict.why,
            enrolled_as=enrolled_as,
            enrolment_progress=self.enrolment_progress if self.enrolment is not None else None,
            thumbnail=thumbnail,
        )
