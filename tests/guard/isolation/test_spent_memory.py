"""What ended peers leave behind: cycles are collected, what was there at the start is left alone, once for many."""

from __future__ import annotations

import asyncio
import gc
import socket
import weakref
from collections.abc import Iterator

import numpy as np
import pytest

from guard.config import CallsConfig
from guard.isolation import hosted_peers
from guard.isolation.crop_ring import SLOT_BYTES, SLOTS
from guard.isolation.hosted_peers import CropRings, HostedPeers
from guard.isolation.messages import PeerEnded, Report
from guard.isolation.spent_memory import SpentMemory
from guard.media.front_end import FaceFrontEnd


class Knot:
    """Refers to itself, as a peer connection does."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def spent() -> Iterator[SpentMemory]:
    gc.disable()
    yield SpentMemory()
    gc.unfreeze()
    gc.enable()


def test_what_only_refers_to_itself_goes(spent: SpentMemory) -> None:
    gone = weakref.ref(Knot())
    assert gone() is not None
    spent.give_back()
    assert gone() is None


def test_what_was_loaded_before_is_not_looked_at(spent: SpentMemory) -> None:
    assert gc.get_freeze_count() > len(gc.get_objects())
    spent.give_back()
    assert gc.get_freeze_count() > len(gc.get_objects())


async def test_many_ends_at_once_are_tidied_up_after_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosted_peers, "_TIDY_SECONDS", 0.0)
    reports: list[Report] = []
    tidied: list[int] = []

    def no_front_end() -> FaceFrontEnd:
        raise AssertionError("nobody joins")

    ours, theirs = socket.socketpair()
    with ours, theirs:
        segment = np.zeros((1, SLOTS, SLOT_BYTES), np.uint8)
        rings = CropRings(segment, ours, no_front_end)
        peers = HostedPeers(CallsConfig(), rings, reports.append, lambda: tidied.append(len(reports)))
        for peer in (1, 2, 3):
            peers._note_peer_end(peer, "left")
        assert tidied == []
        while not tidied:  # noqa: ASYNC110 - a timer of no time
            await asyncio.sleep(0)
        assert tidied == [3]
        peers._note_peer_end(4, "left")
        while len(tidied) < 2:  # noqa: ASYNC110 - a timer of no time
            await asyncio.sleep(0)
    assert reports == [PeerEnded(peer=peer, why="left") for peer in (1, 2, 3, 4)]
