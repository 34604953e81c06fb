"""Frames, scores and a report of `guard bench latency` with round figures; milliseconds become monotonic seconds."""

from __future__ import annotations

from guard.bench.latency.findings import Counts, CpuSplit, LatencyRow, make_row
from guard.bench.latency.probe import ArrivedFrame
from guard.bench.latency.report import LatencyReport
from guard.bench.latency.traces import PaintedScore, SentFrame, SentLog, Trace, trace_frames
from guard.bench.viewer import SeenScore
from guard.serve.events import LatencyBreakdown

START, END = 100.0, 110.0
LATENCY = LatencyBreakdown(total_ms=10.0, queue_ms=1.0, pixels_ms=2.0, engine_ms=4.0, verify_ms=0.5)


def arrived(number: int | None, sent_at: float, pts_seconds: float = 0.0) -> ArrivedFrame:
    """A frame that was whole 3 ms and decoded 5 ms after it was sent."""
    return ArrivedFrame(number, pts_seconds, sent_at + 0.003, sent_at + 0.005)


def seen(seq: int, sent_at: float, pts_seconds: float = 0.0) -> SeenScore:
    """Its score: sent 10 ms after its arrival, seen 1 ms later."""
    return SeenScore(seq, "a", pts_seconds, 30.0, LATENCY, sent_at + 0.016)


def traced(count: int, *, painted: bool = False) -> list[Trace]:
    """So many frames, one every 33 ms."""
    times = [START + number / 30 for number in range(count)]
    log = SentLog(SentFrame(number, at) for number, at in enumerate(times))
    frames = [arrived(number, at, number / 30) for number, at in enumerate(times)]
    scores = [seen(number + 1, at, number / 30) for number, at in enumerate(times)]
    paints = [PaintedScore(number + 1, at + 0.017, at + 0.030) for number, at in enumerate(times)] if painted else []
    return trace_frames(log, frames, scores, START, END, paints)


def made_row(
    sender: str = "aiortc", isolation: str = "none", *, painted: bool = False, plain_ms: float = 75.0
) -> LatencyRow:
    """Ten frames sent, eight scored."""
    counts, cpu = Counts(sent=10, plain_sent=10, received=9, dropped=1), CpuSplit(10.0, 3.0, 12.0, 1.0)
    return make_row(sender, isolation, 1, counts, cpu, traced(8, painted=painted), [plain_ms] * 8, {"sender": 0.05})


def made_report(skipped: str | None = None) -> LatencyReport:
    """A row of each sender, and one with workers."""
    rows = (made_row(), made_row(isolation="process", plain_ms=60.0), made_row("Chromium", painted=True))
    return LatencyReport("a machine", "guard bench latency", (1.0, 2.0), "an engine", 10.0, rows, skipped)
