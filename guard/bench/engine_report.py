"""What `guard bench engine` has found, as JSON fields and as tables."""

from __future__ import annotations

from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from engines.bench import BOUND_MS, EngineTiming, PacedTiming, StageTiming
from engines.protocol import EngineStatus
from guard.bench.ceilings import Ceilings, StageRate

_NOT_KNOWN = "-"


@dataclass(slots=True)
class EngineRow:
    """One number of streams. backend: that ran; stages are None where another one ran in the pass that takes them.

    arithmetic: of the graphs, over whole steps back to back.
    """

    backend: str
    timing: EngineTiming
    at_30_fps: PacedTiming
    keeps_up: bool
    bytes_per_stream: int
    arithmetic: StageRate | None = None
    stages: StageTiming | None = None
    rates: dict[str, StageRate] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EnergySource:
    """What was read, or why nothing was; one of the two."""

    source: str | None
    missing: str | None


@dataclass(frozen=True, slots=True)
class EngineReport:
    """All of it.

    seconds: of each pass for each number of streams. streams_at_30_fps: the most of those tried that keep up.
    """

    machine: str
    engine: str
    status: EngineStatus
    threads: int
    seconds: float
    ceilings: Ceilings
    energy: EnergySource
    rows: list[EngineRow]
    streams_at_30_fps: int | None
    bound_ms: float = BOUND_MS


def print_report(report: EngineReport, console: Console) -> None:
    """Two tables: whole steps, and where their time goes."""
    status = report.status
    console.print(f"{report.engine} on {status.backend} {status.precision}, {status.device}; {report.machine}")
    if status.fallback_reason:
        console.print(f"not faster because {status.fallback_reason}")
    console.print(steps_table(report))
    most = "none" if report.streams_at_30_fps is None else str(report.streams_at_30_fps)
    console.print(
        f"keeps up: 99 of 100 steps done within {report.bound_ms:.1f} ms of when their frames were due; "
        f"the most streams of those tried: {most}"
    )
    console.print(f"energy: {report.energy.source or report.energy.missing}")
    console.print(stages_table(report))
    console.print("taken in a pass of their own, in which every part is watched")
    console.print(f"ceilings: {_ceilings_text(report.ceilings)}")


def steps_table(report: EngineReport) -> Table:
    """Back to back, and at 30 frames a second."""
    table = Table(
        *("streams", "p50 ms/frame", "p95", "p99", "max", "frames/s", "of FLOP ceiling"),
        *("p50 ms at 30 fps", "p99", "keeps up", "kB/stream", "mJ/frame"),
    )
    for row in report.rows:
        timing, paced = row.timing, row.at_30_fps
        cells = (timing.p50_ms, timing.p95_ms, timing.p99_ms, timing.max_ms)
        energy = timing.joules_per_frame
        table.add_row(
            str(timing.streams),
            *(_ms_text(cell, decimals=2) for cell in cells),
            f"{timing.frames_per_second:.0f}",
            _share_text(row.arithmetic),
            f"{paced.p50_ms:.1f}",
            f"{paced.p99_ms:.1f}",
            "yes" if row.keeps_up else "no",
            f"{row.bytes_per_stream / 1000:.0f}",
            _NOT_KNOWN if energy is None else f"{1000 * energy:.1f}",
        )
    return table


def _ms_text(value: float, decimals: int) -> str:
    """A device takes microseconds for a frame: two digits of them where the decimals would show none."""
    return f"{value:.{decimals}f}" if abs(value) >= 10 ** (1 - decimals) or value == 0 else f"{value:.2g}"


def _share_text(rate: StageRate | None) -> str:
    return _NOT_KNOWN if rate is None or rate.share is None else f"{100 * rate.share:.1f} %"


def stages_table(report: EngineReport) -> Table:
    """Milliseconds per frame and, where a ceiling is known, the share of it that the stage reaches."""
    stages = stage_names(report)
    table = Table("streams", *stages, "rest", title="ms/frame", title_justify="left")
    for row in report.rows:
        if row.stages is None:
            continue
        cells = [_stage_text(row, stage) for stage in stages]
        table.add_row(str(row.timing.streams), *cells, _ms_text(row.stages.rest_ms, decimals=3))
    return table


def stage_names(report: EngineReport) -> list[str]:
    """All stages of all rows, in the order in which they run."""
    return list(dict.fromkeys(stage for row in report.rows if row.stages for stage in row.stages.stages_ms))


def _stage_text(row: EngineRow, stage: str) -> str:
    if row.stages is None or stage not in row.stages.stages_ms:
        return _NOT_KNOWN
    text = _ms_text(row.stages.stages_ms[stage], decimals=3)
    if (rate := row.rates.get(stage)) is None:
        return text
    text += f"\n{rate.rate:.1f} {rate.unit}"
    return text if rate.share is None else f"{text}\n{100 * rate.share:.0f} % of ceiling"


def _ceilings_text(ceilings: Ceilings) -> str:
    if ceilings.gflops is None or ceilings.copy_gbps is None:
        return ceilings.about
    upload = "" if ceilings.upload_gbps is None else f", upload {ceilings.upload_gbps:.1f} GB/s"
    return f"{ceilings.gflops:.1f} GFLOP/s, {ceilings.copy_gbps:.1f} GB/s{upload} ({ceilings.about})"
