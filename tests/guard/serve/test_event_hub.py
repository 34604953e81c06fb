"""The hub: numbering, resuming, slow viewers, forgotten calls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pydantic import ValidationError

from guard.serve.events import AlertEvent, LiveEvent
from guard.serve.hub import CALLS_KEPT, EventHub, Subscription
from tests.guard.serve.scripted_guard import alert, health, witnesses

START = datetime(2026, 11, 21, tzinfo=UTC)


def make_hub(history: int = 10, queue: int = 8) -> EventHub:
    return EventHub(history, queue, now=lambda: START)


def drain(subscription: Subscription) -> list[LiveEvent]:
    events = []
    while (published := subscription.take()) is not None:
        events.append(published.event)
    return events


def numbers(subscription: Subscription) -> list[int]:
    return [event.seq for event in drain(subscription)]


def test_events_carry_version_time_and_consecutive_numbers() -> None:
    hub = make_hub()
    first, second = hub.publish("main", "alice", alert("one")), hub.publish("main", None, alert("two"))
    assert (first.v, first.time, first.call, first.participant) == (1, START, "main", "alice")
    assert second.seq == first.seq + 1
    assert second.participant is None


def test_calls_are_numbered_and_delivered_apart() -> None:
    hub = make_hub()
    viewer = hub.subscribe("a", None)
    hub.publish("b", None, alert("elsewhere"))
    here = hub.publish("a", None, alert("here"))
    assert drain(viewer) == [here]
    assert here.seq == viewer.position + 1


def test_calls_with_events_or_viewers_are_known() -> None:
    hub = make_hub()
    hub.publish("a", None, alert("one"))
    hub.subscribe("b", None)
    assert hub.calls == ("a", "b")


@pytest.mark.parametrize(
    ("back", "expected"),
    [
        (0, 0),  # nothing missed
        (3, 3),  # within the history
        (10, 10),  # all of the history, and nothing before it is missing
        (11, None),  # one event is lost already
        (-1, None),  # from the future: another server's numbering
    ],
)
def test_resume_is_all_or_nothing(back: int, expected: int | None) -> None:
    hub = make_hub(history=10)
    published = [hub.publish("main", None, alert(str(number))) for number in range(15)]
    since = published[-1].seq - back
    viewer = hub.subscribe("main", since)
    assert viewer.resumed_from == (None if expected is None else since)
    assert drain(viewer) == ([] if not expected else published[-expected:])


def test_a_viewer_that_has_seen_nothing_gets_what_is_kept() -> None:
    hub = make_hub(history=10)
    published = [hub.publish("main", None, alert(str(number))) for number in range(15)]
    viewer = hub.subscribe("main", 0)
    assert (viewer.position, viewer.resumed_from) == (published[-1].seq, 0)
    assert drain(viewer) == published[-10:]


def test_a_viewer_without_since_gets_only_what_follows() -> None:
    hub = make_hub()
    before = hub.publish("main", None, alert("before"))
    viewer = hub.subscribe("main", None)
    assert (viewer.position, viewer.resumed_from) == (before.seq, None)
    after = hub.publish("main", None, alert("after"))
    assert drain(viewer) == [after]


def test_a_viewer_of_a_call_without_events_resumes_from_its_start() -> None:
    hub = make_hub()
    position = hub.subscribe("main", None).position
    event = hub.publish("main", None, alert("first"))
    assert drain(hub.subscribe("main", position)) == [event]


def test_a_full_queue_loses_scores_opinions_and_health_but_no_alert() -> None:
    hub = make_hub(queue=8)
    viewer = hub.subscribe("main", None)
    kept = [hub.publish("main", None, alert("early"))]
    for count in range(7):
        hub.publish("main", "alice", health(count) if count % 2 else witnesses())
    kept.append(hub.publish("main", None, alert("late")))
    assert drain(viewer) == kept
    assert viewer.dropped == 7
    assert not viewer.evicted


def test_a_queue_full_of_alerts_evicts_the_viewer_and_nobody_else() -> None:
    hub = make_hub(history=20, queue=8)
    woken: list[bool] = []
    slow = hub.subscribe("main", None)
    quick = hub.subscribe("main", None, lambda: woken.append(True))
    taken: list[LiveEvent] = []
    for number in range(9):
        hub.publish("main", None, alert(str(number)))
        taken += drain(quick)
    assert slow.evicted
    assert slow.take() is None
    assert [event.reason for event in taken if isinstance(event, AlertEvent)] == [str(number) for number in range(9)]
    assert len(woken) == 9
    assert drain(hub.subscribe("main", slow.position)) == taken  # coming back, it has lost nothing


def test_missed_events_do_not_count_towards_the_queue() -> None:
    hub = make_hub(history=100, queue=8)
    position = hub.subscribe("main", None).position
    for number in range(50):
        hub.publish("main", None, alert(str(number)))
    viewer = hub.subscribe("main", position)
    hub.publish("main", None, alert("live"))
    assert numbers(viewer) == [position + 1 + number for number in range(51)]


def test_bad_fields_are_refused_and_use_up_no_number() -> None:
    hub = make_hub()
    first = hub.publish("main", None, alert("one"))
    for fields in ({"type": "hello"}, {"type": "alert"}, {**alert("x"), "surplus": 1}, {}):
        with pytest.raises(ValidationError):
            hub.publish("main", None, fields)
    assert hub.publish("main", None, alert("two")).seq == first.seq + 1


def test_quiet_calls_are_forgotten_and_their_numbers_never_used_again() -> None:
    hub = make_hub()
    viewer = hub.subscribe("old", None)
    last = [hub.publish("old", None, alert(str(number))).seq for number in range(5)][-1]
    for number in range(CALLS_KEPT):
        hub.publish(f"call-{number}", None, alert("newer"))
    assert viewer.evicted
    again = hub.publish("old", None, alert("again"))
    assert again.seq > last
    assert hub.subscribe("old", last).resumed_from in {None, again.seq - 1}
    assert drain(hub.subscribe("old", last - 2)) == []


def test_a_restarted_server_goes_on_with_larger_numbers() -> None:
    before = make_hub().publish("main", None, alert("before")).seq
    restarted = EventHub(10, 8, now=lambda: START + timedelta(seconds=1))
    assert restarted.publish("main", None, alert("after")).seq > before
    assert restarted.subscribe("main", before).resumed_from is None


class Viewer:
    """A client that remembers what it got, and comes back with its last seq."""

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.seen: list[LiveEvent] = []
        self.joined_at = subscription.position
        self.last = subscription.position

    def take(self) -> None:
        published = self.subscription.take()
        if published is not None:
            self.seen.append(published.event)
            self.last = published.seq


class HubMachine(RuleBasedStateMachine):
    """Viewers come, read, lag, are evicted and come back; nothing but scores and health may ever be missing."""

    @initialize(history=st.integers(1, 30), queue=st.integers(1, 6))
    def start(self, history: int, queue: int) -> None:
        self.hub = make_hub(history, queue)
        self.history = history
        self.published: list[LiveEvent] = []
        self.viewers: list[Viewer] = []

    @rule(urgent=st.booleans(), burst=st.integers(1, 8))
    def publish(self, urgent: bool, burst: int) -> None:
        for number in range(burst):
            self.published.append(self.hub.publish("main", None, alert("x") if urgent else health(number)))

    @rule()
    def join(self) -> None:
        if len(self.viewers) < 5:
            self.viewers.append(Viewer(self.hub.subscribe("main", None)))

    @rule(which=st.integers(0, 4), count=st.integers(1, 10))
    def read(self, which: int, count: int) -> None:
        for viewer in self.viewers[which : which + 1]:
            for _ in range(count):
                viewer.take()

    @rule(which=st.integers(0, 4))
    def reconnect(self, which: int) -> None:
        for viewer in self.viewers[which : which + 1]:
            newest = self.published[-1].seq if self.published else viewer.joined_at
            self.hub.unsubscribe("main", viewer.subscription)
            viewer.subscription = self.hub.subscribe("main", viewer.last)
            assert viewer.subscription.position == newest
            if newest - viewer.last <= min(self.history, len(self.published)):
                assert viewer.subscription.resumed_from == viewer.last
            else:  # too old: the client starts anew from the snapshot
                assert viewer.subscription.resumed_from is None
                viewer.seen, viewer.joined_at, viewer.last = [], newest, newest

    @invariant()
    def numbers_have_no_gap(self) -> None:
        seqs = [event.seq for event in self.published]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs))) if seqs else True

    @invariant()
    def queues_are_bounded(self) -> None:
        for viewer in self.viewers:
            assert len(viewer.subscription) <= self.history + 6

    @invariant()
    def nothing_is_doubled_reordered_or_wrongly_lost(self) -> None:
        for viewer in self.viewers:
            due = [event for event in self.published if viewer.joined_at < event.seq <= viewer.last]
            seen = {event.seq for event in viewer.seen}
            assert [event for event in due if event.seq in seen] == viewer.seen
            assert all(event.seq in seen for event in due if event.type == "alert")

    def teardown(self) -> None:
        """In the end everybody catches up: all alerts arrive, with a reconnection where they were evicted."""
        for viewer in getattr(self, "viewers", []):
            if viewer.subscription.evicted:
                continue
            while len(viewer.subscription):
                viewer.take()
            due = [event.seq for event in self.published if event.seq > viewer.joined_at and event.type == "alert"]
            assert [event.seq for event in viewer.seen if event.type == "alert"] == due


HubMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestHubMachine = HubMachine.TestCase
