"""People's own clips: an engine that sees the driver, one that sees the face, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from engines.protocol import Engine
from tests.training.evaluation.made_up_calls import FPS, WINDOW_FRAMES, clip, made_up_engine
from training.embedding import shuffled_in_time, through_engine
from training.errors import DataError
from training.evaluation.manifest_report import embed_clips, evaluate_clips, measure_clips
from training.evaluation.prepared_clips import LabelledClip
from training.evaluation.protocols import ClipLabels


def clips(*, seen: str = "driver", frames: int = 2 * WINDOW_FRAMES + 3) -> Iterator[LabelledClip]:
    """Four people on each other's faces, two sessions, one generator, and one camera recording of each. The made-up
    engine embeds the number that the first pixel shows: the driver's, or the target's."""
    for driver, target, session in product(range(4), range(4), range(2)):
        number = driver if seen == "driver" else target
        yield labelled(number, ClipLabels(f"p{driver}", f"p{target}", f"s{session}", "warp", "here", False), frames)
    for person in range(4):
        yield labelled(person, ClipLabels(f"p{person}", f"p{person}", "s2", "none", "here", True), frames)


def labelled(number: int, labels: ClipLabels, frames: int) -> LabelledClip:
    pixels = clip(number, frames, 10 * int(labels.driver[1:]) + int(labels.session[1:]))
    return LabelledClip(pixels, np.ones(frames, np.bool_), FPS, labels)


def measured(seen: str) -> dict[str, float | None]:
    engine = made_up_engine(0.2)
    rows, _ = measure_clips(
        embed_clips(engine, clips(seen=seen), {"shuffled": shuffled_in_time(through_engine(engine))})
    )
    return {row.name: None if row.accuracy is None else row.accuracy.area.value for row in rows}


@pytest.fixture(autouse=True)
def _few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.evaluation.manifest_report._ROUNDS", 20)


def test_the_driver_is_told_and_the_face_is_not() -> None:
    driver, face = measured("driver"), measured("face")
    for row in ("published protocol", "published, without originals", "published, warp", "cross-cross, one target"):
        assert driver[row] == pytest.approx(1.0)
        assert face[row] == pytest.approx(0.5, abs=0.15)
    assert driver["published, without originals, shuffled"] == pytest.approx(
        1.0
    )  # a made-up frame shows the driver without moving


def test_the_centre_window_is_the_engines_and_nothing_is_padded() -> None:
    engine = made_up_engine(0.2)
    long, short = next(clips()), next(clips(frames=WINDOW_FRAMES - 2))
    found = embed_clips(engine, [long, short], {})
    first = (len(long.frames) - WINDOW_FRAMES) // 2
    embed = through_engine(engine)
    np.testing.assert_allclose(found.centre["engine"][0], embed(long.frames[None, first : first + WINDOW_FRAMES])[0])
    np.testing.assert_allclose(found.centre["engine"][1], embed(short.frames[None])[0])
    assert found.full.tolist() == [True, False]
    np.testing.assert_allclose(found.whole[1], found.centre["engine"][1])


def test_a_report_is_written_once_and_says_what_it_could_not_measure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(name: str, threads: int) -> Engine:
        return made_up_engine(0.2)

    monkeypatch.setattr("training.evaluation.manifest_report.load_engine", load)
    recordings = (one for one in clips() if one.labels.original or one.labels.session == "s0")
    camera = [one for one in recordings if one.labels.driver == one.labels.target]
    report = evaluate_clips(Path("made-up"), camera, tmp_path, None, 1)
    document = json.loads((tmp_path / "report.json").read_text())
    by_name = {row["name"]: row for row in document["rows"]}
    assert "driven by somebody else" in by_name["published protocol"]["missing"]
    assert by_name["any two sessions"]["accuracy"]["area"]["value"] == pytest.approx(1.0)
    assert document["counts"]["clips"] == 8
    assert document["counts"]["originals"] == 4
    assert "Not measured (needs a target with two self-reenactments" in report.table()
    assert report.table().count("| any two sessions") == 2  # with its control
    one_face, camera = document["calls"]
    assert "two drivers with recordings of two sessions" in one_face["missing"]
    assert "of 8 clips 8 are shorter, the longest of these 4.8 s" in camera["missing"]
    assert "Not measured: it takes two drivers" in (tmp_path / "report.md").read_text()
    assert "proof of motion" in (tmp_path / "report.md").read_text()
    with pytest.raises(DataError, match="already holds a report"):
        evaluate_clips(Path("made-up"), camera, tmp_path, None, 1)


def test_clips_without_a_usable_window_and_empty_manifests_are_refused() -> None:
    engine = made_up_engine(0.2)
    one = next(clips())
    broken = LabelledClip(one.frames, np.zeros(len(one.frames), np.bool_), FPS, one.labels)
    with pytest.raises(DataError, match="driver p0, session s0"):
        embed_clips(engine, [broken], {})
    with pytest.raises(DataError, match="no clips to evaluate"):
        embed_clips(engine, [], {})
