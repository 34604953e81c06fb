"""`guard bench engine`: the engine alone, without decoding, for several numbers of streams in a batch."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from engines.bench import measure_engine
from guard.bench.machine import describe_machine
from guard.config import GuardConfig
from guard.runtime import make_engine

_STREAMS = (1, 4, 8)


def run_engine_bench(config: GuardConfig, seconds: float, *, as_json: bool) -> None:
    """Print milliseconds per frame. Raises EngineError where the engine cannot be loaded."""
    engine = make_engine(config.engine)
    timings = [measure_engine(engine, streams, seconds) for streams in _STREAMS]
    engine.close()
    machine, status = describe_machine(), engine.status
    if as_json:
        rows = [asdict(timing) for timing in timings]
        report = {"machine": machine, "engine": engine.spec.name, "status": asdict(status), "timings": rows}
        sys.stdout.write(json.dumps(report) + "\n")
        return
    table = Table("streams", "p50 ms/frame", "p95", "p99", "max", "frames/s", "streams at 30 fps")
    for timing in timings:
        rate = timing.frames_per_second
        cells = (timing.p50_ms, timing.p95_ms, timing.p99_ms, timing.max_ms)
        table.add_row(str(timing.streams), *(f"{cell:.2f}" for cell in cells), f"{rate:.0f}", f"{rate / 30:.0f}")
    console = Console()
    console.print(
        f"{engine.spec.name} on {status.backend} {status.precision}, {config.engine.threads} thread; {machine}"
    )
    console.print(table)
