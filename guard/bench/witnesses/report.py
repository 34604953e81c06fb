"""What `guard bench witnesses` has found, as JSON fields and as tables."""

from __future__ import annotations

from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from guard.bench.witnesses.findings import MOST_P99_RATIO, P99Ratio, Side, TrackingCost
from guard.verify.witness_words import plain_name


@dataclass(frozen=True, slots=True)
class WitnessesReport:
    """All of it. seconds: of each turn, after the warm-up. load: processes that wanted a core, before and after."""

    machine: str
    command: str
    load: tuple[float, float]
    clip: str
    streams: int
    seconds: float
    rounds: int
    without: Side
    with_expressions: Side
    ratio: P99Ratio
    cost: TrackingCost | None
    witness_cpu_ms: dict[str, float] = field(default_factory=dict)
    """For each second of a participant's video, by witness, beside what tracking costs."""


def print_report(report: WitnessesReport, console: Console) -> None:
    """Latencies side by side, their ratio, then what tracking costs."""
    load = f"load {report.load[0]:.1f} before, {report.load[1]:.1f} after"
    console.print(f"{report.command}: {report.machine}; {load}; {report.clip}")
    console.print(_table(report))
    ratio = report.ratio
    console.print(
        f"p99 with / without: {ratio.middle:.3f} [{ratio.low:.3f}, {ratio.high:.3f}] (median of rounds, 95 %; "
        f"rounds {', '.join(f'{each:.2f}' for each in ratio.ratios)}; all turns pooled {ratio.pooled:.3f}): "
        f"{ratio.verdict} {MOST_P99_RATIO:.2f}"
    )
    if report.cost is None:
        console.print("nothing was tracked")
        return
    cost = report.cost
    console.print(
        f"tracker: {cost.cpu_ms_per_frame:.1f} ms of CPU a tracked frame, {cost.cpu_ms_per_second:.0f} ms a second "
        f"of each participant's video ({cost.rate_hz:.1f} frames tracked a second); a face in {cost.found:.1%}; "
        f"{cost.dropped:.1%} waited in vain"
    )
    if not report.witness_cpu_ms:
        console.print("no witness is shipped or set: what they cost is not in these figures")
    for name, cpu_ms in report.witness_cpu_ms.items():
        console.print(f"{plain_name(name)}: {cpu_ms:.2f} ms of CPU a second of each participant's video")


def _table(report: WitnessesReport) -> Table:
    table = Table(
        *(
            "",
            "p50 ms",
            "p95 ms",
            "p99 ms",
            "max ms",
            "p99 of each turn",
            "scored fps",
            "dropped",
            "guard CPU ms",
        ),
        title=f"arrival -> verdict, {report.streams} streams, {report.rounds} turns of {report.seconds:g} s each",
        title_justify="left",
    )
    for name, found in (("without", report.without), ("with expressions", report.with_expressions)):
        latency = found.latency
        figures = (latency.p50_ms, latency.p95_ms, latency.p99_ms, latency.max_ms)
        table.add_row(
            name,
            *(f"{figure:.2f}" for figure in figures),
            ", ".join(f"{each:.1f}" for each in found.p99_ms),
            f"{found.scored_fps:.1f}",
            str(found.dropped),
            f"{found.guard_cpu_ms:.2f}",
        )
    return table
