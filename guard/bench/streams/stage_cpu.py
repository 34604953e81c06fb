"""CPU time of a guard by stage. Pure."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class StageCpu:
    """CPU seconds, or percent of one core where they were divided by time.

    receive: the event loop's thread without publishing: datagrams, SRTP, RTP, jitter buffer, taking decoded pictures
    over, and sending events to viewers. decode: the decoders' threads. pixels, engine, verify: of the pipeline's
    thread. publish: making and queueing events. workers: the processes that receive, decode and crop, where there are
    some. total: the whole process, and the workers.
    """

    receive: float
    decode: float
    pixels: float
    engine: float
    verify: float
    publish: float
    workers: float
    total: float

    @property
    def rest(self) -> float:
        """Everything else: waking and scheduling of the pipeline, helping threads."""
        return self.total - sum(float(getattr(self, name)) for name in STAGES)

    def __sub__(self, earlier: StageCpu) -> StageCpu:
        return StageCpu(*(getattr(self, name) - getattr(earlier, name) for name in (*STAGES, "total")))

    def percent_per_stream(self, seconds: float, streams: int) -> StageCpu:
        """Of one core, for each stream."""
        return StageCpu(*(100 * getattr(self, name) / seconds / streams for name in (*STAGES, "total")))


STAGES = tuple(field.name for field in fields(StageCpu) if field.name != "total")
"""In the order in which a frame goes through them."""
