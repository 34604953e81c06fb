"""The gate in front of the decoder."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from guard.calls.frame_gate import MAX_DECODER_BACKLOG, FrameGate, Verdict
from guard.calls.frame_size import CodedSize, FrameHeader

DELTA = FrameHeader(keyframe=False, sizes=(), at_start=False)


def keyframe(width: int = 640, height: int = 360) -> FrameHeader:
    return FrameHeader(keyframe=True, sizes=(CodedSize(width, height),), at_start=True)


def gate() -> FrameGate:
    return FrameGate(max_width_px=1920, max_height_px=1080)


def test_nothing_passes_before_the_first_keyframe() -> None:
    subject = gate()
    assert subject.judge(DELTA, 0) is Verdict.SKIP
    assert subject.judge(keyframe(), 0) is Verdict.DECODE
    assert subject.judge(DELTA, 0) is Verdict.DECODE


def test_a_loss_closes_the_gate_until_a_keyframe() -> None:
    subject = gate()
    subject.judge(keyframe(), 0)
    subject.lost()
    assert subject.judge(DELTA, 0) is Verdict.SKIP
    assert subject.judge(keyframe(), 0) is Verdict.DECODE


def test_the_resolution_bomb_never_reaches_the_decoder() -> None:
    assert gate().judge(keyframe(16383, 16383), 0) is Verdict.OVERSIZE


def test_the_limit_itself_is_allowed_in_whole_macroblocks() -> None:
    assert gate().judge(keyframe(1920, 1088), 0) is Verdict.DECODE
    assert gate().judge(keyframe(1921, 1080), 0) is Verdict.OVERSIZE


def test_a_decoder_that_lags_gets_a_rest_until_a_keyframe() -> None:
    subject = gate()
    subject.judge(keyframe(), 0)
    assert subject.judge(DELTA, MAX_DECODER_BACKLOG + 1) is Verdict.SKIP
    assert subject.judge(DELTA, 0) is Verdict.SKIP
    assert subject.judge(keyframe(), 0) is Verdict.DECODE


def test_what_may_be_cut_in_front_opens_nothing() -> None:
    subject = gate()
    cut = FrameHeader(keyframe=True, sizes=(), at_start=False)
    subject.judge(keyframe(), 0)
    assert subject.judge(cut, 0, follows=False) is Verdict.SKIP
    assert subject.judge(keyframe(), 0, follows=False) is Verdict.DECODE
    assert subject.judge(cut, 0) is Verdict.DECODE


def test_bare_parameter_sets_pass_and_open_nothing() -> None:
    subject = gate()
    sets = FrameHeader(keyframe=False, sizes=(CodedSize(640, 368),), at_start=True, coded=False, shown=False)
    assert subject.judge(sets, 0, follows=False) is Verdict.DECODE
    assert subject.judge(DELTA, 0) is Verdict.SKIP


STEPS = st.one_of(
    st.just("lost"),
    st.tuples(st.sampled_from([DELTA, keyframe(), keyframe(4000, 4000)]), st.integers(0, 2 * MAX_DECODER_BACKLOG)),
)


@given(steps=st.lists(STEPS))
@settings(deadline=None)
def test_between_any_trouble_and_the_next_picture_lies_a_keyframe(steps: list[str | tuple[FrameHeader, int]]) -> None:
    subject = gate()
    clean = False
    for step in steps:
        if isinstance(step, str):
            subject.lost()
            clean = False
            continue
        header, backlog = step
        verdict = subject.judge(header, backlog)
        if verdict is Verdict.DECODE:
            assert clean or header == keyframe()
            assert backlog <= MAX_DECODER_BACKLOG
        clean = verdict is Verdict.DECODE
