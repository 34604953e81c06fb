"""An engine on people's own clips: the published protocol and its controls, scored through the streaming path."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from engines.protocol import Engine
from engines.registry import load_engine
from training.embedding import Embed, shuffled_in_time, through_engine, through_network
from training.errors import DataError
from training.evaluate import Accuracy, OperatingPoints, accuracy, operating_points, pooled
from training.evaluation.charts import save_detection
from training.evaluation.clip_calls import ClipCallGatherer, ClipCalls
from training.evaluation.prepared_clips import LabelledClip
from training.evaluation.protocols import (
    ClipLabels,
    ClipTable,
    Selection,
    clip_table,
    cross_cross_trials,
    published_trials,
    session_trials,
)
from training.evaluation.report_text import as_json, clip_calls_json, clip_calls_markdown, row_table, table
from training.evaluation.streams import stream_clip
from training.fit import load_static
from training.metrics import Trials
from training.plots import save_curves

_ROUNDS = 200


@dataclass(frozen=True, slots=True)
class Measured:
    """One line: what was selected and what came out; `missing` says why nothing could."""

    name: str
    about: str
    accuracy: Accuracy | None = None
    operating: OperatingPoints | None = None
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """What the manifest holds; short_clips: without a full window of the engine."""

    clips: int
    originals: int
    drivers: int
    targets: int
    short_clips: int
    generators: dict[str, int]
    sources: dict[str, int]


@dataclass(frozen=True, slots=True)
class ManifestReport:
    """Everything measured. calls: by kind of streams what time to detect and seconds of evidence are; empty where they
    were left out."""

    engine: str
    counts: Counts
    rows: tuple[Measured, ...]
    calls: tuple[ClipCalls, ...]

    def table(self) -> str:
        """Markdown: what was measured, then what could not be and why."""
        header = ["Row", "AUC per target", "AUC pooled", "EER", "Drivers", "Trials"]
        cells = [_cells(row.name, row.accuracy, row.operating) for row in self.rows if row.accuracy and row.operating]
        reasons = dict.fromkeys(row.missing for row in self.rows if row.missing)
        missing = [
            f"Not measured ({reason}): {'; '.join(row.name for row in self.rows if row.missing == reason)}."
            for reason in reasons
        ]
        return "\n\n".join([table(header, cells), *missing])


@dataclass(frozen=True, slots=True)
class EmbeddedClips:
    """All clips, each once: labels; centre: (n, D) for each way of embedding, one centre window of a clip; whole: the
    mean of all windows of a clip; full: bool (n,), the centre window is as long as the engine's."""

    labels: list[ClipLabels]
    centre: dict[str, NDArray[np.float32]]
    whole: NDArray[np.float32]
    full: NDArray[np.bool_]


def evaluate_clips(
    folder: Path, clips: Iterable[LabelledClip], out: Path, static: Path | None, threads: int, *, calls: bool = True
) -> ManifestReport:
    """Score all clips and write report.md, report.json and pictures into `out`.

    calls: also tell time to detect and error by seconds of evidence, where clips are long enough.

    Raises DataError without clips, for a clip too short for one position of the engine, and where a report is already.
    """
    if (out / "report.json").exists():
        raise DataError(f"{out} already holds a report; name another folder")
    torch.set_num_threads(threads)
    engine = load_engine(str(folder), threads=threads)
    controls: dict[str, Embed] = {"shuffled": shuffled_in_time(through_engine(engine))}
    if static is not None:
        controls["static"] = through_network(load_static(static))
    gatherer = ClipCallGatherer(engine) if calls else None
    found = embed_clips(engine, clips, controls, gatherer)
    told = () if gatherer is None else gatherer.study()
    engine.close()
    rows, curves = measure_clips(found)
    report = ManifestReport(engine.spec.name, _counts(found), rows, told)
    out.mkdir(parents=True, exist_ok=True)
    document = {
        "engine": report.engine,
        "counts": as_json(report.counts),
        "rows": as_json(rows),
        "calls": [clip_calls_json(one) for one in told],
    }
    (out / "report.json").write_text(json.dumps(document, indent=2, allow_nan=False) + "\n")
    for one in told:
        if one.swaps is not None:
            save_detection(one.swaps, one.detection, out / one.picture)
    (out / "report.md").write_text(_markdown(report, bool(curves)))
    if curves:
        save_curves(curves, out / "roc_det.png")
    return report


def embed_clips(
    engine: Engine,
    clips: Iterable[LabelledClip],
    controls: dict[str, Embed],
    gatherer: ClipCallGatherer | None = None,
) -> EmbeddedClips:
    """Stream every clip once, and give the controls its centre window and the gatherer all of it. Nothing is padded: a
    clip that is shorter than the engine's window is one shorter window."""
    window = engine.spec.window_frames
    centre: dict[str, list[NDArray[np.float32]]] = {name: [] for name in ("engine", *controls)}
    labels, whole, full = [], [], []
    for clip in clips:
        frames = len(clip.frames)
        length = min(window, frames)
        first = (frames - length) // 2
        last = first + length - 1
        embeddings, valid = stream_clip(engine, clip.frames, clip.continues)
        if valid[last] == 0:
            raise DataError(
                f"the middle of a clip of driver {clip.labels.driver}, session {clip.labels.session}, holds no "
                f"{engine.spec.temporal_margin + 1} frames without a break; leave it out of the manifest"
            )
        if gatherer is not None:
            gatherer.add(clip, embeddings, valid)
        ends = np.arange(window - 1, frames, window)
        ends = ends[valid[ends] > 0]
        labels.append(clip.labels)
        full.append(frames >= window)
        whole.append(pooled(embeddings[ends])[0] if len(ends) else embeddings[last])
        centre["engine"].append(embeddings[last])
        for name, embed in controls.items():
            centre[name].append(embed(clip.frames[first : last + 1][None])[0])
    if not labels:
        raise DataError("no clips to evaluate; the manifest holds none of this split")
    rows = {name: np.stack(parts) for name, parts in centre.items()}
    return EmbeddedClips(labels, rows, np.stack(whole), np.array(full))


