"""What `guard bench network` has found, as JSON fields and as a table in Markdown."""

from __future__ import annotations

from dataclasses import dataclass

from guard.bench.network.findings import NetworkRow, Scores

_NOT_KNOWN = "-"
_COLUMNS = (
    "network",
    *("p50 ms", "p95", "p99", "longest freeze ms"),
    *("sent fps", "frames delivered", "dropped by guard", "packets lost", "NACK", "PLI", "usable windows"),
    *("LLR genuine", "LLR impostor", "error genuine / impostor"),
)


@dataclass(frozen=True, slots=True)
class NetworkReport:
    """All of it. seconds: of each of the two calls of a row. load: processes that wanted a core, before and after.

    not_enrolled: why there are no scores, or None.
    """

    machine: str
    command: str
    load: tuple[float, float]
    engine: str
    clips: str
    seconds: float
    seed: int
    not_enrolled: str | None
    rows: tuple[NetworkRow, ...]


def as_markdown(report: NetworkReport) -> str:
    """The table, and what must be known to read it."""
    lines = [
        f"`{report.command}` on {report.machine}; {report.engine}; {report.clips}; load {report.load[0]:.1f} before, "
        f"{report.load[1]:.1f} after.",
        f"Two calls of {report.seconds:g} s a row, seed {report.seed}. Latency: from the sending of a frame to its "
        "score, way included. Median LLR in nats; error: windows on the wrong side of 0.",
    ]
    if report.not_enrolled is not None:
        lines.append(f"No scores: {report.not_enrolled}.")
    cells = [_COLUMNS, *(_cells(row, report.rows[0]) for row in report.rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_COLUMNS))]
    table = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    table.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join([*lines, "", *table]) + "\n"


def _cells(row: NetworkRow, clean: NetworkRow) -> tuple[str, ...]:
    latency = row.latency
    times = (latency.p50_ms, latency.p95_ms, latency.p99_ms) if latency else (None, None, None)
    lost = row.packets_lost + row.packets_overflowed
    return (
        row.network.name,
        *(_NOT_KNOWN if time is None else f"{time:.0f}" for time in times),
        f"{row.longest_freeze_ms:.0f}",
        f"{row.sent_fps:.1f}",
        f"{row.frames_delivered}/{row.frames_sent}",
        str(row.frames_dropped),
        f"{100 * lost / row.packets_sent:.1f} %" if row.packets_sent else _NOT_KNOWN,
        str(row.nacks),
        str(row.plis),
        f"{100 * row.usable_share:.0f} %",
        _llr(row.genuine, clean.genuine),
        _llr(row.impostor, clean.impostor),
        f"{_error(row.genuine)} / {_error(row.impostor)}",
    )


def _llr(scores: Scores | None, clean: Scores | None) -> str:
    """With the change against the first row."""
    if scores is None or scores.llr is None:
        return _NOT_KNOWN
    if clean is None or clean.llr is None or clean is scores:
        return f"{scores.llr:+.2f}"
    return f"{scores.llr:+.2f} ({scores.llr - clean.llr:+.2f})"


def _error(scores: Scores | None) -> str:
    return _NOT_KNOWN if scores is None or scores.error is None else f"{100 * scores.error:.0f} %"
