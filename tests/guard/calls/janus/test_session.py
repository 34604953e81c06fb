"""The session against a server that answers as Janus does, against one that does not, and against the clock."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from guard.calls.janus.requests import Admission
from guard.calls.janus.session import (
    KEEPALIVE_SECONDS,
    LOST_REST_SECONDS,
    POLL_SECONDS,
    REPLY_SECONDS,
    UNUSABLE_REST_SECONDS,
    Action,
    Ended,
    EndStreams,
    JanusSession,
    Joined,
    Offer,
    Send,
)
from tests.guard.calls.janus.fake_janus import PRIVATE_ID, ROOM, ROOM_HANDLE, SUBSCRIPTION_HANDLE, VIDEO, FakeJanus

MAX_SUBSCRIPTIONS = 4


@dataclass
class Visit:
    """A session wired to a fake server; answers every offer at once."""

    server: FakeJanus
    display: str | None = "guard"
    pin: str | None = None
    now: float = 0.0
    showing: dict[str, str] = field(default_factory=dict)
    """The seat's name of every media section that shows somebody."""
    history: list[dict[str, str]] = field(default_factory=list)
    joins: int = 0
    ended: Ended | None = None

    def __post_init__(self) -> None:
        names = count(1)
        admission = Admission(ROOM, self.pin)
        self.session = JanusSession(admission, self.display, MAX_SUBSCRIPTIONS, lambda: f"t{next(names)}")

    def start(self) -> Visit:
        self.perform(self.session.start(self.now))
        return self.settle()

    def settle(self) -> Visit:
        """Deliver messages both ways until there are no more; more than a few hundred are a quarrel without end."""
        for _ in range(300):
            waiting = deque(self.server.take())
            if not waiting:
                return self
            while waiting:
                self.perform(self.session.receive(waiting.popleft(), self.now))
        raise AssertionError("the session and the server never come to an end")

    def wait(self, seconds: float) -> Visit:
        self.now += seconds
        self.perform(self.session.tick(self.now))
        return self.settle()

    def perform(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Send(text):
                    self.server.handle(text)
                case Offer(sdp, seats):
                    self.showing = {mid: seat.name for mid, seat in seats.items()}
                    self.history.append(self.showing)
                    self.perform(self.session.answered(f"answer to {sdp}", self.now))
                case EndStreams(mids):
                    self.showing = {mid: name for mid, name in self.showing.items() if mid not in mids}
                case Joined():
                    self.joins += 1
                case Ended():
                    self.ended = action

    def bodies(self, request: str) -> list[dict[str, object]]:
        """What was asked with this request of the plugin, in order."""
        asked = [message["body"] for message in self.server.requests if message["janus"] == "message"]
        return [body for body in asked if body["request"] == request]


def test_the_guard_joins_under_its_name_and_subscribes_to_all_with_its_private_id() -> None:
    server = FakeJanus(needs_private_id=True)
    server.publish(1, "alice")
    server.publish(2, "bob")
    visit = Visit(server).start()
    [visibly, subscribing] = visit.bodies("join")
    assert visibly == {"request": "join", "ptype": "publisher", "display": "guard", "room": ROOM}
    assert subscribing["private_id"] == PRIVATE_ID
    assert subscribing["streams"] == [{"feed": 1, "mid": "0"}, {"feed": 2, "mid": "0"}]
    assert visit.showing == {"0": "alice", "1": "bob"}
    assert visit.joins == 1
    assert server.starts == server.offers == 1


def test_an_empty_room_asks_for_no_subscription() -> None:
    visit = Visit(FakeJanus()).start()
    assert [message["janus"] for message in visit.server.requests] == ["create", "attach", "message"]


def test_who_comes_takes_the_media_section_of_who_left() -> None:
    visit = Visit(FakeJanus()).start()
    visit.server.publish(1, "alice")
    visit.server.publish(2, "bob")
    visit.settle()
    visit.server.unpublish(1)
    visit.settle()
    assert visit.showing == {"1": "bob"}
    visit.server.publish(3, "carol")
    visit.settle()
    assert visit.showing == {"0": "carol", "1": "bob"}


def test_who_left_is_ended_even_where_no_offer_says_so() -> None:
    visit = Visit(FakeJanus()).start()
    visit.server.publish(1, "alice")
    visit.settle()
    gone = {"videoroom": "event", "unpublished": 1}
    message = {"janus": "event", "sender": ROOM_HANDLE, "plugindata": {"plugin": "p", "data": gone}}
    [ended, unsubscribing] = visit.session.receive(json.dumps(message), visit.now)
    assert ended == EndStreams(frozenset({"0"}))
    assert isinstance(unsubscribing, Send)
    assert json.loads(unsubscribing.text)["body"] == {"request": "unsubscribe", "streams": [{"sub_mid": "0"}]}


def test_only_the_first_decodable_video_is_asked_for_and_its_360p_layer() -> None:
    visit = Visit(FakeJanus()).start()
    audio = {"type": "audio", "mid": "0", "codec": "opus"}
    vp9 = {"type": "video", "mid": "1", "codec": "vp9"}
    simulcast = {"type": "video", "mid": "2", "codec": "h264", "simulcast": True}
    visit.server.publish(1, "alice", [audio, vp9, simulcast, {**VIDEO, "mid": "3"}])
    visit.server.publish(2, "bob", [audio, vp9])
    visit.settle()
    assert visit.bodies("join")[1]["streams"] == [{"feed": 1, "mid": "2", "substream": 1}]
    assert visit.showing == {"0": "alice"}


def test_no_more_are_subscribed_to_than_allowed_and_the_next_moves_up() -> None:
    server = FakeJanus()
    for feed in range(MAX_SUBSCRIPTIONS + 2):
        server.publish(feed, f"p{feed}")
    visit = Visit(server).start()
    assert sorted(visit.showing.values()) == ["p0", "p1", "p2", "p3"]
    server.unpublish(2)
    visit.settle()
    assert sorted(visit.showing.values()) == ["p0", "p1", "p3", "p4"]


def test_hidden_polls_the_list_and_never_joins() -> None:
    server = FakeJanus()
    server.publish(1, "alice", [{"type": "audio", "mid": "0", "codec": "opus"}, {**VIDEO, "mid": "1"}])
    visit = Visit(server, display=None).start()
    assert not server.is_joined
    assert visit.showing == {"1": "alice"}
    assert server.shown == {"1": 1}, "the audio is given back"
    server.publish(2, "bob")
    visit.wait(POLL_SECONDS)
    assert visit.joins == 1
    assert sorted(visit.showing.values()) == ["alice", "bob"]
    server.unpublish(1)
    visit.settle()
    visit.wait(POLL_SECONDS)
    assert list(visit.showing.values()) == ["bob"]


def test_a_wrong_pin_is_final_and_says_so() -> None:
    visit = Visit(FakeJanus(pin="1234"), pin="4321").start()
    assert visit.ended == Ended("the room refused the guard: Unauthorized (wrong pin)", is_final=True)
    assert visit.joins == 0
    assert Visit(FakeJanus(pin="1234"), pin="1234").start().ended is None


def test_hidden_in_a_room_that_wants_private_ids_is_told_to_join_visibly() -> None:
    server = FakeJanus(needs_private_id=True)
    server.publish(1, "alice")
    visit = Visit(server, display=None).start()
    assert visit.ended is not None
    assert visit.ended.is_final
    assert "join visibly" in visit.ended.why


def test_one_that_has_gone_in_between_does_not_keep_the_others_out() -> None:
    visit = Visit(FakeJanus()).start()
    visit.server.publish(1, "alice")
    visit.settle()
    visit.server.publish(2, "bob")
    visit.server.publish(3, "carol")
    del visit.server.publishers[2]
    visit.settle()
    assert visit.showing == {"0": "alice", "1": "carol"}


def test_an_unusable_publisher_is_given_back_and_left_alone() -> None:
    visit = Visit(FakeJanus()).start()
    visit.server.publish(1, "alice")
    visit.server.publish(2, "bob")
    visit.settle()
    visit.perform(visit.session.unusable(frozenset({"0"}), visit.now))
    visit.settle()
    assert visit.server.shown == {"1": 2}
    visit.server.publish(1, "alice")
    visit.settle()
    assert visit.server.shown == {"1": 2}
    visit.server.unpublish(1)
    visit.settle()
    visit.server.publish(1, "alice")
    visit.settle()
    assert visit.showing == {"0": "alice", "1": "bob"}


@pytest.mark.parametrize(
    ("end", "rest_seconds"),
    [(JanusSession.lost, LOST_REST_SECONDS), (JanusSession.unusable, UNUSABLE_REST_SECONDS)],
)
def test_nobody_shakes_the_guard_off_by_being_silent_or_undecodable_for_once(
    end: Callable[[JanusSession, frozenset[str], float], list[Action]], rest_seconds: float
) -> None:
    visit = Visit(FakeJanus()).start()
    visit.server.publish(1, "alice")
    visit.server.publish(2, "bob")
    visit.settle()
    for _ in range(3):
        visit.perform(end(visit.session, frozenset({"0"}), visit.now))
        visit.settle()
        assert visit.server.shown == {"1": 2}
        assert visit.session.next_tick_seconds <= visit.now + rest_seconds
        visit.wait(rest_seconds - 0.1)
        assert visit.showing == {"1": "bob"}
        visit.wait(0.1)
        assert visit.showing == {"0": "alice", "1": "bob"}


def test_a_rest_outlives_neither_its_publisher_nor_the_visit() -> None:
    visit = Visit(FakeJanus()).start()
    visit.server.publish(1, "alice")
    visit.settle()
    visit.perform(visit.session.lost(frozenset({"0", "7"}), visit.now))
    visit.settle()
    visit.server.unpublish(1)
    visit.settle()
    asked = len(visit.server.requests)
    visit.wait(LOST_REST_SECONDS)
    assert len(visit.server.requests) == asked
    visit.perform(visit.session.leave(visit.now))
    assert visit.session.lost(frozenset({"0"}), visit.now) == []


def test_a_seat_does_not_pass_to_another_publisher_of_the_same_name_unnoticed() -> None:
    visit = Visit(FakeJanus()).start()
    visit.server.publish(1, "alice")
    visit.server.publish(2, "alice")
    visit.settle()
    assert visit.showing == {"0": "alice", "1": "alice-2"}
    visit.server.unpublish(1)
    visit.settle()
    assert visit.showing == {"1": "alice"}


def test_keepalives_go_out_before_janus_loses_patience() -> None:
    visit = Visit(FakeJanus()).start()
    for _ in range(4):
        visit.wait(visit.session.next_tick_seconds - visit.now)
    assert [message["janus"] for message in visit.server.requests].count("keepalive") == 4
    assert visit.now == pytest.approx(4 * KEEPALIVE_SECONDS)
    assert visit.ended is None


def test_a_server_that_falls_silent_ends_the_visit() -> None:
    visit = Visit(FakeJanus()).start()
    visit.perform(visit.session.tick(KEEPALIVE_SECONDS))
    visit.server.take()
    assert visit.session.nothing_heard(KEEPALIVE_SECONDS + REPLY_SECONDS - 0.1) == []
    visit.perform(visit.session.nothing_heard(KEEPALIVE_SECONDS + REPLY_SECONDS))
    assert visit.ended == Ended(f"the server did not answer within {REPLY_SECONDS:.0f} s")


def test_answers_that_waited_while_the_guard_was_busy_count() -> None:
    visit = Visit(FakeJanus())
    visit.perform(visit.session.start(0.0))
    visit.now = 10 * REPLY_SECONDS
    visit.perform(visit.session.tick(visit.now))
    assert visit.settle().joins == 1


def test_an_ack_is_no_answer() -> None:
    session = JanusSession(Admission(ROOM), "guard", 4, lambda: "t1")
    session.start(0.0)
    assert session.receive('{"janus": "ack", "transaction": "t1"}', 1.0) == []
    [ended] = session.nothing_heard(REPLY_SECONDS)
    assert isinstance(ended, Ended)


@pytest.mark.parametrize(
    ("message", "is_final"),
    [
        ({"janus": "timeout"}, False),
        ({"janus": "hangup", "sender": SUBSCRIPTION_HANDLE, "reason": "ICE failed"}, False),
        ({"janus": "detached", "sender": ROOM_HANDLE}, False),
        ({"janus": "error", "error": {"code": 458, "reason": "No such session"}}, False),
        ({"janus": "event", "sender": ROOM_HANDLE, "plugindata": {"data": {"videoroom": "destroyed"}}}, False),
        ({"janus": "event", "sender": ROOM_HANDLE, "plugindata": {"data": {"videoroom": "event", "kicked": 5}}}, True),
        ("[1, 2", False),
        ([], False),
        ({"janus": "event", "plugindata": {"data": 5}}, False),
    ],
)
def test_what_ends_a_visit(message: object, is_final: bool) -> None:
    visit = Visit(FakeJanus()).start()
    visit.server.publish(1, "alice")
    visit.settle()
    visit.perform(visit.session.receive(message if isinstance(message, str) else json.dumps(message), visit.now))
    assert visit.ended is not None
    assert visit.ended.is_final is is_final
    assert visit.session.receive("{}", visit.now) == visit.session.tick(1e9) == []


@pytest.mark.parametrize(
    "message",
    [
        {"janus": "webrtcup", "sender": SUBSCRIPTION_HANDLE},
        {"janus": "slowlink", "sender": SUBSCRIPTION_HANDLE},
        {"janus": "media", "sender": SUBSCRIPTION_HANDLE, "mid": "0", "type": "video", "receiving": False},
        {"janus": "hangup", "sender": 4444, "reason": "not ours"},
        {"janus": "event", "sender": ROOM_HANDLE, "plugindata": {"data": {"videoroom": "event", "kicked": 6}}},
        {"janus": "something new"},
    ],
)
def test_what_does_not(message: object) -> None:
    visit = Visit(FakeJanus()).start()
    assert visit.session.receive(json.dumps(message), visit.now) == []
    assert visit.ended is None


def test_leaving_ends_the_session_on_the_server() -> None:
    visit = Visit(FakeJanus()).start()
    visit.perform(visit.session.leave(visit.now))
    assert visit.server.requests[-1]["janus"] == "destroy"
    assert visit.session.leave(visit.now) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=4,
)
FEED = st.integers(0, 5) | st.text(max_size=3) | JSON
STREAM = st.fixed_dictionaries(
    {"type": st.sampled_from(["video", "audio"]), "mid": st.sampled_from(["0", "1", "2"]) | JSON},
    optional={"codec": st.just("vp8") | JSON, "active": st.booleans(), "feed_id": FEED, "feed_mid": JSON},
)
DATA = st.fixed_dictionaries(
    {"videoroom": st.sampled_from(["joined", "attached", "updated", "event", "participants", "destroyed"])},
    optional={
        "publishers": st.lists(st.fixed_dictionaries({"id": FEED, "streams": st.lists(STREAM)}), max_size=4) | JSON,
        "participants": st.lists(st.fixed_dictionaries({"id": FEED, "publisher": st.booleans()}), max_size=4) | JSON,
        "streams": st.lists(STREAM, max_size=4) | JSON,
        "unpublished": FEED,
        "leaving": FEED,
        "id": FEED,
        "error_code": st.sampled_from([426, 428, 429, 433]) | JSON,
    },
)
HOSTILE = JSON | st.fixed_dictionaries(
    {"janus": st.sampled_from(["event", "success", "ack", "error", "hangup", "timeout", "keepalive"])},
    optional={
        "transaction": st.sampled_from([f"t{number}" for number in range(12)]) | JSON,
        "sender": st.sampled_from([ROOM_HANDLE, SUBSCRIPTION_HANDLE]) | JSON,
        "data": st.fixed_dictionaries({"id": st.sampled_from([ROOM_HANDLE, SUBSCRIPTION_HANDLE])}) | JSON,
        "plugindata": st.fixed_dictionaries({"data": DATA}) | JSON,
        "jsep": st.fixed_dictionaries({"type": st.just("offer"), "sdp": st.text(max_size=5)}) | JSON,
    },
)


