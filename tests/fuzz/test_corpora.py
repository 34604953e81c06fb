"""The seeds of the fuzz targets, and whatever broke one, replayed without the fuzzer."""

from __future__ import annotations

import random
import traceback
from pathlib import Path

import pytest

from tests.fuzz.json_mutator import mutate_json
from tests.fuzz.targets import TARGETS

CORPORA = Path(__file__).parent / "corpora"


def _breaks(name: str, data: bytes) -> str | None:
    """How a target ends on an input, if not as it should."""
    try:
        TARGETS[name](data)
    except Exception as error:  # noqa: BLE001 - whatever a target lets through is what is looked for
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"{error!r} at {Path(last.filename).name}:{last.lineno}"
    return None


def _damage(seed: bytes, rng: random.Random) -> bytes:
    data = bytearray(seed)
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(data) + 1)
        data[at : at + rng.randrange(4)] = rng.randbytes(rng.randrange(4))
    return bytes(data)


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_no_seed_breaks_its_target(name: str) -> None:
    seeds = {seed.name: seed.read_bytes() for seed in sorted((CORPORA / name).iterdir())}
    assert seeds
    broken = [f"{seed}: {why}" for seed, data in seeds.items() if (why := _breaks(name, data)) is not None]
    assert broken == []


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_no_damaged_seed_breaks_its_target(name: str) -> None:
    rng = random.Random(name)
    seeds = [seed.read_bytes() for seed in sorted((CORPORA / name).iterdir())]
    damaged = [_damage(rng.choice(seeds), rng) for _ in range(200)]
    broken = [f"{why} on {data!r}" for data in damaged if (why := _breaks(name, data)) is not None]
    assert broken == []


def test_no_message_with_other_values_breaks_its_target() -> None:
    rng = random.Random(1)
    seeds = [seed.read_bytes() for seed in sorted((CORPORA / "janus_message").iterdir())]
    changed = [data for _ in range(500) if (data := mutate_json(rng.choice(seeds), rng)) is not None]
    assert len(changed) == 500
    broken = [f"{why} on {data[:500]!r}" for data in changed if (why := _breaks("janus_message", data)) is not None]
    assert broken == []


def test_every_corpus_belongs_to_a_target() -> None:
    assert {folder.name for folder in CORPORA.iterdir()} == set(TARGETS)
