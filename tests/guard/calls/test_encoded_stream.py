"""From packets to what the decoder gets: only whole frames, none without what it refers to, every gap told."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.calls.encoded_stream import (
    KEYFRAME_REQUEST_SECONDS,
    SSRC_SILENCE_SECONDS,
    AdmittedFrame,
    EncodedStream,
    StreamStep,
)
from guard.calls.frame_gate import MAX_DECODER_BACKLOG
from guard.calls.jitter_buffer import GIVE_UP_SECONDS, MediaPacket
from guard.config import CallsConfig
from tests.guard.calls.rtp_sender import FRAME_SECONDS, Sender, number_in, vp8_frame

TICK_SECONDS = 0.05
CODECS = {97: "VP8", 99: "H264"}
SPS = b"\x00\x00\x00\x01\x67\x42\xc0\x1e\xd9\x00\xa0\x47\xfe\xc8"
PPS = b"\x00\x00\x00\x01\x68\xce\x38\x80"
IDR, SLICE = b"\x00\x00\x00\x01\x65\x88\x84", b"\x00\x00\x00\x01\x41\x9a\x00"


def stream(config: CallsConfig | None = None) -> EncodedStream:
    return EncodedStream(config or CallsConfig(), CODECS.__getitem__)


@dataclass
class Call:
    """One stream of VP8, a frame every thirtieth of a second, and what comes of it."""

    subject: EncodedStream = field(default_factory=stream)
    sender: Sender = field(default_factory=Sender)
    now: float = 0.0
    ssrc: int = 1
    backlog: int = 0
    number: int = 0

    def frame(self, *, key: bool = False, data: bytes | None = None, arrives: bool = True) -> StreamStep:
        data = vp8_frame(self.number, key=key) if data is None else data
        self.number += 1
        self.now += FRAME_SECONDS
        [packet] = self.sender.packets(data)
        return self.subject.add(self.ssrc, packet, self.backlog, self.now) if arrives else StreamStep()

    def numbers(self, step: StreamStep) -> list[int]:
        return [number_in(frame.data) for frame in step.frames]


def test_a_call_joined_in_the_middle_waits_for_a_keyframe_and_asks_for_it() -> None:
    call = Call()
    first = call.frame()
    assert (first.frames, first.wants_keyframe) == ((), True)
    assert not call.frame().wants_keyframe
    [frame] = call.frame(key=True).frames
    assert frame.keyframe
    assert not frame.after_gap
    assert not call.subject.is_waiting


def test_a_loss_gates_to_the_next_keyframe_which_tells_the_gap() -> None:
    call = Call()
    assert call.numbers(call.frame(key=True)) == [0]
    call.frame(arrives=False)
    assert call.frame().nack == (1,)
    call.now += GIVE_UP_SECONDS + TICK_SECONDS
    step = call.subject.tick(0, call.now)
    assert (step.frames, step.wants_keyframe) == ((), True)
    assert call.frame().frames == ()
    [frame] = call.frame(key=True).frames
    assert (frame.keyframe, frame.after_gap) == (True, True)
    [frame] = call.frame().frames
    assert not frame.after_gap


def test_a_keyframe_right_behind_the_hole_needs_no_other() -> None:
    call = Call()
    call.frame(key=True)
    call.frame(arrives=False)
    call.frame(key=True)
    [frame] = call.subject.tick(0, call.now + GIVE_UP_SECONDS + TICK_SECONDS).frames
    assert (frame.keyframe, frame.after_gap) == (True, True)


def test_keyframes_are_asked_for_with_spacing_and_by_time_alone() -> None:
    call = Call()
    asked = [call.frame().wants_keyframe for _ in range(15)]
    assert asked.count(True) == 2
    assert call.subject.is_waiting
    call.now += KEYFRAME_REQUEST_SECONDS
    assert call.subject.tick(0, call.now).wants_keyframe
    assert not call.subject.is_waiting


def test_a_decoder_that_lags_gets_a_rest_until_a_keyframe() -> None:
    call = Call()
    call.frame(key=True)
    call.backlog = MAX_DECODER_BACKLOG + 1
    assert call.frame().frames == ()
    call.backlog = 0
    assert call.frame().frames == ()
    assert call.frame(key=True).frames[0].after_gap


def test_frames_of_one_step_count_for_the_backlog() -> None:
    call = Call(subject=stream(CallsConfig(max_fps=1000)))
    call.frame(key=True)
    held = call.sender.packets(vp8_frame(1, key=False))
    for _ in range(2 * MAX_DECODER_BACKLOG):
        [packet] = call.sender.packets(vp8_frame(2, key=False))
        call.subject.add(1, packet, 0, call.now)
    step = call.subject.add(1, held[0], 0, call.now)
    assert len(step.frames) == MAX_DECODER_BACKLOG + 1


def test_what_the_decoder_cannot_use_gates_to_a_keyframe() -> None:
    call = Call()
    call.frame(key=True)
    call.subject.decoder_failed()
    step = call.frame()
    assert (step.frames, step.wants_keyframe) == ((), True)


def test_a_damaged_header_is_a_loss() -> None:
    call = Call()
    call.frame(key=True)
    assert call.frame(data=b"\x10\x00\x00\xff\xff\xff" + bytes(10)).frames == ()
    assert call.frame().frames == ()
    assert call.frame(key=True).frames[0].after_gap


def test_an_oversize_picture_is_told_and_not_passed_on() -> None:
    step = Call().frame(data=b"\x10\x00\x00\x9d\x01\x2a\xff\x3f\xff\x3f")
    assert (step.frames, step.is_oversize) == ((), True)


def test_more_frames_than_allowed_are_left_out_before_they_are_decoded() -> None:
    call = Call(subject=stream(CallsConfig(max_fps=15)))
    passed = sum(len(call.frame(key=True).frames) for _ in range(300))
    assert 15 * 10 <= passed <= 15 * 11 + 1


def test_another_ssrc_is_followed_only_when_the_first_is_silent() -> None:
    call, other = Call(), Sender(40_000, 77)
    call.frame(key=True)
    [packet] = other.packets(vp8_frame(1, key=True))
    assert call.subject.add(2, packet, 0, call.now).frames == ()
    assert call.numbers(call.frame()) == [1]
    [packet] = other.packets(vp8_frame(9, key=True))
    [frame] = call.subject.add(2, packet, 0, call.now + SSRC_SILENCE_SECONDS).frames
    assert (frame.ssrc, frame.after_gap) == (2, True)
    assert call.subject.ssrc == 2


def test_another_codec_begins_with_a_keyframe() -> None:
    """It gets a decoder of its own, which knows nothing of the frames before."""
    call = Call()
    call.frame(key=True)
    call.sender.payload_type = 99
    assert call.frame(data=SLICE).frames == ()
    [frame] = call.frame(data=SPS + PPS + IDR).frames
    assert (frame.payload_type, frame.after_gap) == (99, True)


def test_parameter_sets_of_their_own_pass_without_opening_the_gate() -> None:
    call = Call(sender=Sender(payload_type=99))
    [sets] = call.frame(data=SPS + PPS).frames
    assert not sets.shown
    assert call.frame(data=SLICE).frames == ()
    [frame] = call.frame(data=IDR).frames
    assert (frame.shown, frame.keyframe, frame.after_gap) == (True, True, False)


def test_a_gap_is_told_with_the_first_picture_behind_it() -> None:
    """VP8 may hide a keyframe: no picture comes of it that the gap could be seen with."""
    call = Call()
    call.frame(key=True)
    call.frame(arrives=False)
    hidden = bytearray(vp8_frame(call.number, key=True))
    hidden[0] &= ~0x10
    for data in (bytes(hidden), None):
        call.frame(data=data)
    call.now += GIVE_UP_SECONDS
    behind = call.subject.tick(0, call.now).frames
    assert [(frame.shown, frame.after_gap) for frame in behind] == [(False, False), (True, True)]


@pytest.mark.parametrize("data", [IDR, b"\x12\x34" + IDR, b"\x12\x34" + SPS + PPS + IDR])
def test_a_keyframe_whose_start_may_be_missing_does_not_count(data: bytes) -> None:
    call = Call(sender=Sender(payload_type=99))
    call.frame(data=SPS + PPS + IDR)
    call.frame(arrives=False)
    call.frame(data=data)
    assert call.subject.tick(0, call.now + GIVE_UP_SECONDS + TICK_SECONDS).frames == ()


@dataclass(frozen=True)
class Fate:
    """What the network does to one packet."""

    delays: tuple[float, ...]
    """Seconds of every copy that arrives; none where it is lost."""


FATES = st.one_of(
    st.just(Fate((0.0,))),
    st.just(Fate((0.0,))),
    st.just(Fate(())),
    st.builds(Fate, st.tuples(st.floats(0, 0.6))),
    st.builds(Fate, st.tuples(st.floats(0, 0.1), st.floats(0, 0.6))),
)
SENT = st.lists(st.tuples(st.booleans(), st.lists(FATES, min_size=1, max_size=4)), min_size=1, max_size=40)


@given(sent=SENT, first=st.integers(0, 65_535), timestamp=st.integers(0, 2**32 - 1), marker=st.booleans())
@settings(deadline=None)
def test_any_loss_order_and_repetition_gives_a_clean_picture(
    sent: list[tuple[bool, list[Fate]]], first: int, timestamp: int, marker: bool
) -> None:
    """In order, every frame whole, none that refers to a missing one, every gap told, every hole ended in time."""
    sender = Sender(first, timestamp, uses_marker=marker)
    frames = [vp8_frame(number, key=key) for number, (key, _) in enumerate(sent)]
    arrivals = arrive(sender, frames, [fates for _, fates in sent])
    subject, now = stream(), 0.0
    admitted: list[AdmittedFrame] = []
    for at, packet in arrivals:
        while now + TICK_SECONDS < at:
            now += TICK_SECONDS
            admitted += subject.tick(0, now).frames
        now = at
        admitted += subject.add(1, packet, 0, now).frames
    admitted += subject.tick(0, now + GIVE_UP_SECONDS + TICK_SECONDS).frames
    assert not subject.buffer.has_hole
    check_picture(admitted, frames)


def arrive(sender: Sender, frames: list[bytes], fates: list[list[Fate]]) -> list[tuple[float, MediaPacket]]:
    arrivals = []
    for number, (data, of_packets) in enumerate(zip(frames, fates, strict=True)):
        for packet, fate in zip(sender.packets(data, len(of_packets)), of_packets, strict=True):
            arrivals += [(number * FRAME_SECONDS + delay, packet) for delay in fate.delays]
    return sorted(arrivals, key=lambda arrival: arrival[0])


def check_picture(admitted: list[AdmittedFrame], frames: list[bytes]) -> None:
    numbers = [number_in(frame.data) for frame in admitted]
    assert [frame.data for frame in admitted] == [frames[number] for number in numbers]
    assert numbers == sorted(set(numbers))
    for before, number, frame in zip([None, *numbers], numbers, admitted, strict=False):
        adjacent = before is not None and number == before + 1
        assert adjacent or frame.keyframe
        assert frame.after_gap or adjacent or before is None


HOSTILE = st.builds(
    MediaPacket,
    sequence_number=st.integers(0, 65_535) | st.integers(0, 40),
    timestamp=st.sampled_from([0, 3000, 2**31, 2**32 - 1]),
    marker=st.booleans(),
    payload_type=st.sampled_from([97, 99]),
    data=st.binary(max_size=40)
    | st.sampled_from([vp8_frame(0, key=True), vp8_frame(1, key=False), SPS, IDR, SLICE, SPS + PPS + IDR]),
)


@given(
    events=st.lists(
        st.tuples(HOSTILE, st.integers(1, 3), st.floats(0, 0.6), st.integers(0, 2 * MAX_DECODER_BACKLOG)), max_size=80
    )
)
@settings(deadline=None)
def test_whatever_comes_only_asked_for_things_happen(events: list[tuple[MediaPacket, int, float, int]]) -> None:
    subject, now, requests, clean = stream(), 0.0, [], False
    codec = None
    for packet, ssrc, pause, backlog in events:
        now += pause
        step = subject.add(ssrc, packet, backlog, now)
        requests += [now] if step.wants_keyframe else []
        for frame in step.frames:
            if not frame.shown and frame.payload_type == 99:
                continue
            clean = clean and not frame.after_gap and codec == frame.payload_type
            assert clean or frame.keyframe
            clean, codec = True, frame.payload_type
    assert all(later - earlier >= KEYFRAME_REQUEST_SECONDS for earlier, later in pairwise(requests))


def test_a_flood_of_markers_is_a_flood_of_frames_and_held_to_their_rate() -> None:
    subject, sender = stream(CallsConfig(max_fps=30)), Sender()
    [packet] = sender.packets(vp8_frame(0, key=True))
    passed = 0
    for number in range(2000):
        flooding = packet._replace(sequence_number=number)
        passed += len(subject.add(1, flooding, 0, number / 2000).frames)
    assert passed <= 2 * 30
