"""From recordings to tables, JSON and pictures, on calls whose drivers are easily told."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.evaluation.made_up_calls import clip, made_up_engine
from training.card_figures import call_metrics, call_sentences
from training.data.calls import CallQuality, Received, Recording
from training.embedding import through_engine
from training.evaluate import CallSides, embed_sides
from training.evaluation.call_study import CallGatherer, CallStudy
from training.evaluation.charts import save_conditions, save_detection, save_lengths
from training.evaluation.report_text import as_json, calls_json, calls_markdown
from training.metrics import Estimate

FRAMES = 330


@pytest.fixture(scope="module")
def study() -> Iterator[CallStudy]:
    def received(
        recordings: Sequence[Recording], qualities: Sequence[CallQuality], processes: int
    ) -> Iterator[tuple[Received, ...]]:
        for one in recordings:
            yield (Received(clip(one.driver, 40, 9), np.ones(40, np.bool_)),) * len(qualities)

    engine = made_up_engine(3.0)
    gatherer = CallGatherer(engine)
    for driver in range(3):
        sides = CallSides(driver, 0, clip(driver, 80, 1), clip(driver, FRAMES, 2))
        gatherer.add(sides, embed_sides(sides, engine.spec.window_frames, through_engine(engine)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.evaluation.robustness.received_through", received)
        yield gatherer.study([Recording("val", 0, driver, 10, 1.0) for driver in range(3)], 1)


def test_lengths_that_the_recordings_hold_are_measured(study: CallStudy) -> None:
    assert [one.frames for one in study.windows] == [8, 16, 32]
    assert [one.seconds for one in study.evidence] == [2.5, 5.0, 10.0]
    assert study.windows[0].accuracy.equal_error.value > study.evidence[-1].accuracy.equal_error.value == 0.0
    assert [one.target_per_hour for one in study.detection] == [1.0, 6.0, None]
    assert len(study.conditions) == 19


def test_everything_is_told_as_text_and_as_valid_json(study: CallStudy) -> None:
    document = json.loads(json.dumps(calls_json(study), allow_nan=False))
    assert len(document["detection_curve"]["threshold"]) == len(study.swaps.thresholds)
    assert document["detection"][0]["swaps"] == 6
    text = calls_markdown(study)
    for heading in ("## Length of video", "## Time to detect a swap of drivers", "## Worse calls"):
        assert heading in text
    assert "3 h of calls put together from 0.01 h of genuine video" in text


def test_numbers_that_json_does_not_have_are_null() -> None:
    assert as_json((Estimate(1.0, float("nan"), float("inf")), "text")) == [
        {"value": 1.0, "low": None, "high": None},
        "text",
    ]


def test_pictures_are_drawn(study: CallStudy, tmp_path: Path) -> None:
    save_lengths(study.windows, study.evidence, tmp_path / "evidence.png")
    save_detection(study.swaps, study.detection, tmp_path / "detection.png")
    save_conditions(study.conditions, tmp_path / "conditions.png")
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in tmp_path.iterdir())
    assert len(list(tmp_path.iterdir())) == 3


def test_the_card_holds_seconds_of_evidence_time_to_detect_and_worse_calls(study: CallStudy) -> None:
    metrics = {metric.name: metric for metric in call_metrics(study)}
    ten = next(one for one in study.evidence if one.seconds == 10)
    assert metrics["EER (10 s of evidence)"].value == ten.accuracy.equal_error.value
    hourly = study.detection[0]
    assert metrics["seconds to detect a swap (median)"].value == hourly.median_seconds.value
    assert metrics["swaps found within 30 s"].value == hourly.within_30_seconds.value
    assert metrics["swaps found within 120 s"].trials == hourly.swaps == 6
    assert "0.01 h of genuine video" in metrics["swaps found within 120 s"].about
    assert "template from a good call; judged" in metrics["EER (call, bitrate, kbit/s: 200)"].about
    text = call_sentences(study)
    assert text.count("Of 6 swaps of drivers in a running call") == 3
    assert "at 1 false alarm(s) an hour" in text


def test_a_card_says_what_was_not_reached(study: CallStudy) -> None:
    never = replace(study.detection[0], median_seconds=Estimate(float("inf"), 60.0, float("inf")))
    late = replace(study, detection=(never,))
    median = next(metric for metric in call_metrics(late) if "median" in metric.name)
    assert (median.low, median.value, median.high) == (60, 120, 120)
    assert "fewer than half are found" in call_sentences(late)
    assert "No threshold keeps 6 false alarm(s) an hour." in call_sentences(late)
