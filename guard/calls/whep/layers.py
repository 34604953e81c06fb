"""Which simulcast layer of a video to ask a WHEP server for. Pure.

The "layers" event has two forms: draft-ietf-wish-whep-01 section 4.6.1.3 (an object per media section, with the list
"layers" in it, whose entries have an `encodingId`), which servers send, and draft-ietf-wish-whep-03 section 4.9.1 (the
list itself, with `rid`). The answer uses the word that the server used.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, RootModel, ValidationError

LEAST_HEIGHT_PX = 360
"""Plenty for a face that the engine sees in 128x128 pixels."""
MAX_SECTIONS = 16
MAX_LAYERS = 64

# Browsers that send three layers send a quarter, a half and the full height: the second is 360p of 720p.
_USUAL_RANK = 1
_USUAL_NAMES = (
    ("q", "h", "f"),
    ("l", "m", "h"),
    ("low", "med", "high"),
    ("low", "mid", "high"),
    ("low", "medium", "high"),
    ("0", "1", "2"),
    ("r0", "r1", "r2"),
)
"""From the smallest to the largest; what clients call them, there is no standard."""

_Number = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
_Name = Annotated[str, Field(min_length=1, max_length=64)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    rid: _Name | None = None
    encoding_id: _Name | None = Field(None, validation_alias="encodingId")
    bitrate: _Number | None = None
    width: _Number | None = None
    # The draft writes it both ways.
    height: _Number | None = Field(None, validation_alias=AliasChoices("height", "heigth"))


def _only_valid(value: Any) -> Any:
    entries = value.get("layers") if isinstance(value, dict) else value
    kept = []
    for entry in entries[:MAX_LAYERS] if isinstance(entries, list) else []:
        try:
            kept.append(_Entry.model_validate(entry))
        except ValidationError:
            continue
    return kept


def _only_first(value: Any) -> Any:
    return dict(list(value.items())[:MAX_SECTIONS]) if isinstance(value, dict) else value


_Section = Annotated[list[_Entry], BeforeValidator(_only_valid)]


class _Layers(RootModel[Annotated[dict[_Name, _Section], BeforeValidator(_only_first)]]):
    pass


@dataclass(frozen=True, slots=True)
class Layer:
    """One picture size of one media section, whatever its temporal layers."""

    media_id: str
    key: str
    """The word for its name: `rid` or `encodingId`."""
    name: str
    height_px: float | None = None
    """The shorter side, so that a picture on its side counts like one that stands."""
    bitrate_bps: float | None = None

    def selection(self) -> dict[str, str]:
        """The JSON object that asks for this layer."""
        return {"mediaId": self.media_id, self.key: self.name}


def read_layers(text: str) -> tuple[Layer, ...]:
    """The layers that are being sent, by the data of a "layers" event, for the first media section that has any.

    A bad entry costs itself. Raises ValueError, which does not repeat the text, where it is no such event.
    """
    try:
        sections = _Layers.model_validate_json(text).root
    except ValidationError as error:
        raise ValueError(f"no layers event ({error.errors(include_input=False)[0]['type']})") from None
    for media_id, entries in sections.items():
        layers = [layer for entry in entries if (layer := _layer(media_id, entry)) is not None]
        if layers:
            return tuple(_active(_merged(layers)))
    return ()


def choose_layer(layers: Iterable[Layer]) -> Layer | None:
    """The smallest layer of at least LEAST_HEIGHT_PX, or the tallest; None where it cannot be told which that is.

    Without heights the bitrates tell the order, without those the usual names, and the second smallest is taken.
    """
    known = list(layers)
    if not known:
        return None
    heights = [(layer.height_px, layer) for layer in known if layer.height_px is not None]
    if len(heights) == len(known):
        enough = [(height, layer) for height, layer in heights if height >= LEAST_HEIGHT_PX]
        pick = min(enough, key=_first) if enough else max(heights, key=_first)
        return pick[1]
    ordered = _in_order(known)
    return ordered[min(_USUAL_RANK, len(ordered) - 1)] if ordered else None


def _layer(media_id: str, entry: _Entry) -> Layer | None:
    key, name = ("rid", entry.rid) if entry.rid is not None else ("encodingId", entry.encoding_id)
    if name is None:
        return None
    sides = [side for side in (entry.width, entry.height) if side]
    return Layer(media_id, key, name, min(sides) if entry.height and sides else None, entry.bitrate)


def _merged(layers: Iterable[Layer]) -> list[Layer]:
    """One for each name: those of several temporal layers are told as often."""
    merged: dict[str, Layer] = {}
    for layer in layers:
        other = merged.get(layer.name, layer)
        merged[layer.name] = Layer(
            layer.media_id,
            layer.key,
            layer.name,
            _larger(layer.height_px, other.height_px),
            _larger(layer.bitrate_bps, other.bitrate_bps),
        )
    return list(merged.values())


def _active(layers: list[Layer]) -> list[Layer]:
    """Those with a bitrate; where no layer has one, the server does not tell."""
    sent = [layer for layer in layers if layer.bitrate_bps]
    return sent or [layer for layer in layers if layer.bitrate_bps is None]


def _in_order(layers: list[Layer]) -> list[Layer]:
    """From the smallest to the largest; empty where that cannot be told."""
    bitrates = [(layer.bitrate_bps, layer) for layer in layers if layer.bitrate_bps is not None]
    if len(bitrates) == len(layers):
        return [layer for _, layer in sorted(bitrates, key=_first)]
    names = {layer.name.lower(): layer for layer in layers}
    for usual in _USUAL_NAMES:
        if len(names) == len(layers) and names.keys() <= set(usual):
            return [names[name] for name in usual if name in names]
    return []


def _larger(one: float | None, other: float | None) -> float | None:
    return max((number for number in (one, other) if number is not None), default=None)


def _first(pair: tuple[float, Layer]) -> float:
    return pair[0]
