"""`guard bench network`: a labelled clip through a real WebRTC call into a running guard, over one bad network each.

The sender, with the relay that is the network, is a process of its own; the guard runs in this one. Every network gets
two calls, one by the genuine driver, one by the impostor; who is enrolled was enrolled over a clean call before.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from guard.bench.machine import describe_machine
from guard.bench.network.call import LEAD_SECONDS, SETTLE_SECONDS, enrol, record_call
from guard.bench.network.clips import Clips, make_clips
from guard.bench.network.findings import NetworkRow, make_row
from guard.bench.network.networks import NETWORKS, Network
from guard.bench.network.report import NetworkReport, as_markdown
from guard.bench.output_files import check_output_files, check_plot_file, give_report, write_output
from guard.config import CallsConfig, GuardConfig, ServerConfig, StoreConfig
from guard.errors import ConfigError, SourceError
from guard.server import RunningGuard, running_guard

_EVERY_FRAME_PER_SECOND = 10_000.0
"""Score events: one for every frame, also for those that arrive in a clump after a loss."""


@dataclass(frozen=True, slots=True)
class NetworkBench:
    """What is to be tried. Without files, puppets play both drivers."""

    seconds: float
    seed: int
    genuine: Path | None
    impostor: Path | None
    networks: tuple[Network, ...] = NETWORKS


@dataclass(frozen=True, slots=True)
class OutputFiles:
    """Where findings go besides the terminal; "-" prints the JSON instead of the table."""

    json: Path | None
    markdown: Path | None
    plot: Path | None


def run_network_bench(config: GuardConfig, bench: NetworkBench, files: OutputFiles) -> None:
    """Print the table, and write it where asked.

    Raises GuardError or EngineError where the guard or a clip cannot be had, ConfigError for files that cannot be
    written, before anything is measured.
    """
    check_output_files(files.json, files.markdown, files.plot)
    check_plot_file(files.plot)
    report = asyncio.run(measure(config, bench, shlex.join(["guard", *sys.argv[1:]])))
    give_report(asdict(report), files.json, lambda _: sys.stdout.write(as_markdown(report)))
    if files.markdown is not None:
        write_output(files.markdown, as_markdown(report))
    if files.plot is not None:
        from guard.bench.network.plot import save_plot

        try:
            save_plot(report, files.plot)
        except OSError as error:
            raise ConfigError(f"cannot write {files.plot}: {error.strerror}") from None


async def measure(config: GuardConfig, bench: NetworkBench, command: str) -> NetworkReport:
    """Try every network. Raises GuardError or EngineError."""
    load_before = os.getloadavg()[0]
    progress = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="guard-bench-") as folder:
        progress.print("preparing clips")
        clip_seconds = bench.seconds + LEAD_SECONDS + SETTLE_SECONDS
        clips = await asyncio.to_thread(make_clips, Path(folder), clip_seconds, bench.genuine, bench.impostor)
        async with running_guard(_bench_config(config, Path(folder))) as guard:
            progress.print("enrolling the genuine driver over a clean call")
            not_enrolled = await _try_to_enrol(guard, clips)
            rows = []
            for network in bench.networks:
                progress.print(f"{network.name}: two calls of {bench.seconds:g} s")
                rows.append(await _try_network(guard, clips, network, bench, enrolled=not_enrolled is None))
            engine = guard.monitor.status().engine
    return NetworkReport(
        machine=describe_machine(),
        command=command,
        load=(load_before, os.getloadavg()[0]),
        engine=f"{engine.name} {engine.version} on {engine.backend}",
        clips=clips.source,
        seconds=bench.seconds,
        seed=bench.seed,
        not_enrolled=not_enrolled,
        rows=tuple(rows),
    )


async def _try_to_enrol(guard: RunningGuard, clips: Clips) -> str | None:
    """None, or why it failed: latency and freezes can be measured all the same."""
    try:
        await enrol(guard, clips.enrolment)
    except SourceError as error:
        return str(error)
    return None


async def _try_network(
    guard: RunningGuard, clips: Clips, network: Network, bench: NetworkBench, *, enrolled: bool
) -> NetworkRow:
    genuine = await record_call(guard, clips.genuine, network.impairment, bench.seed, bench.seconds)
    impostor = await record_call(guard, clips.impostor, network.impairment, bench.seed + 1, bench.seconds)
    least = guard.monitor.pipeline.config.verify.min_valid_fraction
    return make_row(network, genuine, impostor, least, enrolled=enrolled)


def _bench_config(config: GuardConfig, folder: Path) -> GuardConfig:
    """This machine only, a score event for every frame, and a template store of its own."""
    return config.model_copy(
        update={
            "server": ServerConfig(port=0, viewer_queue_events=4096),
            "calls": CallsConfig(loopback=True, max_participants=2, isolation="none"),
            "verify": config.verify.model_copy(update={"scores_per_second": _EVERY_FRAME_PER_SECOND}),
            "store": StoreConfig(path=folder / "templates.sqlite3"),
        }
    )
