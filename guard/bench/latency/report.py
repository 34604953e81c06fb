"""What `guard bench latency` has found, as JSON fields and as tables."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from guard.bench.distribution import Distribution
from guard.bench.latency.findings import LatencyRow

_NOT_KNOWN = "-"


@dataclass(frozen=True, slots=True)
class LatencyReport:
    """All of it. load: processes that wanted a core, before and after. skipped: what could not be measured, and why."""

    machine: str
    command: str
    load: tuple[float, float]
    engine: str
    seconds: float
    rows: tuple[LatencyRow, ...]
    skipped: str | None


def print_report(report: LatencyReport, console: Console) -> None:
    """Whole ways first, then every stage."""
    console.print(headline(report))
    console.print(streams_table(report))
    console.print(ways_table(report))
    for row in report.rows:
        console.print(stages_table(row))
    if report.skipped is not None:
        console.print(f"not measured: {report.skipped}")


def headline(report: LatencyReport) -> str:
    """What must be known to read the figures."""
    load = f"load {report.load[0]:.1f} before, {report.load[1]:.1f} after"
    return (
        f"{report.command}: {report.machine}, senders, viewer and plain sink included; {load}; {report.engine}; "
        f"{report.seconds:g} s a row, open loop"
    )


def streams_table(report: LatencyReport) -> Table:
    """From the arrival of the decoded frame to its score at the viewer; drops; CPU."""
    table = Table(
        *("sender", "isolation", "streams", "p50 ms", "p95", "p99", "max", "fps", "sent", "no score", "dropped"),
        *("receive+decode", "pixels", "engine", "rest", "workers", "all"),
        title="frame arrival -> score at the viewer; CPU of the guard for each stream in % of a core",
        title_justify="left",
    )
    for row in report.rows:
        cpu = row.cpu_per_stream
        shares = (cpu.receive_decode, cpu.pixels, cpu.engine, cpu.rest, cpu.workers)
        figures = (row.p50_ms, row.p95_ms, row.p99_ms, row.max_ms, row.fps)
        table.add_row(
            *(row.sender, row.isolation, str(row.streams)),
            *(f"{value:.1f}" if value is not None else "no score" for value in figures),
            *(str(row.sent_frames), str(row.unscored_frames), f"{row.dropped_frames}/{row.received_frames}"),
            *(f"{share:.1f} %" for share in (*shares, sum(shares))),
        )
    return table


def row_name(row: LatencyRow) -> str:
    """Which row it is."""
    return f"{row.sender}, {row.streams} streams, isolation {row.isolation}"


def ways(row: LatencyRow) -> dict[str, Distribution | None]:
    """The whole ways that a frame goes, by name."""
    return {
        "camera -> score": row.camera_to_score,
        "camera -> array, plain aiortc": row.plain_camera_to_array,
        "frame arrival -> score": row.arrival_to_score,
        "camera -> painted on the dashboard": row.camera_to_paint,
    }


def ways_table(report: LatencyReport) -> Table:
    """The whole way beside that of the plain sink. Camera: the frame is handed over in the encoder's place (aiortc
    sends clips that were encoded before), or is there in the browser, before its encoder gets it."""
    table = Table(
        *("sender", "isolation", "streams", "way", "n", "p50 ms", "p95", "p99", "max"),
        title="whole ways; aiortc sends what was encoded before, Chromium encodes",
        title_justify="left",
    )
    for row in report.rows:
        for way, found in ways(row).items():
            if found is not None:
                table.add_row(row.sender, row.isolation, str(row.streams), way, *cells(found))
        if row.plain_ratio is not None:
            lost = f"{row.plain_missing_frames} missing"
            ratio = f"{row.plain_ratio:.2f} x"
            table.add_row(row.sender, row.isolation, str(row.streams), "plain / ours", lost, ratio, "", "", "")
    return table


def stages_table(row: LatencyRow) -> Table:
    """Stage by stage, for one row."""
    clocks = ", ".join(f"{name} {ms:.2f}" for name, ms in row.clock_uncertainty_ms.items())
    table = Table(
        *("stage", "n", "p50 ms", "p95", "p99", "max"),
        title=f"{row_name(row)}; clocks of other processes and pages are known to +- ms: {clocks}",
        title_justify="left",
    )
    for stage, found in row.stages.items():
        table.add_row(stage, *cells(found))
    return table


def cells(found: Distribution) -> tuple[str, ...]:
    """Count and percentiles."""
    times = (found.p50_ms, found.p95_ms, found.p99_ms, found.max_ms)
    return (str(found.count), *(f"{time:.2f}" if time < 10 else f"{time:.1f}" for time in times))
