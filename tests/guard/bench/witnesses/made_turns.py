"""Turns of `guard bench witnesses` with round figures."""

from __future__ import annotations

from guard.bench.witnesses.command import WitnessesBench
from guard.bench.witnesses.findings import p99_ratio, side, tracking_cost
from guard.bench.witnesses.report import WitnessesReport
from guard.bench.witnesses.turn import Turn
from guard.expressions.front_end import TrackerCounts


def turn(latency_ms: float, *, tracked: TrackerCounts | None = None, with_expressions: bool = False) -> Turn:
    """Ten seconds in which every verdict took as long."""
    return Turn(with_expressions, 10.0, (latency_ms,) * 300, 30.0, 1, 2.0, tracked)


def tracking(latency_ms: float) -> Turn:
    """Twenty frames a second tracked of two participants, 8 ms each, and a fifth as many dropped."""
    return turn(latency_ms, tracked=TrackerCounts(200, 190, 50, 1.6), with_expressions=True)


def made_report(without_ms: list[float], with_ms: list[float], bench: WitnessesBench) -> WitnessesReport:
    """So many rounds of two streams."""
    turns = [turn(each) for each in without_ms], [tracking(each) for each in with_ms]
    sides = side(turns[0]), side(turns[1])
    return WitnessesReport(
        machine="a machine",
        command="guard bench witnesses",
        load=(1.0, 2.0),
        clip="puppets",
        streams=bench.streams,
        seconds=bench.seconds,
        rounds=bench.rounds,
        without=sides[0],
        with_expressions=sides[1],
        ratio=p99_ratio(*sides),
        cost=tracking_cost(turns[1], bench.streams),
    )
