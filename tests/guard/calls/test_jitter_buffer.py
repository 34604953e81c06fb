"""The jitter buffer: order, whole frames, holes that end in time, and a lag that goes back to nothing."""

from __future__ import annotations

import pytest
from aiortc.jitterbuffer import JitterBuffer as StockBuffer
from aiortc.rtp import RtpPacket
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guard.calls.jitter_buffer import (
    CAPACITY_PACKETS,
    GIVE_UP_SECONDS,
    MAX_LATE_PACKETS,
    MAX_NACK_NUMBERS,
    NACK_REPEAT_SECONDS,
    BufferStep,
    JitterBuffer,
    MediaPacket,
)
from tests.guard.calls.rtp_sender import FRAME_SECONDS, Sender

MAX_FRAME_BYTES = 10_000
TICK_SECONDS = 0.05


def buffer() -> JitterBuffer:
    return JitterBuffer(MAX_FRAME_BYTES)


def add_all(subject: JitterBuffer, packets: list[MediaPacket], now: float = 0.0) -> list[bytes]:
    return [frame.data for packet in packets for frame in subject.add(packet, now).frames]


def test_a_frame_leaves_with_its_last_packet() -> None:
    subject, first, second, last = buffer(), *Sender().packets(b"abc", 3)
    assert add_all(subject, [first, second]) == []
    assert add_all(subject, [last]) == [b"abc"]


def test_without_markers_the_next_frame_ends_the_one_before() -> None:
    subject, sender = buffer(), Sender(uses_marker=False)
    assert add_all(subject, sender.packets(b"ab", 2)) == []
    assert add_all(subject, sender.packets(b"cd", 2)) == [b"ab"]


def test_padding_between_frames_is_no_frame() -> None:
    """Chromium probes with packets of padding that carry the timestamp of the frame before and no marker."""
    subject, sender = buffer(), Sender()
    first = sender.packets(b"first")
    padding = [
        MediaPacket(sender.sequence_number + index, first[0].timestamp, marker=False, payload_type=97, data=b"")
        for index in range(3)
    ]
    sender.sequence_number += 3
    steps = [subject.add(packet, 0.0) for packet in [*first, *padding, *sender.packets(b"second")]]
    frames = [frame for step in steps for frame in step.frames]
    assert [frame.data for frame in frames] == [b"first", b"second"]
    assert frames[1].follows


def test_sequence_numbers_and_timestamps_wrap_around() -> None:
    subject, sender = buffer(), Sender(sequence_number=65_534, timestamp=2**32 - 3000)
    assert add_all(subject, [p for data in (b"aa", b"bb", b"cc") for p in sender.packets(data, 2)]) == [
        b"aa",
        b"bb",
        b"cc",
    ]


def test_packets_out_of_order_and_twice_give_each_frame_once() -> None:
    subject, sender = buffer(), Sender()
    [a], [b1, b2], [c] = sender.packets(b"a"), sender.packets(b"bb", 2), sender.packets(b"c")
    assert add_all(subject, [a, c, b2, c, a, b1, b2, c]) == [b"a", b"bb", b"c"]
    assert subject.late == 4


def test_each_packet_keeps_its_own_payload_type() -> None:
    subject, vp8 = buffer(), Sender(payload_type=97)
    early, held = vp8.packets(b"vp8"), vp8.packets(b"VP8")
    h264 = Sender(vp8.sequence_number, vp8.timestamp, payload_type=99).packets(b"h264")
    steps = [subject.add(packet, 0.0) for packet in [*early, *h264, *held]]
    assert [(f.payload_type, f.data) for f in steps[-1].frames] == [(97, b"VP8"), (99, b"h264")]


def test_what_is_missing_is_asked_for_at_once_and_then_again() -> None:
    subject, packets = buffer(), Sender(65_534).packets(b"xxxxx", 5)
    subject.add(packets[0], 0.0)
    assert subject.add(packets[4], 0.0).nack == (65_535, 0, 1)
    assert subject.add(packets[2], 0.01).nack == ()
    assert subject.tick(NACK_REPEAT_SECONDS - 0.01).nack == ()
    assert subject.tick(NACK_REPEAT_SECONDS + 0.02).nack == (65_535, 1)
    assert subject.has_hole
    assert subject.add(packets[1], 0.1).nack == ()
    assert [frame.data for frame in subject.add(packets[3], 0.1).frames] == [b"xxxxx"]
    assert not subject.has_hole