@settings(max_examples=60)
@given(st.lists(HOSTILE, max_size=12), st.booleans())
def test_nothing_that_a_server_sends_is_more_than_an_end(messages: list[object], hidden: bool) -> None:
    visit = Visit(FakeJanus(), display=None if hidden else "guard").start()
    for message in messages:
        visit.perform(visit.session.receive(json.dumps(message), visit.now))
        visit.server.take()
        assert len(visit.session._pending) < 50
        assert len(set(visit.showing.values())) == len(visit.showing)


def test_an_offer_from_no_handle_before_there_is_a_subscription_is_not_answered() -> None:
    visit = Visit(FakeJanus()).start()
    event = {"plugin": "janus.plugin.videoroom", "data": {"videoroom": "event", "room": ROOM}}
    offer = {"janus": "event", "plugindata": event, "jsep": {"type": "offer", "sdp": "v=0"}}
    visit.perform(visit.session.receive(json.dumps(offer), visit.now))
    assert visit.bodies("start") == []
    assert visit.showing == {}


@given(st.text(max_size=50) | st.binary(max_size=50))
def test_text_that_is_no_json_ends_the_visit(text: str | bytes) -> None:
    session = JanusSession(Admission(ROOM), "guard", 4, lambda: "t1")
    session.start(0.0)
    assert all(isinstance(action, Ended) for action in session.receive(text, 0.0))


