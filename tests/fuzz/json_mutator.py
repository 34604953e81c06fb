"""Changes to messages that leave them JSON: what reads them is compiled, and tells a fuzzer nothing of its branches."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

_ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 0.5, 1e308, 2**53, 2**64 - 1, 2**64, 10**400),
    *("", "x", "0", "v=0", "\0", "\ud800", "\u202e", "x" * 65, "x" * 300, "x" * 5000),
    *([], {}, [[]], [{}] * 600, {"": {}}),
)


def mutate_json(data: bytes, rng: random.Random) -> bytes | None:
    """One to three values replaced, repeated, moved or removed; None where the data is no JSON object."""
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict):
        return None
    for _ in range(rng.randrange(1, 4)):
        holders = list(_holders(message))
        if not holders:
            break
        _change(rng.choice(holders), holders, rng)
    return json.dumps(message).encode()


def _holders(value: Any) -> Iterator[dict[str, Any] | list[Any]]:
    """The objects and lists in a value that hold something."""
    if isinstance(value, dict | list) and value:
        yield value
        for held in list(value.values()) if isinstance(value, dict) else value:
            yield from _holders(held)


def _change(holder: dict[str, Any] | list[Any], holders: list[dict[str, Any] | list[Any]], rng: random.Random) -> None:
    at: Any = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    kind = rng.randrange(4)
    if kind == 0:
        holder[at] = deepcopy(rng.choice(_ODD))
    elif kind == 1:
        del holder[at]
    elif kind == 2 and isinstance(holder, list):
        holder.extend(deepcopy(holder[at]) for _ in range(rng.choice((1, 40))))
    else:
        holder[at] = deepcopy(rng.choice(holders))