def test_time_alone_gives_a_hole_up() -> None:
    subject, sender = buffer(), Sender()
    add_all(subject, sender.packets(b"a"))
    sender.packets(b"lost")
    add_all(subject, sender.packets(b"c"))
    assert subject.tick(GIVE_UP_SECONDS - 0.01).frames == ()
    step = subject.tick(GIVE_UP_SECONDS)
    assert [(frame.data, frame.follows) for frame in step.frames] == [(b"c", False)]
    assert not subject.has_hole
    assert subject.given_up == 1
    assert add_all(subject, sender.packets(b"d")) == [b"d"]


def test_a_loss_that_no_frame_follows_yet_is_told() -> None:
    subject, sender = buffer(), Sender()
    add_all(subject, sender.packets(b"a"))
    sender.packets(b"lost")
    subject.add(sender.packets(b"cc", 2)[0], 0.0)
    assert subject.tick(GIVE_UP_SECONDS) == BufferStep((), (), lost=True)
    assert not subject.tick(1.0).lost


def test_every_hole_has_its_own_time() -> None:
    """Neither does a second hole fall with the first, nor does it wait for a quarter of a second of its own."""
    subject, sender = buffer(), Sender()
    frames = [sender.packets(data)[0] for data in (b"a", b"b", b"c", b"d", b"e")]
    subject.add(frames[0], 0.0)
    subject.add(frames[2], 0.0)
    subject.add(frames[4], 0.2)
    assert [frame.data for frame in subject.tick(0.26).frames] == [b"c"]
    assert subject.has_hole
    assert [frame.data for frame in subject.add(frames[3], 0.3).frames] == [b"d", b"e"]


def test_a_frame_cut_by_a_hole_never_comes_out() -> None:
    subject, sender = buffer(), Sender()
    add_all(subject, sender.packets(b"a"))
    cut, whole = sender.packets(b"123", 3), sender.packets(b"456", 3)
    assert add_all(subject, [cut[0], cut[2], *whole]) == []
    # Its end is contiguous, but nobody knows whether it is all of the frame.
    assert [(f.data, f.follows) for f in subject.tick(1.0).frames] == [(b"3", False), (b"456", True)]


def test_a_restarted_stream_goes_on_with_its_second_packet() -> None:
    subject = buffer()
    add_all(subject, Sender(1000).packets(b"old"))
    first, second = (Sender(40_000 + index).packets(data)[0] for index, data in enumerate((b"a", b"b")))
    assert subject.add(first, 0.0).frames == ()
    frames = subject.add(second, 0.0).frames
    assert [(frame.data, frame.follows) for frame in frames] == [(b"a", False), (b"b", True)]
    assert subject.restarts == 1


@pytest.mark.parametrize("offset", [CAPACITY_PACKETS, -MAX_LATE_PACKETS - 1])
def test_one_stray_packet_does_no_harm(offset: int) -> None:
    subject, sender = buffer(), Sender(5000)
    add_all(subject, sender.packets(b"a"))
    add_all(subject, Sender(5001 + offset).packets(b"stray"))
    step = subject.add(sender.packets(b"b")[0], 0.0)
    assert [(frame.data, frame.follows) for frame in step.frames] == [(b"b", True)]


def test_a_frame_that_is_too_large_is_lost_and_leaves_no_trace() -> None:
    subject, sender = buffer(), Sender()
    add_all(subject, sender.packets(b"a"))
    steps = [subject.add(packet, 0.0) for packet in sender.packets(bytes(MAX_FRAME_BYTES + 1), 20)]
    assert [step.frames for step in steps] == [()] * 20
    assert [step.lost for step in steps].count(True) == 1
    [frame] = subject.add(sender.packets(b"c")[0], 0.0).frames
    assert (frame.data, frame.follows) == (b"c", False)


def test_a_frame_without_end_keeps_no_more_than_the_largest_frame() -> None:
    subject = buffer()
    for number in range(3 * MAX_FRAME_BYTES):
        subject.add(MediaPacket(number % 65_536, 0, marker=False, payload_type=97, data=b"x"), 0.0)
    assert subject._partial is not None
    assert len(subject._partial.data) <= MAX_FRAME_BYTES
    assert subject._ahead == {}


def test_a_wide_hole_is_asked_for_in_one_datagram() -> None:
    subject = buffer()
    add_all(subject, Sender(0).packets(b"a"))
    step = subject.add(Sender(CAPACITY_PACKETS).packets(b"b")[0], 0.0)
    assert len(step.nack) == MAX_NACK_NUMBERS
    assert len(subject.tick(0.1).nack) == MAX_NACK_NUMBERS


