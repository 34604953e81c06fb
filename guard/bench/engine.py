"""`guard bench engine`: the engine alone, without decoding, for several numbers of streams in a batch.

Three passes for each number: back to back (what a frame costs), at 30 frames a second (does it keep up), and by stages,
on an engine of its own that is loaded with a clock.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from engines.bench import StageTiming, measure_engine, measure_paced, measure_stages
from engines.protocol import Engine
from engines.stage_clock import StageClock
from guard.bench.ceilings import (
    Ceilings,
    arithmetic_rate,
    cpu_ceilings,
    device_ceilings,
    stage_rates,
    stage_work,
)
from guard.bench.energy import EnergyMeter, find_gpu_meter, find_processor_meter
from guard.bench.engine_report import EnergySource, EngineReport, EngineRow, print_report
from guard.bench.machine import describe_machine
from guard.bench.output_files import check_output_files, check_plot_file, give_report
from guard.config import GuardConfig
from guard.errors import ConfigError
from guard.runtime import make_engine

_CPU_BACKEND = "onnx"
_INT8_HEAD = "head int8"
_NO_CEILINGS = Ceilings(None, None, "not measured")
_COLUMNS = 132


def run_engine_bench(
    config: GuardConfig, counts: tuple[int, ...], seconds: float, *, json_file: Path | None, plot_file: Path | None
) -> None:
    """Print what the engine takes, and write it where asked; "-" prints the JSON instead of the tables.

    Raises EngineError where the engine cannot be loaded, ConfigError for files that cannot be written, before anything
    is measured.
    """
    check_output_files(json_file, plot_file)
    check_plot_file(plot_file)
    report = _measure(config, counts, seconds)
    give_report(asdict(report), json_file, lambda console: print_report(report, console), _COLUMNS)
    if plot_file is not None:
        from guard.bench.engine_plot import save_plot

        try:
            save_plot(report, plot_file)
        except OSError as error:
            raise ConfigError(f"cannot write {plot_file}: {error.strerror}") from None


def _measure(config: GuardConfig, counts: tuple[int, ...], seconds: float) -> EngineReport:
    engine = make_engine(config.engine)
    measured_backend = engine.status.backend
    meter, ceilings = _surroundings(engine, config.engine.threads)
    rows = [_row(engine, count, seconds, meter) for count in counts]
    spec, status = engine.spec, engine.status
    int8_head = _INT8_HEAD in status.precision
    # Before the next one is loaded: a device has room for one engine's streams.
    engine.close()
    stages = _stages(config, counts, seconds)
    for row, (backend, timing) in zip(rows, stages, strict=True):
        # A backend that took over in mid-run has other ceilings, which nobody has measured.
        known = ceilings if row.backend == measured_backend else _NO_CEILINGS
        row.arithmetic = arithmetic_rate(row.timing.frames_per_second, known, int8_head=int8_head)
        # Where the backend failed in one of the passes only, the stages are those of another engine.
        if backend == row.backend:
            row.stages = timing
            work = stage_work(on_device=backend != _CPU_BACKEND, int8_head=int8_head)
            row.rates = stage_rates(timing.stages_ms, work, known)
    return EngineReport(
        machine=describe_machine(),
        engine=f"{spec.name} {spec.version}",
        status=status,
        threads=config.engine.threads,
        seconds=seconds,
        ceilings=ceilings,
        energy=EnergySource(None, meter) if isinstance(meter, str) else EnergySource(meter.source, None),
        rows=rows,
        streams_at_30_fps=max((row.timing.streams for row in rows if row.keeps_up), default=None),
    )


def _surroundings(engine: Engine, threads: int) -> tuple[EnergyMeter | str, Ceilings]:
    if engine.status.backend == _CPU_BACKEND:
        return find_processor_meter(), cpu_ceilings(threads)
    return find_gpu_meter(), device_ceilings()


def _row(engine: Engine, count: int, seconds: float, meter: EnergyMeter | str) -> EngineRow:
    try:
        timing = measure_engine(engine, count, seconds, None if isinstance(meter, str) else meter.joules)
        paced = measure_paced(engine, count, seconds)
    except MemoryError as error:
        raise ConfigError(f"no memory for {count} streams ({error}); use fewer") from None
    return EngineRow(engine.status.backend, timing, paced, paced.keeps_up, engine.stream_bytes)


def _stages(config: GuardConfig, counts: tuple[int, ...], seconds: float) -> list[tuple[str, StageTiming]]:
    """For each number of streams the backend that ran, and its stages."""
    clock = StageClock()
    engine = make_engine(config.engine, clock)
    found = []
    for count in counts:
        timing = measure_stages(engine, clock, count, seconds)
        found.append((engine.status.backend, timing))
    engine.close()
    return found
