"""What is impaired, what passes, and what can be counted from outside the encryption."""

from __future__ import annotations

import pytest

from guard.bench.network import path as path_module
from guard.bench.network.impairment import Impairment
from guard.bench.network.path import ImpairedPath, is_media

RTP, STUN, DTLS = b"\x80\x60media", b"\x00\x01stun", b"\x16dtls"


def rtcp(kind: int, form: int) -> bytes:
    return bytes((0x80 | form, kind)) + b"\x00\x02" + bytes(8)


def test_media_is_what_begins_with_128_to_191() -> None:
    assert [first for first in range(256) if is_media(bytes((first,)))] == list(range(128, 192))
    assert not is_media(b"")


def test_only_media_is_impaired_and_only_from_the_start_on() -> None:
    path = ImpairedPath(Impairment(loss=1.0), "1")
    path.take(RTP, 1.0)
    assert path.due(1.0) == [RTP]
    path.start_impairing()
    for datagram in (STUN, RTP, DTLS, b""):
        path.take(datagram, 2.0)
    assert path.due(2.0) == [STUN, DTLS, b""]
    assert (path.packets.taken, path.packets.lost) == (1, 1)


def test_datagrams_come_out_when_they_are_due_and_in_order() -> None:
    path = ImpairedPath(Impairment(delay_ms=50), "1")
    path.start_impairing()
    assert path.next_seconds is None
    for number, now in enumerate((1.0, 1.0, 1.02)):
        path.take(RTP + bytes((number,)), now)
    path.take(STUN, 1.03)
    assert path.due(1.03) == [STUN]
    assert path.next_seconds == pytest.approx(1.05)
    assert path.due(1.06) == [RTP + b"\x00", RTP + b"\x01"]
    assert path.due(1.08) == [RTP + b"\x02"]
    assert path.next_seconds is None


def test_what_is_on_the_way_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(path_module, "MAX_IN_FLIGHT", 5)
    path = ImpairedPath(Impairment(delay_ms=1000), "1")
    path.start_impairing()
    for _ in range(8):
        path.take(RTP, 0.0)
    assert len(path.due(2.0)) == 5
    assert path.packets.overflowed == 3


def test_feedback_is_told_by_the_clear_part_of_its_header() -> None:
    path = ImpairedPath(Impairment(loss=1.0), "1")
    path.start_impairing()
    sent = [rtcp(205, 1), rtcp(205, 15), rtcp(206, 1), rtcp(206, 1), rtcp(206, 15), rtcp(200, 1), RTP, b"\x81", STUN]
    for datagram in sent:
        path.take(datagram, 0.0)
    assert (path.feedback.nacks, path.feedback.plis) == (1, 2)
