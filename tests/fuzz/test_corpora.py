"""The seeds of the fuzz targets, and whatever broke one, replayed without the fuzzer."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

CORPORA = Path(__file__).parent / "corpora"


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_no_seed_breaks_its_target(name: str) -> None:
    seeds = sorted((CORPORA / name).iterdir())
    assert seeds
    for seed in seeds:
        TARGETS[name](seed.read_bytes())


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_no_damaged_seed_breaks_its_target(name: str) -> None:
    rng = random.Random(name)
    seeds = [seed.read_bytes() for seed in sorted((CORPORA / name).iterdir())]
    for _ in range(200):
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.randrange(1, 6)):
            at = rng.randrange(len(data) + 1)
            data[at : at + rng.randrange(4)] = rng.randbytes(rng.randrange(4))
        TARGETS[name](bytes(data))


def test_every_corpus_belongs_to_a_target() -> None:
    assert {folder.name for folder in CORPORA.iterdir()} == set(TARGETS)
