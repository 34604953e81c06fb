"""What `guard watch` prints of second opinions, on one line."""

from __future__ import annotations

from guard.serve.hub import EventHub
from guard.watch import event_line
from tests.guard.serve.scripted_guard import witnesses


def line(fields: dict[str, object]) -> str:
    return event_line(EventHub(1, 8).publish("main", "alice", fields)).plain


def test_second_opinions_are_told_by_name_with_what_differs() -> None:
    told = line(witnesses())
    assert told.endswith(
        "Facial motion (F5C) +1.2, Facial movements -  together +1.4 nats; more often: left brow rises"
    )
    assert "\n" not in told


def test_where_nothing_is_fused_nothing_is_said_of_it() -> None:
    assert "together" not in line({**witnesses(), "fused_llr": None, "fused_seconds": None, "movements": []})