class ComingAndGoing(RuleBasedStateMachine):
    """However people come and go, the guard ends up with the first few of those who are there."""

    def __init__(self) -> None:
        super().__init__()
        self.visit = Visit(FakeJanus()).start()
        self.feeds = count(1)

    @rule(name=st.sampled_from(["alice", "bob", "王"]), decodable=st.booleans())
    def somebody_comes(self, name: str, decodable: bool) -> None:
        self.visit.server.publish(next(self.feeds), name, [VIDEO if decodable else {**VIDEO, "codec": "vp9"}])

    @precondition(lambda self: self.visit.server.publishers)
    @rule(pick=st.integers(0, 99))
    def somebody_leaves(self, pick: int) -> None:
        publishers = sorted(self.visit.server.publishers)
        self.visit.server.unpublish(publishers[pick % len(publishers)])

    @rule()
    def messages_arrive(self) -> None:
        self.visit.settle()
        decodable = [
            publisher["id"]
            for publisher in self.visit.server.publishers.values()
            if publisher["streams"][0]["codec"] == "vp8"
        ]
        shown = self.visit.server.shown
        assert len(shown) == min(len(decodable), MAX_SUBSCRIPTIONS)
        assert set(shown.values()) <= set(decodable)
        assert self.visit.showing.keys() == shown.keys()

    @invariant()
    def nobody_shares_a_seat(self) -> None:
        assert all(len(set(seats.values())) == len(seats) for seats in self.visit.history)
        assert self.visit.ended is None


TestComingAndGoing = ComingAndGoing.TestCase
TestComingAndGoing.settings = settings(max_examples=30, stateful_step_count=30)
