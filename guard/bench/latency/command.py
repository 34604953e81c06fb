"""`guard bench latency`: from the camera to the score that somebody sees, over real WebRTC, stage by stage.

Open loop: another process sends numbered 640x360 VP8 frames at 30 a second whether or not the guard keeps up, each
stream by its own clock, and notes when. A plain aiortc sink gets the first stream's frames, too. A viewer in a third
process takes every score over a WebSocket. Every number of streams is received in the guard's own process and then in
workers, as `guard serve` does. With a browser, a real Chromium is the camera and shows the dashboard.
Percentiles are over all scores of all streams, warm-up excluded; frames without a score are counted.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import sys
import tempfile
from dataclasses import asdict, dataclass
from itertools import islice, product
from pathlib import Path

from rich.console import Console

from guard.bench.chromium import why_no_chromium, write_camera_clip
from guard.bench.clip import FPS, encode_clip, numbered, puppet_pictures, save_packets
from guard.bench.latency.compare import EarlierRun, compare, comparison_table, read_earlier
from guard.bench.latency.html import as_html
from guard.bench.latency.report import LatencyReport, print_report
from guard.bench.latency.run import IN_PROCESS, IN_WORKERS, run_browser, run_streams
from guard.bench.latency.traces import CLIP_SECONDS
from guard.bench.machine import describe_machine
from guard.bench.output_files import check_output_files, write_output
from guard.config import GuardConfig
from guard.runtime import make_engine

_CLIPS = 2
_PIPE_COLUMNS = 170
"""Width of the tables where no terminal tells one: a figure that is cut short is none."""


@dataclass(frozen=True, slots=True)
class LatencyBench:
    """What is to be measured. seconds: of each row. browser: add a row with Chromium as camera and dashboard.

    isolated: measure every number of streams again, received in worker processes.
    """

    counts: tuple[int, ...]
    seconds: float
    browser: bool
    isolated: bool


def run_latency_bench(
    config: GuardConfig, bench: LatencyBench, *, as_json: bool, html_file: Path | None, earlier_file: Path | None
) -> None:
    """Print one row for each number of streams, or all of it as JSON, and write the page where asked.

    Raises GuardError or EngineError where the guard cannot start, ConfigError for files that cannot be read or written,
    before anything is measured.
    """
    check_output_files(html_file)
    earlier = None if earlier_file is None else read_earlier(earlier_file)
    report = asyncio.run(measure(config, bench, shlex.join(["guard", *sys.argv[1:]])))
    if as_json:
        sys.stdout.write(json.dumps(asdict(report)) + "\n")
    else:
        _print(report, earlier)
    if html_file is not None:
        write_output(html_file, as_html(report))


async def measure(config: GuardConfig, bench: LatencyBench, command: str) -> LatencyReport:
    """Measure every row. Raises GuardError or EngineError."""
    load_before = os.getloadavg()[0]
    progress = Console(stderr=True)
    engine = _describe_engine(config)
    no_browser = why_no_chromium() if bench.browser else None
    with tempfile.TemporaryDirectory(prefix="guard-bench-") as folder:
        progress.print("encoding the clips")
        clips = await asyncio.to_thread(_make_clips, Path(folder), min(_CLIPS, max(bench.counts, default=0)))
        rows = []
        ways = (IN_PROCESS, IN_WORKERS) if bench.isolated else (IN_PROCESS,)
        for count, isolation in product(bench.counts, ways):
            progress.print(f"{count} streams, isolation {isolation}: {bench.seconds:g} s")
            rows.append(await run_streams(config, clips, count, bench.seconds, isolation))
        if bench.browser and no_browser is None:
            progress.print(f"Chromium: {bench.seconds:g} s")
            pictures = islice(puppet_pictures()(0), round(CLIP_SECONDS * FPS))
            camera = await asyncio.to_thread(write_camera_clip, pictures, Path(folder) / "camera.mjpeg")
            rows.append(await run_browser(config, camera, bench.seconds))
    return LatencyReport(
        machine=describe_machine(),
        command=command,
        load=(load_before, os.getloadavg()[0]),
        engine=engine,
        seconds=bench.seconds,
        rows=tuple(rows),
        skipped=None if no_browser is None else f"the way through a browser, since {no_browser}",
    )


def _print(report: LatencyReport, earlier: EarlierRun | None) -> None:
    console = Console(width=None if sys.stdout.isatty() else _PIPE_COLUMNS)
    print_report(report, console)
    if earlier is not None:
        console.print(comparison_table(compare(report, earlier), earlier))


def _make_clips(folder: Path, number: int) -> tuple[Path, ...]:
    files, pictures = [], puppet_pictures()
    for face in range(number):
        file = folder / f"clip-{face}.json"
        save_packets(encode_clip(numbered(islice(pictures(face), round(CLIP_SECONDS * FPS)))), file)
        files.append(file)
    return tuple(files)


def _describe_engine(config: GuardConfig) -> str:
    engine = make_engine(config.engine)
    try:
        return f"{engine.spec.name} {engine.spec.version} on {engine.status.backend}"
    finally:
        engine.close()