LOST, BACK, FRAMES = 50, 54, 300


def test_the_lag_after_a_filled_hole_goes_back_to_nothing() -> None:
    """The deterministic case: single-packet frames, one comes back late by retransmission."""
    order = [number for number in range(FRAMES) if number != LOST]
    order.insert(order.index(BACK) + 1, LOST)
    sender, subject = Sender(), buffer()
    packets = [sender.packets(b"%d" % number)[0] for number in range(FRAMES)]
    lags = {}
    released = []
    for number in order:
        step = subject.add(packets[number], number * FRAME_SECONDS if number != LOST else BACK * FRAME_SECONDS)
        released += [int(frame.data) for frame in step.frames]
        lags[number] = number - released[-1]
    assert released == list(range(FRAMES))
    assert [lags[number] for number in (LOST - 1, BACK, BACK + 1, FRAMES - 1)] == [0, BACK - LOST + 1, 0, 0]


def test_the_buffer_that_this_one_replaces_keeps_its_lag_for_ever() -> None:
    """Should this fail, aiortc has learnt to drain: ask again whether our own buffer is needed."""
    stock, lag = StockBuffer(capacity=512, is_video=True), {}
    order = [number for number in range(FRAMES) if number != LOST]
    order.insert(order.index(80) + 1, LOST)
    released = -1
    for number in order:
        packet = RtpPacket(sequence_number=number, timestamp=number * 3000)
        packet._data = b"x"  # type: ignore[attr-defined]
        _, frame = stock.add(packet)
        released = released if frame is None else frame.timestamp // 3000
        lag[number] = number - released
    assert [lag[number] for number in (LOST - 1, 81, 100, FRAMES - 1)] == [1, 31, 31, 31]


@given(
    first=st.integers(0, 65_535),
    outages=st.lists(
        st.tuples(st.integers(1, 90) | st.just(CAPACITY_PACKETS), st.sampled_from(["held", "lost"])),
        min_size=1,
        max_size=4,
    ),
)
@settings(deadline=None)
@example(first=65_500, outages=[(90, "held"), (90, "lost")])
def test_after_any_outage_a_frame_leaves_when_it_comes(first: int, outages: list[tuple[int, str]]) -> None:
    """Whether the network held the packets back and then let all go at once, or lost them."""
    sender, subject, now = Sender(first), buffer(), 0.0
    for length, kind in [(10, "none"), *outages, (20, "none")]:
        packets = [sender.packets(b"x")[0] for _ in range(length)]
        if kind != "none":
            now += length * FRAME_SECONDS
            add_all(subject, [] if kind == "lost" else packets, now)
            # Two packets: one alone might be a stray.
            add_all(subject, sender.packets(b"after", 2), now)
            now += GIVE_UP_SECONDS + TICK_SECONDS
            subject.tick(now)
            continue
        for packet in packets:
            now += FRAME_SECONDS
            assert [frame.timestamp for frame in subject.add(packet, now).frames] == [packet.timestamp]


HOSTILE = st.builds(
    MediaPacket,
    sequence_number=st.integers(0, 65_535) | st.integers(0, 40) | st.integers(65_500, 65_535),
    timestamp=st.sampled_from([0, 3000, 6000, 2**31, 2**32 - 1]),
    marker=st.booleans(),
    payload_type=st.sampled_from([97, 99]),
    data=st.binary(max_size=60),
)


@given(events=st.lists(st.tuples(HOSTILE, st.floats(0, 0.4)), max_size=200), limit=st.integers(1, 200))
@settings(deadline=None)
def test_whatever_comes_memory_is_bounded_and_holes_end(events: list[tuple[MediaPacket, float]], limit: int) -> None:
    subject, now = JitterBuffer(limit), 0.0
    for packet, pause in events:
        now += pause
        step = subject.add(packet, now)
        assert len(step.nack) <= MAX_NACK_NUMBERS
        assert all(0 < len(frame.data) <= limit for frame in step.frames)
        assert len(subject._ahead) < CAPACITY_PACKETS
        assert len(subject._missing) < CAPACITY_PACKETS
        assert subject._partial is None or len(subject._partial.data) <= limit
    subject.tick(now + GIVE_UP_SECONDS + TICK_SECONDS)
    assert not subject.has_hole
