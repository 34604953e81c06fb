"""The gate in front of the decoder."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from guard.calls.frame_gate import MAX_DECODER_BACKLOG, FrameGate, Verdict

DELTA = b"\x11\x00\x00\x00"


def keyframe(width: int = 640, height: int = 360) -> bytes:
    return b"\x10\x00\x00\x9d\x01\x2a" + width.to_bytes(2, "little") + height.to_bytes(2, "little")


def gate() -> FrameGate:
    return FrameGate(max_width_px=1920, max_height_px=1080)


def test_nothing_passes_before_the_first_keyframe() -> None:
    subject = gate()
    assert subject.judge("VP8", DELTA, 0) is Verdict.SKIP
    assert subject.judge("VP8", keyframe(), 0) is Verdict.DECODE
    assert subject.judge("VP8", DELTA, 0) is Verdict.DECODE


def test_a_loss_closes_the_gate_until_a_keyframe() -> None:
    subject = gate()
    subject.judge("VP8", keyframe(), 0)
    subject.lost()
    assert subject.judge("VP8", DELTA, 0) is Verdict.SKIP
    assert subject.judge("VP8", keyframe(), 0) is Verdict.DECODE


def test_the_resolution_bomb_never_reaches_the_decoder() -> None:
    assert gate().judge("VP8", keyframe(16383, 16383), 0) is Verdict.OVERSIZE


def test_the_limit_itself_is_allowed_in_whole_macroblocks() -> None:
    assert gate().judge("VP8", keyframe(1920, 1088), 0) is Verdict.DECODE
    assert gate().judge("VP8", keyframe(1921, 1080), 0) is Verdict.OVERSIZE


def test_a_decoder_that_lags_gets_a_rest_until_a_keyframe() -> None:
    subject = gate()
    subject.judge("VP8", keyframe(), 0)
    assert subject.judge("VP8", DELTA, MAX_DECODER_BACKLOG + 1) is Verdict.SKIP
    assert subject.judge("VP8", DELTA, 0) is Verdict.SKIP
    assert subject.judge("VP8", keyframe(), 0) is Verdict.DECODE


STEPS = st.one_of(
    st.just("lost"),
    st.tuples(st.sampled_from([DELTA, keyframe(), keyframe(4000, 4000), b""]), st.integers(0, 20)),
)


@given(steps=st.lists(STEPS))
@settings(deadline=None)
def test_between_any_trouble_and_the_next_picture_lies_a_keyframe(steps: list[str | tuple[bytes, int]]) -> None:
    subject = gate()
    clean = False
    for step in steps:
        if isinstance(step, str):
            subject.lost()
            clean = False
            continue
        data, backlog = step
        verdict = subject.judge("VP8", data, backlog)
        if verdict is Verdict.DECODE:
            assert clean or data == keyframe()
            assert backlog <= MAX_DECODER_BACKLOG
        clean = verdict is Verdict.DECODE
