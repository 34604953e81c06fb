"""Which layer is asked for, by what servers say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from guard.calls.whep.layers import MAX_LAYERS, Layer, choose_layer, read_layers


def chosen(event: Any) -> dict[str, str] | None:
    layer = choose_layer(read_layers(json.dumps(event)))
    return None if layer is None else layer.selection()


def sized(name: str, width: int, height: int, bitrate: int | None = 100_000) -> dict[str, Any]:
    return {"rid": name, "spatialLayerId": 0, "bitrate": bitrate, "width": width, "height": height}


SMALL, MIDDLE, LARGE = sized("0", 320, 180), sized("1", 640, 360), sized("2", 1280, 720)


@pytest.mark.parametrize(
    ("layers", "name"),
    [
        ([LARGE, MIDDLE, SMALL], "1"),
        ([SMALL, LARGE], "2"),
        ([SMALL, sized("x", 426, 240)], "x"),
        ([LARGE, sized("x", 1920, 1080)], "2"),
        ([SMALL, sized("p", 360, 640), LARGE], "p"),
        ([SMALL], "0"),
        ([{**SMALL, "temporalLayerId": 1, "bitrate": 9}, SMALL, {**MIDDLE, "temporalLayerId": 0}, MIDDLE], "1"),
    ],
    ids=["360p", "nothing-between", "all-small", "all-large", "upright", "one", "temporal-layers"],
)
def test_the_smallest_that_is_tall_enough(layers: list[dict[str, Any]], name: str) -> None:
    assert chosen({"0": layers}) == {"mediaId": "0", "rid": name}


@pytest.mark.parametrize("stopped", [{"bitrate": 0}, {"bitrate": None}, {"bitrate": None, "targetBitrate": 5}])
def test_a_layer_that_is_not_sent_is_not_asked_for(stopped: dict[str, Any]) -> None:
    assert chosen({"0": [SMALL, {**MIDDLE, **stopped}, LARGE]}) == {"mediaId": "0", "rid": "2"}


def test_the_older_form_and_its_word() -> None:
    layers = [
        {"encodingId": "hi", "bitrate": 9e5},
        {"encodingId": "lo", "bitrate": 1e5},
        {"encodingId": "mi", "bitrate": 4e5},
    ]
    event = {"1": {"active": [{"id": "hi"}], "inactive": [], "layers": layers}}
    assert chosen(event) == {"mediaId": "1", "encodingId": "mi"}


@pytest.mark.parametrize(
    ("names", "name"),
    [("f h q", "h"), ("h l m", "m"), ("high low med", "med"), ("2 1 0", "1"), ("f h", "f"), ("R1 r0", "R1")],
)
def test_the_usual_names_tell_the_order(names: str, name: str) -> None:
    layers = [{"encodingId": each} for each in names.split()]
    assert chosen({"1": {"layers": layers}}) == {"mediaId": "1", "encodingId": name}


def test_without_any_order_the_server_chooses() -> None:
    assert chosen({"0": [{"rid": "blue"}, {"rid": "red"}]}) is None
    assert chosen({"0": [SMALL, {"rid": "red"}]}) == {"mediaId": "0", "rid": "0"}, "the other one is not sent"
    assert chosen({"0": [{**SMALL, "bitrate": None}, {"rid": "red"}]}) is None


def test_the_first_section_with_layers_counts() -> None:
    assert chosen({"0": [], "1": {"active": []}, "2": [SMALL, MIDDLE]}) == {"mediaId": "2", "rid": "1"}
    assert chosen({}) is None


@pytest.mark.parametrize(
    "entry",
    [
        None,
        7,
        "0",
        [],
        {},
        {"rid": ""},
        {"rid": "x" * 65},
        {"rid": 7},
        {**MIDDLE, "bitrate": -1},
        {**MIDDLE, "height": "360"},
        {**MIDDLE, "width": 1e300},
    ],
)
def test_a_bad_entry_costs_itself(entry: Any) -> None:
    assert chosen({"0": [entry, SMALL]}) == {"mediaId": "0", "rid": "0"}


def test_no_more_than_so_many_layers_are_kept() -> None:
    layers = read_layers(json.dumps({"0": [sized(str(number), 640, 360) for number in range(5000)]}))
    assert len(layers) == MAX_LAYERS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "7",
        "[]",
        "{",
        '{"0": NaN',
        '"s3cret"',
        "[" * 10_000,
        '{"' + "s3cret" * 20 + '": []}',
        '{"0": [' + '{"rid":' * 5000,
    ],
)
def test_what_is_no_event_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="no layers event") as failure:
        read_layers(text)
    assert "s3cret" not in str(failure.value)


def test_a_number_that_is_none_costs_its_entry() -> None:
    assert read_layers('{"0": [{"rid": "a", "bitrate": NaN}, {"rid": "b", "bitrate": 1e999}, {"rid": "c"}]}') == (
        Layer("0", "rid", "c"),
    )
