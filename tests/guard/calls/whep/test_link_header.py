"""Link headers as servers write them, and as hostile ones would."""

from __future__ import annotations

import time

import pytest

from guard.calls.whep.link_header import MAX_CHARACTERS, MAX_LINKS, read_links

LAYER = "urn:ietf:params:whep:ext:core:layer"


def test_one_link_in_each_header() -> None:
    layer, events = read_links(
        [f'</layer/7>; rel="{LAYER}"', '</sse/7>; rel="urn:x:events"; events="active,layers"; title=plain']
    )
    assert (layer.target, layer.relations) == ("/layer/7", frozenset({LAYER}))
    assert layer.parameters == {}
    assert (events.target, events.relations) == ("/sse/7", frozenset({"urn:x:events"}))
    assert events.parameters == {"events": "active,layers", "title": "plain"}


def test_several_links_in_one_header_and_several_relations_of_one_link() -> None:
    first, second = read_links(
        [f'<stun:a.example>; rel="ice-server", <https://b/x,y;z?a=b>;REL="{LAYER.upper()} other"']
    )
    assert first.relations == {"ice-server"}
    assert second.target == "https://b/x,y;z?a=b"
    assert second.relations == {LAYER, "other"}


def test_the_missing_semicolon_of_the_drafts_examples() -> None:
    [link] = read_links([f'<https://b/sse>;\t rel="{LAYER}"\t events="layers"'])
    assert link.relations == {LAYER}
    assert link.parameters == {"events": "layers"}


def test_what_is_quoted_may_hold_anything() -> None:
    [link] = read_links([r'<a>; title="a, <b>; rel=\"c\" \\"; rel=d; rel=e'])
    assert link.parameters == {"title": 'a, <b>; rel="c" \\'}
    assert link.relations == {"d"}, "of several relations the first counts (RFC 8288 section 3.3)"


@pytest.mark.parametrize(
    "header", ["", "x", "<", "<a", "<>; rel=x", "<a\nb>; rel=x", "<" + "a" * 3000 + ">; rel=x", '"<a>"; rel=x', "\0"]
)
def test_what_is_no_link(header: str) -> None:
    assert read_links([header]) == ()


def test_what_is_malformed_takes_what_follows_with_it() -> None:
    assert [link.target for link in read_links(["<a>; rel=x", '<b>; rel="unfinished', "<c>; rel=x"])] == ["a", "b"]


def test_no_more_than_so_many_links_and_characters() -> None:
    assert len(read_links(["<a>; rel=x"] * 1000)) == MAX_LINKS
    assert read_links(["," * MAX_CHARACTERS + "<a>; rel=x"]) == ()


@pytest.mark.parametrize("piece", [" ", ",", ";", "<", '"', '"\\', "a=", "a ", '; a="b"', "<a>", "a", "\t;"])
def test_no_text_takes_long(piece: str) -> None:
    begin = time.process_time()
    for start in ("", "<a>", "<a>; b=", '<a>; b="'):
        read_links([start + piece * MAX_CHARACTERS])
    # Thousands of times as much as it needs, and a small part of what backtracking would.
    assert time.process_time() - begin < 1.0
