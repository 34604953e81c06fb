"""Weighs what witnesses say beside the engine: who counts at this moment, and what all say together.

A witness counts while its newest window is of the person who is judged now: it was compared with the seat's own
template, began after the last interruption, and ended a moment ago.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from engines.witnesses.fusion_table import ENGINE
from guard.verify.fusion import Fused, Fusion
from guard.verify.movements import Movement
from guard.verify.witnesses import Opinion, Statement

MARGIN_SECONDS = 1.0
"""By which a window may truly begin earlier than it seems: its length is by the sender's clock. Our own choice."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One opinion, as it counts now."""

    name: str
    llr: float | None
    """Nats; None where it says nothing."""
    why: str | None
    """Why it says nothing, or why what it says does not count; None where it counts."""
    age_seconds: float | None
    """Since the end of its newest window; None where it has none."""
    weight: float
    """What its LLR is multiplied with; 0 where it does not count."""


@dataclass(frozen=True)
class SecondOpinion:
    """All opinions on one participant. What is told of them is made when somebody asks: every frame has one of these,
    and about one in thirty is told."""

    fused: Fused | None
    """None where no witness counts: the engine's LLR stands as it is."""
    engine_llr: float | None
    """Nats of the newest window; None where the engine has nothing to say."""
    said: tuple[Statement, ...]
    """Of each witness, as it counts now."""
    fusion: Fusion
    now: float

    @cached_property
    def opinions(self) -> tuple[Heard, ...]:
        """The engine's first."""
        fused, llr = self.fused, self.engine_llr
        weight = 0.0 if llr is None else 1.0 if fused is None else fused.weights[ENGINE]
        why = "nothing to judge at the moment" if llr is None else None
        engine = Heard(ENGINE, llr, why, None if llr is None else 0.0, weight)
        return engine, *(_heard(each, fused, self.fusion, llr is None, self.now) for each in self.said)

    @property
    def movements(self) -> tuple[Movement, ...]:
        """What sets this video apart from the template, of witnesses that speak."""
        return tuple(movement for each in self.said if each.llr is not None for movement in each.movements)


def weigh(
    opinion: Opinion, fusion: Fusion, engine_llr: float | None, now: float, fresh_since: float | None
) -> SecondOpinion:
    """What holds at `now`.

    engine_llr: nats of the newest window; None where the engine has nothing to say, and then nothing counts.
    fresh_since: when the newest uninterrupted stretch of video began; None within an interruption.
    """
    said = tuple(_at(statement, opinion.trouble, now, fresh_since) for statement in opinion.statements)
    llrs = {statement.name: statement.llr for statement in said if statement.llr is not None}
    fused = None if engine_llr is None else fusion.fuse(engine_llr, llrs)
    return SecondOpinion(fused, engine_llr, said, fusion, now)


def longest_seconds(statement: Statement) -> float:
    """Age at which a witness is not heard any more: two of its steps and the way through a tracker. Our own choice."""
    return 2 * statement.step_seconds + 0.5


def _at(statement: Statement, trouble: str | None, now: float, fresh_since: float | None) -> Statement:
    """The statement, or the reason why it is not heard at this moment."""
    if statement.llr is None or statement.since_seconds is None or statement.heard_seconds is None:
        return statement if trouble is None or not statement.waits else replace(statement, why=trouble)
    if fresh_since is None or statement.since_seconds - MARGIN_SECONDS < fresh_since:
        return Statement(statement.name, None, "starting anew after an interruption", None, statement.heard_seconds)
    age = now - statement.heard_seconds
    if age > longest_seconds(statement):
        why = f"nothing heard for {age:.0f} s"
        if statement.tracked:
            why = trouble or f"no face tracked for {age:.0f} s"
        return Statement(statement.name, None, why, None, statement.heard_seconds)
    return statement


def _heard(statement: Statement, fused: Fused | None, fusion: Fusion, engine_silent: bool, now: float) -> Heard:
    weight = 0.0 if fused is None else fused.weights.get(statement.name, 0.0)
    why = statement.why
    if why is None and (fused is None or statement.name not in fused.weights):
        why = "not weighed: no verdict without facial motion" if engine_silent else fusion.why_unweighed(statement.name)
    age = None if statement.heard_seconds is None else max(0.0, now - statement.heard_seconds)
    return Heard(statement.name, statement.llr, why, age, weight)
