"""What `guard bench streams` has found, as JSON fields and as tables."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from guard.bench.streams.costs import Costs, DecodeCost, ratio
from guard.bench.streams.probe import LEAST_FPS, MOST_P99_MS, Probe
from guard.bench.streams.stage_cpu import STAGES

_NOT_KNOWN = "-"


@dataclass(frozen=True, slots=True)
class Search:
    """The largest number of streams that is carried, and everything that was tried on the way, in that order."""

    largest: int
    probes: tuple[Probe, ...]

    @property
    def at_largest(self) -> Probe | None:
        """The probe of the largest number; None where not even one stream was carried."""
        return next((probe for probe in self.probes if probe.failure is None and probe.streams == self.largest), None)


@dataclass(frozen=True, slots=True)
class StreamsReport:
    """All of it. seconds: of each probe, after the warm-up. load: processes that wanted a core, before and after.

    isolated: with the engine, received in worker processes; None where that was not asked for.
    costs, costs_without_engine: at the largest number of streams with the engine, and without.
    decoding_alone: streams that libavcodec's own decoder, and libvpx, would allow on all cores.
    """

    machine: str
    cores: int
    command: str
    load: tuple[float, float]
    clip: str
    seconds: float
    limit: int
    with_engine: Search
    isolated: Search | None
    without_engine: Search
    costs: Costs
    costs_without_engine: Costs
    decoding_alone: tuple[int, int]


def print_report(report: StreamsReport, console: Console) -> None:
    """Capacity first, then what a stream costs."""
    load = f"load {report.load[0]:.1f} before, {report.load[1]:.1f} after"
    console.print(f"{report.command}: {report.machine}; {load}; {report.clip}")
    console.print(
        f"The sender, a viewer and the guard share {report.cores} cores: what the senders take, the guard lacks."
    )
    native, libvpx = report.decoding_alone
    isolated = "" if report.isolated is None else f", {_largest(report.isolated, report.limit)} with workers and engine"
    console.print(
        f"largest number of streams at 30 fps (each at least {LEAST_FPS:.1f}) with p99 <= {MOST_P99_MS:.0f} ms from "
        f"arrival to verdict: {_largest(report.with_engine, report.limit)} with the engine{isolated}, "
        f"{_largest(report.without_engine, report.limit)} without; decoding alone would allow {native} "
        f"(libvpx: {libvpx})"
    )
    console.print(probes_table(report))
    console.print(costs_table(report, report.costs))
    if report.costs_without_engine.streams != report.costs.streams:
        console.print(costs_table(report, report.costs_without_engine))
    console.print(
        "decode only: one thread, one decoder a stream, back to back or at the pace of a call. receive: datagrams, "
        "SRTP, RTP, jitter buffer, and sending events."
    )


def _largest(search: Search, limit: int) -> str:
    return f"{search.largest} or more" if search.largest == limit else str(search.largest)


def probes_table(report: StreamsReport) -> Table:
    """Everything that was tried."""
    table = Table(
        *("engine", "workers", "streams", "carried", "sent fps", "least fps", "p50 ms", "p95", "p99", "max", "dropped"),
        *("guard CPU", "sender CPU"),
        title="probes; CPU in % of a core for each stream",
        title_justify="left",
    )
    rows = [("yes", "no", probe) for probe in report.with_engine.probes]
    rows += [("yes", "yes", probe) for probe in (report.isolated.probes if report.isolated is not None else ())]
    rows += [("no", "no", probe) for probe in report.without_engine.probes]
    for engine, workers, probe in rows:
        latency = probe.latency
        times = (None,) * 4 if latency is None else (latency.p50_ms, latency.p95_ms, latency.p99_ms, latency.max_ms)
        table.add_row(
            *(engine, workers, str(probe.streams), probe.failure or "yes"),
            *(f"{probe.sent_fps:.1f}", f"{probe.least_fps:.1f}"),
            *(_NOT_KNOWN if time is None else f"{time:.1f}" for time in times),
            str(probe.dropped),
            _NOT_KNOWN if probe.cpu is None else f"{probe.cpu.total:.1f} %",
            f"{probe.sender_percent_per_stream:.1f} %",
        )
    return table


def costs_table(report: StreamsReport, costs: Costs) -> Table:
    """One stream, stage by stage, and how many times what decoding alone takes."""
    table = Table(
        *("", *STAGES, "rest", "% of a core", "ms/frame", "x decode only", "x libvpx", "x paced"),
        title=f"CPU for each stream, {costs.streams} streams",
        title_justify="left",
    )
    rows = (
        ("guard", _probe_of(report.with_engine, costs.streams)),
        ("guard with workers", _probe_of(report.isolated, costs.streams)),
        ("guard without engine", costs.without_engine),
        ("with workers, without engine", costs.isolated),
    )
    for name, probe in rows:
        if probe is not None and probe.cpu is not None:
            stages = [f"{getattr(probe.cpu, stage):.1f}" for stage in STAGES]
            cells = (*stages, f"{probe.cpu.rest:.1f}", f"{probe.cpu.total:.1f}")
            table.add_row(name, *cells, *_cost_cells(probe.cpu_ms_per_frame, costs))
    blank = ("",) * (len(STAGES) + 2)
    table.add_row("plain aiortc sink", *blank, *_cost_cells(costs.plain_ms, costs))
    for decode in (costs.native, costs.libvpx, costs.paced):
        table.add_row(f"decode only ({decode.decoder})", *blank, *_cost_cells(decode.ms, costs))
    return table


def _probe_of(search: Search | None, streams: int) -> Probe | None:
    probes = search.probes if search is not None else ()
    return next((probe for probe in probes if probe.streams == streams), None)


def _cost_cells(ms: float | None, costs: Costs) -> tuple[str, ...]:
    ratios = (_ratio(ms, decode) for decode in (costs.native, costs.libvpx, costs.paced))
    return (_NOT_KNOWN if ms is None else f"{ms:.2f}", *ratios)


def _ratio(ms: float | None, decode: DecodeCost) -> str:
    times = ratio(ms, decode)
    return _NOT_KNOWN if times is None else f"{times:.2f}"
