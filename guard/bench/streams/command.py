"""`guard bench streams`: pre-encoded clips over real RTP and SRTP to ever more participants of one guard.

Every number of streams gets a guard in a fresh process, a sender in another and a viewer in a third. Doubling finds a
number that is too large, bisection the largest that is not, for a guard that receives in its own process and for one
with workers, as `guard serve` has; then everything that one stream costs is measured at that number: the guard with and
without engine and workers, a plain aiortc sink, and decoding alone.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import tempfile
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from rich.console import Console

from guard.bench.clip import FPS, encode_clip, numbered, puppet_pictures, save_packets
from guard.bench.machine import describe_machine
from guard.bench.network.clips import filmed
from guard.bench.output_files import check_output_files, check_plot_file, give_report
from guard.bench.streams.costs import Costs, measure_costs
from guard.bench.streams.probe import Probe, Scene, probe
from guard.bench.streams.report import Search, StreamsReport, print_report
from guard.bench.streams.search import largest_passing
from guard.config import GuardConfig
from guard.errors import ConfigError

BITRATE_BPS = 500_000
CLIP_SECONDS = 10.0
_PUPPETS = 2
_COLUMNS = 170


@dataclass(frozen=True, slots=True)
class StreamsBench:
    """What is to be tried. seconds: of each probe. limit: streams. video: what to send, else puppets.

    isolated: try a guard that receives in worker processes, too.
    """

    seconds: float
    limit: int
    video: Path | None
    isolated: bool


def run_streams_bench(
    config: GuardConfig, bench: StreamsBench, *, json_file: Path | None, plot_file: Path | None
) -> None:
    """Print what was found, and write it where asked; "-" prints the JSON instead of the tables.

    Raises GuardError or EngineError where the guard or the video cannot be had, ConfigError for files that cannot be
    written, before anything is measured.
    """
    check_output_files(json_file, plot_file)
    check_plot_file(plot_file)
    report = asyncio.run(measure(config, bench, shlex.join(["guard", *sys.argv[1:]])))
    give_report(asdict(report), json_file, lambda console: print_report(report, console), _COLUMNS)
    if plot_file is not None:
        from guard.bench.streams.plot import save_plot

        try:
            save_plot(report, plot_file)
        except OSError as error:
            raise ConfigError(f"cannot write {plot_file}: {error.strerror}") from None


async def measure(config: GuardConfig, bench: StreamsBench, command: str) -> StreamsReport:
    """Search with the engine and without, then the costs at what was found. Raises GuardError."""
    load_before, cores = os.getloadavg()[0], len(os.sched_getaffinity(0))
    progress = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="guard-bench-") as folder:
        progress.print("encoding the clip")
        clips, about = await asyncio.to_thread(make_clips, Path(folder), bench.video)
        scene = Scene(config, Path(folder), clips, bench.seconds)
        with_engine = await _search(scene, bench.limit, progress, with_engine=True)
        isolated = None
        if bench.isolated:
            isolated = await _search(scene, bench.limit, progress, with_engine=True, isolated=True)
        without_engine = await _search(scene, bench.limit, progress, with_engine=False)
        carried, without = (max(search.largest, 1) for search in (with_engine, without_engine))
        costs = await _costs(scene, carried, bench.isolated, progress)
        costs_without_engine = costs
        if without != carried:
            costs_without_engine = await _costs(scene, without, bench.isolated, progress)
    return StreamsReport(
        machine=describe_machine(),
        cores=cores,
        command=command,
        load=(load_before, os.getloadavg()[0]),
        clip=about,
        seconds=bench.seconds,
        limit=bench.limit,
        with_engine=with_engine,
        isolated=isolated,
        without_engine=without_engine,
        costs=costs,
        costs_without_engine=costs_without_engine,
        decoding_alone=(costs.native.streams(cores), costs.libvpx.streams(cores)),
    )


async def _search(scene: Scene, limit: int, progress: Console, *, with_engine: bool, isolated: bool = False) -> Search:
    probes: list[Probe] = []
    search = largest_passing(limit)
    number = next(search)
    while True:
        found = await probe(scene, number, with_engine=with_engine, isolated=isolated)
        probes.append(found)
        kind = f"{'with' if with_engine else 'without'} engine{', in workers' if isolated else ''}"
        progress.print(f"{number} streams {kind}: {found.failure or 'carried'}")
        try:
            number = search.send(found.failure is None)
        except StopIteration as end:
            return Search(int(end.value), tuple(probes))


async def _costs(scene: Scene, streams: int, isolated: bool, progress: Console) -> Costs:
    progress.print(f"{streams} streams: guard without engine, plain aiortc sink, decoding only")
    return await measure_costs(scene, streams, isolated=isolated)


def make_clips(folder: Path, video: Path | None, seconds: float | None = None) -> tuple[tuple[Path, ...], str]:
    """Files of encoded frames, of 10 s where nothing is said, and what they show. Raises NoVideoError, SourceError."""
    frames = round((seconds or CLIP_SECONDS) * FPS)
    if video is not None:
        pictures, _ = filmed(video)
        encoded, source = [encode_clip(islice(pictures, frames), BITRATE_BPS)], str(video)
    else:
        puppets = puppet_pictures()
        encoded = [encode_clip(numbered(islice(puppets(face), frames)), BITRATE_BPS) for face in range(_PUPPETS)]
        source = "puppets"
    files = tuple(folder / f"clip-{number}.json" for number in range(len(encoded)))
    for packets, file in zip(encoded, files, strict=True):
        save_packets(packets, file)
    kbps = sum(map(len, encoded[0])) * 8 / (len(encoded[0]) / FPS) / 1000
    return files, f"{source}, VP8 640x360 at 30 fps, {kbps:.0f} kbit/s"