def measure_clips(found: EmbeddedClips) -> tuple[tuple[Measured, ...], dict[str, Trials]]:
    """All rows, and the trials to draw curves of. Rows that the clips do not hold say what is missing."""
    rows, curves = [], {}
    for name, about, select in _selections(found):
        try:
            trials = select()
        except DataError as error:
            rows.append(Measured(name, about, missing=str(error)))
            continue
        rows.append(Measured(name, about, accuracy(trials, _ROUNDS), operating_points(trials, _ROUNDS)))
        if name in _DRAWN:
            curves[name] = trials
    return tuple(rows), curves


_PUBLISHED, _REENACTED, _CROSSED = "published protocol", "published, without originals", "cross-cross, one target"
_DRAWN = (_PUBLISHED, _REENACTED, _CROSSED)


def _selections(found: EmbeddedClips) -> Iterator[tuple[str, str, Callable[[], Trials]]]:
    """Name, explanation and trials of each row."""
    tables = {name: clip_table(rows, found.labels) for name, rows in found.centre.items()}
    clips, whole = tables["engine"], clip_table(found.whole, found.labels)

    def published(of: ClipTable, selection: Selection) -> Callable[[], Trials]:
        return partial(published_trials, of, selection)

    yield _PUBLISHED, "self-self against self-cross, one centre window, originals in", published(clips, Selection())
    yield _REENACTED, "re-enacted clips only", published(clips, Selection(originals=False))
    for generator in sorted(set(clips.generator[~clips.original].tolist())):
        yield f"published, {generator}", "one generator", published(clips, Selection(generator=generator))
    full = clips.subset(found.full)
    yield "published, full windows", "only clips as long as the engine's window", published(full, Selection())
    same_source = Selection(same_source_negatives=True)
    yield "published, same-source negatives", "negatives of one data set", published(clips, same_source)
    apart = Selection(same_session_positives=False)
    yield "published, other sessions", "no positive is one driving clip twice", published(clips, apart)
    yield "published, whole clips", "all windows of a clip pooled", published(whole, Selection())
    for name, of in tables.items():
        control = "" if name == "engine" else f", {name}"
        if control:
            yield f"{_REENACTED}{control}", f"control: {name}", published(of, Selection(originals=False))
        for same, faces in ((True, "one target"), (False, "two targets")):
            about = "same driver against other driver, all cross-reenacted, one source, other driving clips"
            yield f"cross-cross, {faces}{control}", about, partial(cross_cross_trials, of, same_target=same)
        about = "whatever is shown: appearance helps, no proof of motion"
        yield f"any two sessions{control}", about, partial(session_trials, of)


def _counts(found: EmbeddedClips) -> Counts:
    labels = found.labels
    return Counts(
        clips=len(labels),
        originals=sum(label.original for label in labels),
        drivers=len({label.driver for label in labels}),
        targets=len({label.target for label in labels}),
        short_clips=int((~found.full).sum()),
        generators=dict(sorted(Counter(label.generator for label in labels).items())),
        sources=dict(sorted(Counter(label.source for label in labels).items())),
    )


def _cells(name: str, figures: Accuracy, points: OperatingPoints) -> tuple[object, ...]:
    per_target = points.mean_target_area or "-"
    return name, per_target, figures.area, figures.equal_error, figures.drivers, figures.trials


def _markdown(report: ManifestReport, drawn: bool) -> str:
    counts = report.counts
    kinds = [
        f"{what}: " + ", ".join(f"{name} {count}" for name, count in found.items())
        for what, found in (("generators", counts.generators), ("sources", counts.sources))
    ]
    measured = [(row.name, row.operating) for row in report.rows if row.operating is not None]
    sections = [
        f"# {report.engine} on these clips",
        f"{counts.clips} clips ({counts.originals} originals, {counts.short_clips} shorter than a window) of "
        f"{counts.drivers} drivers on {counts.targets} targets; {'; '.join(kinds)}.",
        "Scores run frame by frame through the exported engine, as in the guard, and compare by cosine. Intervals are "
        "95 %, over drivers. *AUC per target* is the published definition (NVFAIR Eq. 6), *pooled* puts all targets "
        "into one ROC; they must not be compared with each other.",
        report.table(),
        "\n".join(f"- *{row.name}*: {row.about}" for row in report.rows if not row.missing),
        *(["## Operating points", row_table(measured)] if measured else []),
        *(["![ROC and DET](roc_det.png)"] if drawn else []),
        *([clip_calls_markdown(report.calls)] if report.calls else []),
    ]
    return "\n\n".join(sections) + "\n"
