"""What one stream costs, beside the least that decoding it takes and beside a plain aiortc sink."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from guard.bench import plain_sink
from guard.bench.child import child_process
from guard.bench.clip import FPS
from guard.bench.clip_sender import Target
from guard.bench.streams import decode_only
from guard.bench.streams.decode_only import LIBVPX, NATIVE, PACED, DecodeJob
from guard.bench.streams.guard_process import participant
from guard.bench.streams.probe import WARM_UP_SECONDS, Probe, Scene, probe, sending


@dataclass(frozen=True, slots=True)
class DecodeCost:
    """CPU milliseconds a frame, one decoder a stream: before the others were measured and after."""

    decoder: str
    before_ms: float
    after_ms: float

    @property
    def ms(self) -> float:
        """The mean of both."""
        return (self.before_ms + self.after_ms) / 2

    def streams(self, cores: int) -> int:
        """How many streams at 30 frames a second so many cores could decode, and do nothing else."""
        return int(cores * 1000 / (FPS * self.ms))


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU milliseconds for each received frame, all with the same number of streams. plain_ms: None where nothing was
    received. isolated: without engine, too, received in worker processes; None where that was not asked for.
    """

    streams: int
    native: DecodeCost
    libvpx: DecodeCost
    paced: DecodeCost
    without_engine: Probe
    isolated: Probe | None
    plain_ms: float | None


def ratio(ms: float | None, decode: DecodeCost) -> float | None:
    """How many times what decoding alone takes."""
    return None if ms is None else ms / decode.ms


async def measure_costs(scene: Scene, streams: int, *, isolated: bool) -> Costs:
    """Decode only, guard without engine, plain aiortc sink, decode only again. Raises GuardError."""
    job = decode_only.JOB.dump_json(DecodeJob(scene.clips, streams))
    async with child_process(decode_only.__name__, job) as decoding:
        before = {decoder: 1000 * float(await decoding.ask(decoder)) for decoder in (NATIVE, LIBVPX, PACED)}
        without_engine = await probe(scene, streams, with_engine=False)
        in_workers = await probe(scene, streams, with_engine=False, isolated=True) if isolated else None
        plain_ms = await _plain_ms(scene, streams)
        after = {decoder: 1000 * float(await decoding.ask(decoder)) for decoder in before}
    native, libvpx, paced = (DecodeCost(decoder, before[decoder], after[decoder]) for decoder in before)
    return Costs(streams, native, libvpx, paced, without_engine, in_workers, plain_ms)


async def _plain_ms(scene: Scene, streams: int) -> float | None:
    async with child_process(plain_sink.__name__, b"{}") as sink:
        url = str(await sink.ask("where"))
        targets = [Target(f"{url}/{participant(number)}", "none") for number in range(streams)]
        async with sending(scene, targets):
            await asyncio.sleep(WARM_UP_SECONDS)
            before = plain_sink.USAGE.validate_python(await sink.ask("usage"))
            await asyncio.sleep(scene.seconds)
            after = plain_sink.USAGE.validate_python(await sink.ask("usage"))
    frames = after.frames - before.frames
    return 1000 * (after.cpu_seconds - before.cpu_seconds) / frames if frames else None
