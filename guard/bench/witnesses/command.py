"""`guard bench witnesses`: the guard with second opinions and without, in turns in one run.

Every turn is a fresh guard with fresh senders; the two kinds take turns, and who begins changes from round to round, so
that a machine that gets busier or hotter treats them alike.
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
from guard.bench.output_files import check_output_files, give_report
from guard.bench.streams.command import make_clips
from guard.bench.streams.probe import Scene
from guard.bench.witnesses import turn
from guard.bench.witnesses.findings import p99_ratio, side, tracking_cost, witness_cpu_ms
from guard.bench.witnesses.report import WitnessesReport, print_report
from guard.bench.witnesses.turn import Turn, take_turn
from guard.config import GuardConfig
from guard.errors import ConfigError

_LONGER_SECONDS = 6.0
"""So much longer than a turn is the clip: the sender begins before the turn does."""
_COLUMNS = 150


@dataclass(frozen=True, slots=True)
class WitnessesBench:
    """What is to be measured. seconds: of each turn. rounds: turns of each kind. video: what to send, else puppets."""

    streams: int
    seconds: float
    rounds: int
    video: Path | None


def run_witnesses_bench(config: GuardConfig, bench: WitnessesBench, *, json_file: Path | None) -> None:
    """Print what was found, and write it where asked; "-" prints the JSON instead of the tables.

    Raises GuardError or EngineError where the guard, its tracker or the video cannot be had, ConfigError where no
    tracker is set or the file cannot be written, before anything is measured.
    """
    check_output_files(json_file)
    report = asyncio.run(measure(config, bench, shlex.join(["guard", *sys.argv[1:]])))
    give_report(asdict(report), json_file, lambda console: print_report(report, console), _COLUMNS)


async def measure(config: GuardConfig, bench: WitnessesBench, command: str) -> WitnessesReport:
    """All rounds. Raises GuardError or EngineError."""
    if config.expressions.landmarker is None:
        raise ConfigError("no tracker of expressions is set; set expressions.landmarker (and expressions.python)")
    load_before = os.getloadavg()[0]
    progress = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="guard-bench-") as folder:
        progress.print("encoding the clip")
        # A clip that comes round again is a loop to the guard, which then takes its frames for no evidence.
        whole_turn = turn.WARM_UP_SECONDS + bench.seconds + _LONGER_SECONDS
        clips, about = await asyncio.to_thread(make_clips, Path(folder), bench.video, whole_turn)
        scene = Scene(config, Path(folder), clips, bench.seconds)
        turns: list[Turn] = []
        for number in range(bench.rounds):
            for is_on in (False, True) if number % 2 == 0 else (True, False):
                progress.print(f"round {number + 1} of {bench.rounds}: expressions {'on' if is_on else 'off'}")
                turns.append(await take_turn(scene, bench.streams, with_expressions=is_on))
    without, with_expressions = ([each for each in turns if each.with_expressions is is_on] for is_on in (False, True))
    sides = side(without), side(with_expressions)
    return WitnessesReport(
        machine=describe_machine(),
        command=command,
        load=(load_before, os.getloadavg()[0]),
        clip=about,
        streams=bench.streams,
        seconds=bench.seconds,
        rounds=bench.rounds,
        without=sides[0],
        with_expressions=sides[1],
        ratio=p99_ratio(*sides),
        cost=tracking_cost(with_expressions, bench.streams),
        witness_cpu_ms=witness_cpu_ms(with_expressions),
    )
