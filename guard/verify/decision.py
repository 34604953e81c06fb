"""The decision: from evidence to what the guard says about a participant, and when somebody should look.

    unenrolled --begin--> warming --a full window of fresh video--> uncertain <-> verified | mismatch
    any state but unenrolled --abstain--> abstain(reason) --usable video--> warming

- Entering `verified` or `mismatch` takes more evidence than staying there (hysteresis).
- Missing evidence is never `verified`: abstaining forgets what spoke for the driver (not what spoke against), and
  after it a full window of fresh video is needed before anything is said again, and `SETTLE_SECONDS` of video before
  `verified` is: whoever came back with another attack is found out first.
- **Mismatch alert** (critical): once per episode. An episode begins with `mismatch` and ends when evidence rises above
  `mismatch_leave`; abstaining in between neither ends it nor alerts again.
- **Abstain alert** (warning): on abstaining, once the time without a verdict (abstaining and warming) has come to
  `abstain_alert_seconds`. Time with a verdict pays it back second for second, so showing the face for a moment now and
  then does not evade the alert. One alert per episode; an episode ends when all is paid back, which takes at most
  the same `abstain_alert_seconds`.

No clock inside: every call says what time it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from engines.evidence import Evidence
from guard.config import VerifyConfig
from guard.verify.second_opinion import SecondOpinion
from guard.verify.states import AbstainReason, DriverState

_WARM_WINDOWS = 1.0
"""Fresh video, in windows, before the first verdict and after every abstention."""

SETTLE_SECONDS = 4.0
"""The watch over the video (guard/liveness) sees an attack within half of this; one that gives way to another before it
is seen, within all of it."""

_VERDICTS = frozenset({DriverState.VERIFIED, DriverState.UNCERTAIN, DriverState.MISMATCH})


@dataclass(frozen=True, slots=True)
class Transition:
    """The state has changed."""

    previous: DriverState
    state: DriverState
    why: str


@dataclass(frozen=True, slots=True)
class Alert:
    """Somebody should look."""

    severity: Literal["warning", "critical"]
    reason: str
    abstain_reason: AbstainReason | None = None
    """Why there is no verdict, where that is what the alert is about."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the guard says about one participant after one input."""

    state: DriverState
    why: str
    """For people to read."""
    evidence: float
    """Nats; 0 where nothing speaks either way."""
    llr: float | None
    """The engine's, of this window, in nats; None where it said nothing."""
    similarity: float | None
    """Cohort-normalised comparison score of this window; None where it said nothing."""
    abstain_reason: AbstainReason | None = None
    transition: Transition | None = None
    """What this input has changed."""
    alerts: tuple[Alert, ...] = ()
    """What this input has raised; the same alert never comes twice within an episode."""
    second: SecondOpinion | None = None
    """What witnesses say beside the engine; None where there are none."""


