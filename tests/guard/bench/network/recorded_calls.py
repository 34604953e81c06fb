"""Calls whose outcome is known by construction, and a report of them."""

from __future__ import annotations

from guard.bench.network.call import CallRecord, JudgedFrame
from guard.bench.network.findings import make_row
from guard.bench.network.impairment import PacketCounts
from guard.bench.network.networks import NETWORKS
from guard.bench.network.orders import SenderCounts
from guard.bench.network.report import NetworkReport

START, SECONDS, FPS = 1000.0, 4.0, 30
CLEAN, BURSTY = NETWORKS[0], NETWORKS[4]
PACKETS = PacketCounts(taken=400, lost=15, overflowed=5, held_back=0)


def frame(sent_at: float, latency_ms: float = 40.0, valid: float = 1.0, llr: float | None = 2.0) -> JudgedFrame:
    return JudgedFrame(
        sent_at=sent_at,
        arrived_at=sent_at + latency_ms / 1000 - 0.01,
        told_at=sent_at + latency_ms / 1000,
        valid_fraction=valid,
        llr=llr,
        similarity=None if llr is None else llr / 10,
    )


def call(frames: list[JudgedFrame]) -> CallRecord:
    sent = SenderCounts(frames=round(SECONDS * FPS), media=PACKETS, nacks=7, plis=2)
    return CallRecord(START, START + SECONDS, tuple(frames), sent, received_frames=len(frames), dropped_frames=1)


def steady(count: int = round(SECONDS * FPS), llr: float = 2.0) -> list[JudgedFrame]:
    return [frame(START + number / FPS, llr=llr) for number in range(count)]


def made_report(*, enrolled: bool = True) -> NetworkReport:
    good = make_row(CLEAN, call(steady()), call(steady(llr=-3.0)), 0.5, enrolled=enrolled)
    bad = make_row(BURSTY, call(steady(30, llr=0.5)), call([]), 0.5, enrolled=enrolled)
    nothing = make_row(BURSTY, call([]), call([]), 0.5, enrolled=enrolled)
    why = None if enrolled else "the clean call could not be enrolled: too short"
    return NetworkReport(
        "a machine", "guard bench network", (1.0, 2.5), "f5c on onnx", "puppets", SECONDS, 1, why, (good, bad, nothing)
    )
