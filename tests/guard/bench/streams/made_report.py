"""A report of `guard bench streams` with round figures."""

from __future__ import annotations

from guard.bench.streams.costs import Costs, DecodeCost
from guard.bench.streams.guard_process import GuardSample
from guard.bench.streams.probe import Probe, judge
from guard.bench.streams.report import Search, StreamsReport
from guard.bench.streams.stage_cpu import StageCpu

SECONDS = 10.0


def sample(streams: int, *, scored: int = 300, latency_ms: float = 5.0) -> GuardSample:
    """Ten seconds of so many streams, each with the same figures; 60 ms of CPU a frame."""
    names = [f"stream-{number}" for number in range(streams)]
    cpu = StageCpu(receive=3.0, decode=6.0, pixels=3.0, engine=3.0, verify=1.0, publish=1.0, workers=0.0, total=18.0)
    return GuardSample(
        seconds=SECONDS,
        cpu=cpu,
        scored=dict.fromkeys(names, scored),
        received=dict.fromkeys(names, 300),
        dropped=dict.fromkeys(names, 0),
        latencies_ms=[latency_ms] * (scored * streams),
    )


def probed(streams: int, *, latency_ms: float = 5.0) -> Probe:
    """A probe, carried unless it is late."""
    return judge(sample(streams, latency_ms=latency_ms), 30.0, 2.0, streams, "made up")


def made_report() -> StreamsReport:
    """Two streams carried of three tried."""
    native, libvpx, paced = DecodeCost("vp8", 0.5, 1.5), DecodeCost("libvpx", 2.0, 2.0), DecodeCost("paced", 1.0, 3.0)
    costs = Costs(2, native, libvpx, paced, probed(2), probed(2), 4.0)
    return StreamsReport(
        machine="a machine",
        cores=2,
        command="guard bench streams",
        load=(1.0, 2.0),
        clip="puppets",
        seconds=SECONDS,
        limit=64,
        with_engine=Search(2, (probed(1), probed(2), probed(3, latency_ms=500.0))),
        isolated=Search(1, (probed(1), probed(2, latency_ms=400.0))),
        without_engine=Search(0, (probed(1, latency_ms=101.0),)),
        costs=costs,
        costs_without_engine=Costs(1, native, libvpx, paced, probed(1), None, 5.0),
        decoding_alone=(66, 33),
    )