class Decision:
    """State machine of one participant. `seconds` is the time of each input on one clock that never runs back."""

    def __init__(self, config: VerifyConfig) -> None:
        self._config = config
        self._evidence = Evidence(config.half_life_seconds, config.evidence_limit)
        self._state = DriverState.UNENROLLED
        self._reason: AbstainReason | None = None
        self._now: float | None = None
        self._resumed_at = -math.inf
        self._in_mismatch_episode = False
        self._missing_seconds = 0.0
        self._missing_alerted = False

    def begin(self) -> Verdict:
        """A template has been assigned to the seat: start from nothing."""
        self._forget()
        return self._move(DriverState.WARMING)

    def clear(self) -> Verdict:
        """No template belongs to the seat any more."""
        self._forget()
        return self._move(DriverState.UNENROLLED)

    def observe(self, llr: float, new_share: float, seconds: float) -> Verdict:
        """A usable window says `llr` nats, `new_share` of it new (see `Evidence.add`)."""
        self._advance(seconds)
        if self._state is DriverState.UNENROLLED:
            return self._move(DriverState.UNENROLLED)
        self._evidence.add(llr, new_share)
        if self._evidence.fresh_windows < _WARM_WINDOWS:
            return self._move(DriverState.WARMING)
        return self._judge()

    def pause(self, seconds: float) -> Verdict:
        """Video comes, but its window is not usable (yet): nothing new, and what there was fades."""
        self._advance(seconds)
        if self._state in _VERDICTS:
            return self._judge()
        return self._move(self._state if self._state is DriverState.UNENROLLED else DriverState.WARMING)

    def abstain(self, reason: AbstainReason, seconds: float) -> Verdict:
        """There is no video to judge."""
        self._advance(seconds)
        if self._state is DriverState.UNENROLLED:
            return self._move(DriverState.UNENROLLED)
        self._evidence.interrupt()
        return self._move(DriverState.ABSTAIN, reason)

    def _forget(self) -> None:
        self._evidence.reset()
        self._resumed_at = -math.inf
        self._in_mismatch_episode = False
        self._missing_seconds = 0.0
        self._missing_alerted = False

    def _advance(self, seconds: float) -> None:
        if not math.isfinite(seconds):
            raise ValueError(f"time must be a finite number of seconds, got {seconds}")
        elapsed = 0.0 if self._now is None else max(0.0, seconds - self._now)
        self._now = now = seconds if self._now is None else max(self._now, seconds)
        self._evidence.fade(elapsed)
        if self._state is DriverState.ABSTAIN:
            self._resumed_at = now
        if self._state in (DriverState.ABSTAIN, DriverState.WARMING):
            self._missing_seconds = min(self._missing_seconds + elapsed, self._config.abstain_alert_seconds)
        elif self._state in _VERDICTS:
            self._missing_seconds = max(self._missing_seconds - elapsed, 0.0)
        if self._missing_seconds == 0.0:
            self._missing_alerted = False

    @property
    def _settled(self) -> bool:
        return self._now is None or self._now - self._resumed_at >= SETTLE_SECONDS

    def _judge(self) -> Verdict:
        config, evidence = self._config, self._evidence.value
        if evidence > config.mismatch_leave:
            self._in_mismatch_episode = False
        if evidence >= config.verified_enter and self._settled:
            return self._move(DriverState.VERIFIED)
        if evidence <= config.mismatch_enter or self._in_mismatch_episode:
            return self._move(DriverState.MISMATCH)
        if self._state is DriverState.VERIFIED and evidence >= config.verified_leave:
            return self._move(DriverState.VERIFIED)
        return self._move(DriverState.UNCERTAIN)

    def _move(self, state: DriverState, reason: AbstainReason | None = None) -> Verdict:
        previous, self._state, self._reason = self._state, state, reason
        why = self._why()
        return Verdict(
            state=state,
            why=why,
            evidence=self._evidence.value,
            llr=None,
            similarity=None,
            abstain_reason=reason,
            transition=Transition(previous, state, why) if state is not previous else None,
            alerts=self._due_alerts(why),
        )

    def _due_alerts(self, why: str) -> tuple[Alert, ...]:
        alerts: list[Alert] = []
        if self._state is DriverState.MISMATCH and not self._in_mismatch_episode:
            self._in_mismatch_episode = True
            alerts.append(Alert("critical", why))
        limit = self._config.abstain_alert_seconds
        overdue = self._state is DriverState.ABSTAIN and self._missing_seconds >= limit
        if self._reason is not None and overdue and not self._missing_alerted:
            self._missing_alerted = True
            alerts.append(Alert("warning", f"no verdict for {limit:g} s: {self._reason.words}", self._reason))
        return tuple(alerts)

    def _why(self) -> str:
        evidence = f"evidence {self._evidence.value:+.1f} nats"
        match self._state:
            case DriverState.UNENROLLED:
                return "no template is assigned to this seat"
            case DriverState.WARMING:
                return f"collecting video ({min(self._evidence.fresh_windows / _WARM_WINDOWS, 1):.0%} of a window)"
            case DriverState.VERIFIED:
                return f"driver matches the enrolled template ({evidence})"
            case DriverState.UNCERTAIN if not self._settled:
                return f"too soon after an interruption to say ({evidence})"
            case DriverState.UNCERTAIN:
                return f"not enough evidence for or against the enrolled driver ({evidence})"
            case DriverState.MISMATCH:
                return f"driver does not match the enrolled template ({evidence})"
            case DriverState.ABSTAIN:
                return f"no verdict: {self._reason.words}" if self._reason is not None else "no verdict"
