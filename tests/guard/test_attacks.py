"""Attacks on the freshness of the video, through the whole pipeline in virtual time, with an engine that is fooled."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engines.pixels import luma_plane
from guard.config import CallsConfig, GuardConfig, VerifyConfig
from guard.liveness.repetition import FADE_SECONDS
from guard.media.front_end import FaceFrontEnd
from guard.pipeline import Pipeline
from guard.verify.decision import SETTLE_SECONDS
from guard.verify.states import AbstainReason, DriverState
from guard.verify.template import Template
from tests.guard.attacks import FPS, SEAT, Participant, Said, Sent, first_abstention, last_verified, steady
from tests.guard.conftest import ALICE, NOBODY, BrightFaceDetector, BrightnessEngine
from tests.guard.talking_head import TalkingHead

LIVE_SECONDS = 8.0
ATTACK_SECONDS = 20.0
LIMIT_SECONDS = 2.0
REPEAT_SECONDS = 3.0
"""What must be seen of a repetition before it can be told from somebody who moves in like manner."""
ALERT_SECONDS = 10.0
PERSON = TalkingHead(ALICE)
START = LIVE_SECONDS

Picture = Callable[[float], NDArray[np.uint8]]


def live(seconds: float) -> NDArray[np.uint8]:
    """What the person shows `seconds` after the start of the attack, if there is none."""
    return PERSON.picture(START + seconds)


def grainy(picture: NDArray[np.uint8], seed: float) -> NDArray[np.uint8]:
    """The same picture from another run of a codec: no two are bit-equal."""
    noise = np.random.default_rng(round(1000 * seed)).normal(0, 1, picture.shape)
    return np.clip(picture + noise, 1, 255).astype(np.uint8)


def looped(period: float) -> Picture:
    return lambda t: grainy(PERSON.picture(START - period + t % period), t)


def ping_pong(length: float) -> Picture:
    return lambda t: grainy(PERSON.picture(START - abs((t + length) % (2 * length) - length)), t)


def frozen(t: float) -> NDArray[np.uint8]:
    return grainy(live(0.0), t)


def hidden(_t: float) -> NDArray[np.uint8]:
    return TalkingHead(NOBODY).picture(0.0)


def bursts(on: float, off: float) -> list[Sent]:
    """Silence, a burst, silence, a burst, in seconds."""
    sent = steady(live, START, ATTACK_SECONDS)
    return [item for item in sent if (item.arrival_seconds - START) % (on + off) > off]


def misdated(fps: float, step_seconds: float) -> list[Sent]:
    """Frames at one rate whose time stamps tell of another."""
    count = round(ATTACK_SECONDS * fps)
    return [Sent(START + (n + 1) / fps, START + (n + 1) * step_seconds, live(n / fps)) for n in range(count)]


def lasting(picture: Picture, fps: float = FPS) -> list[Sent]:
    return steady(picture, START, ATTACK_SECONDS, fps)


@pytest.fixture
def alice(alice_template: Template) -> Participant:
    """Somebody whom the guard has come to hold for verified."""
    return verified_participant(alice_template)


def verified_participant(template: Template) -> Participant:
    participant = new_participant(template)
    participant.play(steady(PERSON.picture, 0.0, LIVE_SECONDS), LIVE_SECONDS)
    assert participant.state is DriverState.VERIFIED
    return participant


def new_participant(template: Template) -> Participant:
    config = GuardConfig(
        calls=CallsConfig(max_participants=1), verify=VerifyConfig(abstain_alert_seconds=ALERT_SECONDS)
    )

    def make_pipeline(clock: Callable[[], float]) -> Pipeline:
        return Pipeline(BrightnessEngine(), config, lambda: FaceFrontEnd(BrightFaceDetector()), clock)

    participant = Participant(make_pipeline)
    participant.pipeline.set_template(SEAT, template)
    return participant


def warnings(said: list[Said]) -> list[float]:
    return [item.seconds for item in said if "warning" in item.alerts]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        pytest.param([], AbstainReason.STALLED, id="no frames"),
        pytest.param(lasting(frozen), AbstainReason.FROZEN, id="frozen picture"),
        pytest.param(lasting(hidden), AbstainReason.NO_FACE, id="hidden face"),
        pytest.param(lasting(hidden, fps=12), AbstainReason.NO_FACE, id="hidden face at 12 fps"),
        pytest.param(lasting(live, fps=10), AbstainReason.FRAME_RATE_TOO_LOW, id="below the floor"),
        pytest.param(lasting(live, fps=3), AbstainReason.FRAME_RATE_TOO_LOW, id="far below the floor"),
        pytest.param(bursts(0.2, 1.4), AbstainReason.FRAME_RATE_TOO_LOW, id="short bursts"),
        pytest.param(bursts(0.5, 1.8), AbstainReason.STALLED, id="bursts, then silence"),
        pytest.param(misdated(6, 1 / 30), AbstainReason.MISDATED, id="6 fps that say 30"),
        pytest.param(misdated(30, 0.0), AbstainReason.MISDATED, id="time that stands still"),
        pytest.param(misdated(30, 2e-4), AbstainReason.MISDATED, id="time that crawls"),
        pytest.param(misdated(30, 1 / 15), AbstainReason.MISDATED, id="time that runs twice as fast"),
    ],
)
def test_an_attack_ends_the_verdict_and_raises_an_alert(
    alice: Participant, sent: list[Sent], reason: AbstainReason
) -> None:
    said = alice.play(sent, START + ATTACK_SECONDS)
    assert last_verified(alice.said, START) <= LIMIT_SECONDS
    told = first_abstention(said, reason)
    assert told is not None
    assert told - START <= LIMIT_SECONDS
    assert [at - START for at in warnings(said)] == [pytest.approx(ALERT_SECONDS + LIMIT_SECONDS / 2, abs=2.5)]


@pytest.mark.parametrize("period", [0.7, 2.0, 5.0])
@pytest.mark.parametrize("make", [looped, ping_pong])
def test_a_replayed_clip_is_recognised_as_soon_as_enough_of_it_repeats(
    alice: Participant, period: float, make: Callable[[float], Picture]
) -> None:
    """The clip was recorded in this very call, so that it repeats from its first frame on."""
    said = alice.play(lasting(make(period)), START + ATTACK_SECONDS)
    told = first_abstention(said, AbstainReason.REPLAYED)
    assert told is not None
    assert told - START <= REPEAT_SECONDS + 2 * FADE_SECONDS  # a backward loop shows two seconds after its turn
    assert last_verified(alice.said, START) <= told - START
    assert len(warnings(said)) == 1


def test_what_comes_after_an_attack_must_speak_for_itself(alice: Participant) -> None:
    alice.play(steady(frozen, START, 5), START + 5)
    said = alice.play(steady(lambda t: live(5 + t), START + 5, 8), START + 13)
    assert said[-1].state is DriverState.VERIFIED
    again = next(item.seconds for item in said if item.state is DriverState.VERIFIED)
    assert again - START - 5 >= SETTLE_SECONDS


def test_one_picture_that_comes_twice_changes_nothing(alice: Participant) -> None:
    """Nor does a jam of half a second that the network makes good."""
    sent = lasting(lambda t: live(t if round(t * FPS) % 20 else t - 1 / FPS))
    jam_ends = START + 5.5
    jammed = [item if abs(item.arrival_seconds - jam_ends + 0.25) > 0.25 else late(item, jam_ends) for item in sent]
    said = alice.play(jammed, START + ATTACK_SECONDS)
    assert DriverState.ABSTAIN not in {item.state for item in said}


def late(item: Sent, arrival_seconds: float) -> Sent:
    return Sent(arrival_seconds, item.pts_seconds, item.picture)


def through_vp8(pictures: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    """Luma as the receiver of a call decodes it, from an encoder set as browsers set it."""
    encoder: av.VideoCodecContext = av.CodecContext.create("libvpx", "w")
    encoder.height, encoder.width = pictures[0].shape
    encoder.pix_fmt, encoder.framerate, encoder.time_base = "yuv420p", Fraction(FPS), Fraction(1, FPS)
    encoder.bit_rate, encoder.gop_size, encoder.thread_count = 150_000, 60, 1
    encoder.options = {"deadline": "realtime", "cpu-used": "-6", "auto-alt-ref": "0", "lag-in-frames": "0"}
    decoder: av.VideoCodecContext = av.CodecContext.create("vp8", "r")
    decoded: list[NDArray[np.uint8]] = []
    for number, luma in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(luma, format="gray").reformat(format="yuv420p", dst_color_range=2)
        frame.pts = number
        for packet in encoder.encode(frame):
            decoded += [luma_plane(image).pixels.copy() for image in decoder.decode(packet)]
    return decoded


@pytest.mark.parametrize(
    ("attack", "reason", "limit_seconds"),
    [
        (lambda _t: PERSON.picture(START), AbstainReason.FROZEN, LIMIT_SECONDS),
        (lambda t: PERSON.picture(START - 3 + t % 3), AbstainReason.REPLAYED, REPEAT_SECONDS),
    ],
    ids=["frozen picture", "loop of 3 s"],
)
def test_a_real_encoder_hides_neither_a_frozen_picture_nor_a_loop(
    alice_template: Template, attack: Picture, reason: AbstainReason, limit_seconds: float
) -> None:
    """A keyframe every two seconds touches the whole of a frozen picture."""
    shown = [PERSON.picture(n / FPS) for n in range(round(START * FPS))]
    shown += [attack(n / FPS) for n in range(10 * FPS)]
    decoded = through_vp8(shown)
    sent = [Sent((n + 1) / FPS, (n + 1) / FPS, picture) for n, picture in enumerate(decoded)]
    participant = new_participant(alice_template)
    participant.play(sent[: round(START * FPS)], START)
    assert participant.state is DriverState.VERIFIED
    said = participant.play(sent[round(START * FPS) :], START + 10)
    told = first_abstention(said, reason)
    assert told is not None
    assert last_verified(participant.said, START) <= told - START <= limit_seconds
    assert {item.state for item in said if item.seconds > told} == {DriverState.ABSTAIN}


ATTACKS: dict[str, Callable[[float, float], list[Sent]]] = {
    "silence": lambda _start, _seconds: [],
    "frozen": lambda start, seconds: steady(lambda t: grainy(PERSON.picture(start), t), start, seconds),
    "hidden": lambda start, seconds: steady(hidden, start, seconds),
    "slow": lambda start, seconds: steady(lambda t: PERSON.picture(start + t), start, seconds, fps=6),
    "misdated": lambda start, seconds: [
        Sent(start + (n + 1) / 8, start + (n + 1) / 30, PERSON.picture(start + n / 8)) for n in range(int(seconds * 8))
    ],
}


@example(course=[("hidden", 3.0), ("frozen", 2.0)])
@example(course=[("misdated", 3.0), ("misdated", 4.0)])
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(course=st.lists(st.tuples(st.sampled_from(["live", *ATTACKS]), st.floats(0.5, 4.0)), min_size=1, max_size=6))
def test_no_course_of_attacks_stays_verified(alice_template: Template, course: list[tuple[str, float]]) -> None:
    """One attack that gives way to another in time is not recognised before that one; then the second limit holds."""
    participant = verified_participant(alice_template)
    now, attacked_since = LIVE_SECONDS, None
    for kind, seconds in course:
        end = now + seconds
        if kind == "live":
            participant.play(steady(lambda t, at=now: PERSON.picture(at + t), now, seconds), end)  # type: ignore[misc]
            attacked_since = None
        else:
            attacked_since = now if attacked_since is None else attacked_since
            said = participant.play(ATTACKS[kind](now, seconds), end)
            limit = LIMIT_SECONDS if attacked_since == now else 2 * LIMIT_SECONDS
            overdue = [item.state for item in said if item.seconds - attacked_since > limit]
            if end - attacked_since > limit:
                overdue.append(participant.state)
            assert DriverState.VERIFIED not in overdue
        now = end
