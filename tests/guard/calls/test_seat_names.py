"""Seats' names out of display names: always valid, always different, and the first keeps the plain one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from guard.calls.seat_names import NAMELESS, seat_name, seat_names
from guard.serve.service import Name

NAME = TypeAdapter(Name)


@pytest.mark.parametrize(
    ("display", "name"),
    [
        ("alice", "alice"),
        ("Zoë Müller", "Zoe-Muller"),
        ("../../etc/passwd", "etc-passwd"),
        ("<img src=x onerror=alert(1)>", "img-src-x-onerror-alert-1"),
        ("王伟", NAMELESS),
        ("", NAMELESS),
        ("..", NAMELESS),
        ("alice\u202e\x00", "alice"),
        ("a" * 5000, "a" * 64),
    ],
)
def test_a_display_name_becomes_a_valid_one(display: str, name: str) -> None:
    assert seat_name(display) == name


def test_a_letter_that_only_looks_latin_gives_another_name() -> None:
    assert seat_name("\u0430lice") != "alice"


def test_the_first_of_a_name_keeps_it() -> None:
    assert seat_names({1: "bob", 2: "Bob!", 3: "bob", 4: "bob-2"}) == {1: "bob", 2: "Bob", 3: "bob-2", 4: "bob-2-2"}


def test_a_taken_name_is_not_given_again() -> None:
    assert seat_names({1: "bob"}, taken=["bob", "bob-2"]) == {1: "bob-3"}


@given(st.dictionaries(st.integers(), st.text(max_size=200) | st.sampled_from(["x", "x-2", "x" * 64]), max_size=30))
def test_names_are_valid_and_different(displays: dict[int, str]) -> None:
    names = seat_names(displays)
    assert names.keys() == displays.keys()
    assert len(set(names.values())) == len(names)
    for name in names.values():
        NAME.validate_python(name)
