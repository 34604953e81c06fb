"""What the decoder swallowed or spoilt never reaches the engine, and is told as a gap."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from guard.calls.decoder_account import DecoderAccount
from guard.calls.encoded_stream import AdmittedFrame


def frame(*, keyframe: bool = False, shown: bool = True, after_gap: bool = False) -> AdmittedFrame:
    return AdmittedFrame(1, 3000, 97, b"x", keyframe, shown, after_gap, complete_seconds=0.0)


def test_unbroken_pictures_have_no_gap() -> None:
    account = DecoderAccount()
    numbers = [account.send(frame(keyframe=index == 0)) for index in range(4)]
    received = [account.receive(number, is_corrupt=False) for number in numbers]
    assert [sent is not None and not sent.after_gap for sent in received] == [True] * 4


def test_pictures_behind_a_swallowed_one_are_left_out_up_to_the_keyframe() -> None:
    account = DecoderAccount()
    key, _, smeared, clean, after = (account.send(frame(keyframe=index in (0, 3))) for index in range(5))
    assert account.receive(key, is_corrupt=False) is not None
    assert account.receive(smeared, is_corrupt=False) is None
    first = account.receive(clean, is_corrupt=False)
    assert first is not None
    assert first.after_gap
    second = account.receive(after, is_corrupt=False)
    assert second is not None
    assert not second.after_gap


def test_a_corrupt_picture_counts_as_swallowed() -> None:
    account = DecoderAccount()
    key, corrupt, smeared = (account.send(frame(keyframe=index == 0)) for index in range(3))
    assert account.receive(key, is_corrupt=False) is not None
    assert account.receive(corrupt, is_corrupt=True) is None
    assert account.receive(smeared, is_corrupt=False) is None


def test_a_hidden_frame_owes_no_picture() -> None:
    account = DecoderAccount()
    key, _, delta = account.send(frame(keyframe=True)), account.send(frame(shown=False)), account.send(frame())
    assert account.receive(key, is_corrupt=False) is not None
    sent = account.receive(delta, is_corrupt=False)
    assert sent is not None
    assert not sent.after_gap


def test_a_hidden_frame_that_the_decoder_refused_spoils_what_follows() -> None:
    account = DecoderAccount()
    account.send(frame(shown=False))
    account.fail()
    assert account.receive(account.send(frame()), is_corrupt=False) is None
    received = account.receive(account.send(frame(keyframe=True)), is_corrupt=False)
    assert received is not None
    assert received.after_gap


def test_a_gap_before_the_decoder_stays_one_behind_it() -> None:
    account = DecoderAccount()
    sent = account.receive(account.send(frame(keyframe=True, after_gap=True)), is_corrupt=False)
    assert sent is not None
    assert sent.after_gap


def test_a_picture_of_nothing_that_was_sent_is_left_out() -> None:
    assert DecoderAccount().receive(7, is_corrupt=False) is None


@given(
    events=st.lists(
        st.tuples(st.booleans(), st.sampled_from(["shown", "swallowed", "corrupt"])), min_size=1, max_size=60
    )
)
@settings(deadline=None)
def test_every_picture_that_passes_has_an_unbroken_line_to_a_keyframe(events: list[tuple[bool, str]]) -> None:
    account = DecoderAccount()
    before: int | None = None
    for index, (keyframe, fate) in enumerate(events):
        number = account.send(frame(keyframe=keyframe or index == 0))
        if fate == "swallowed":
            continue
        sent = account.receive(number, is_corrupt=fate == "corrupt")
        if sent is None:
            continue
        adjacent = before == index - 1
        assert sent.keyframe or adjacent
        assert sent.after_gap or adjacent or index == 0 or before is None
        before = index
