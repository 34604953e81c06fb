"""The engine's stopwatch reports figures that fit together."""

from __future__ import annotations

import pytest

from engines.bench import measure_engine
from engines.errors import EngineInputError
from engines.protocol import Engine


@pytest.mark.parametrize("streams", [1, 4, 8])
def test_percentiles_are_ordered_and_steps_counted(random_engine: Engine, streams: int) -> None:
    timing = measure_engine(random_engine, streams, seconds=0.05)
    assert timing.streams == streams
    assert timing.steps >= 1
    assert 0 < timing.p50_ms <= timing.p95_ms <= timing.p99_ms <= timing.max_ms
    assert timing.frames_per_second == pytest.approx(1000 / timing.p50_ms)


def test_time_must_be_positive(random_engine: Engine) -> None:
    with pytest.raises(EngineInputError, match="seconds must be positive"):
        measure_engine(random_engine, 1, 0)
