"""What happened in a scene, for `--json` and for the table on the terminal."""

from __future__ import annotations

from dataclasses import dataclass, field

from demo.cast import Role
from guard.serve.events import AlertEvent, LiveEvent, ParticipantEvent, ScoreEvent, StateEvent
from guard.verify.states import DriverState


@dataclass(slots=True)
class Track:
    """The course of one participant; all times in seconds since the start of the scene."""

    role: Role
    driver: int
    state: DriverState = DriverState.UNENROLLED
    why: str = ""
    enrolled_seconds: float | None = None
    states: list[dict[str, object]] = field(default_factory=list)
    swaps: list[dict[str, object]] = field(default_factory=list)
    alerts: list[dict[str, object]] = field(default_factory=list)
    newest: ScoreEvent | None = None
    scores: int = 0

    def take(self, event: LiveEvent, seconds: float) -> None:
        """Write down an event of this participant."""
        at = round(seconds, 2)
        match event:
            case ScoreEvent():
                self.newest = event
                self.scores += 1
                self.state, self.why = event.state, event.why
            case StateEvent():
                self.states.append({"seconds": at, "state": event.state, "why": event.why})
            case AlertEvent():
                self.alerts.append({"seconds": at, "severity": event.severity, "reason": event.reason})
            case ParticipantEvent(action="enrolled"):
                self.enrolled_seconds = at
            case _:
                pass

    def swapped(self, driver: int, seconds: float) -> None:
        """The actor says that `driver` moves the face from now on."""
        self.driver = driver
        genuine = driver == self.role.driver
        self.swaps.append({"seconds": round(seconds, 2), "driver": driver, "enrolled_driver": genuine})

    def report(self) -> dict[str, object]:
        """One participant of the JSON report."""
        attack = next((swap for swap in self.swaps if not swap["enrolled_driver"]), None)
        attacked = float(str(attack["seconds"])) if attack is not None else None
        criticals = [float(str(alert["seconds"])) for alert in self.alerts if alert["severity"] == "critical"]
        detected = next((at for at in criticals if attacked is not None and at >= attacked), None)
        return {
            "participant": self.role.participant,
            "enrolled_seconds": self.enrolled_seconds,
            "states": self.states,
            "driver_swaps": self.swaps,
            "alerts": self.alerts,
            "attack_seconds": attacked,
            "alert_seconds": detected,
            "detection_seconds": round(detected - attacked, 2) if detected and attacked else None,
            "false_alerts": len([at for at in criticals if attacked is None or at < attacked]),
            "final_state": self.state,
            "scores": self.scores,
        }
