"""`guard-train track`: the recordings of a manifest become drivers that `--data` takes.

Writes `faces/manifest.csv` and `tracks/{tracks.npz, basis.npz, index.csv}`, and lists in `refused.csv` what cannot be
used. A run that was ended goes on where it stopped: each video's track is kept in `parts/` first.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from engines.expressions.face_landmarker import LANDMARKER_SHA256, FindFace
from training.data.array_file import save_arrays
from training.data.manifest import NO_GENERATOR, Manifest, ManifestRow, write_manifest
from training.data.recipe import RECIPE, claim, refuse_foreign
from training.data.refusals import Refusal, write_refusals
from training.data.tracking import ShapeBasis, TrackedVideo, fit_basis, track_video
from training.errors import DataError

_BASIS_FRAMES = 20_000

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class TrackingResult:
    """made: videos tracked by this run. kept: by earlier ones. frames, found: of all, and those with a face."""

    made: int
    kept: int
    frames: int
    found: int
    refused: tuple[Refusal, ...]


def track_recordings(
    manifest: Manifest,
    out: Path,
    finder: Callable[[], AbstractContextManager[FindFace]],
    basis: Path | None,
    advance: Callable[[int], None],
) -> TrackingResult:
    """Track every recording (generator "none") of a manifest. finder: makes one for each video.

    basis: folder with the basis.npz to write shapes in; without one it is fitted to these recordings. Raises DataError
    where nothing is left, `out` holds tracks of other videos, or the basis cannot be read.
    """
    rows = [row for row in manifest.rows if row.generator == NO_GENERATOR]
    if not rows:
        raise DataError("the manifest lists no recording: every generator is another than 'none'")
    given = None if basis is None else read_basis(basis)
    parts, recipe = out / "parts", out / RECIPE
    refuse_foreign(out, recipe)
    claim(recipe, {"root": manifest.root.resolve(), "landmarker": LANDMARKER_SHA256}, kept=recipe.exists())
    parts.mkdir(exist_ok=True)
    made, kept = 0, 0
    usable: list[ManifestRow] = []
    refused: list[Refusal] = []
    for number, row in enumerate(rows, 1):
        try:
            part = _part(parts, _key(row))
            if part.exists():
                kept += 1
            else:
                with finder() as find:
                    _save(track_video(manifest.file(row), find), part)
                made += 1
            usable.append(replace(row, track=_key(row)))
        except DataError as error:
            refused.append(Refusal(row.path, str(error)))
        advance(number)
    write_refusals(refused, out / "refused.csv")
    if not usable:
        raise DataError(f"none of {len(rows)} recordings can be used; {out / 'refused.csv'} says why")
    frames, found = _pack(usable, parts, out, given)
    return TrackingResult(made, kept, frames, found, tuple(refused))


def read_basis(folder: Path) -> ShapeBasis:
    """Raises DataError where there is none."""
    path = folder / "basis.npz"
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            return ShapeBasis(arrays["mean"], arrays["components"])
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise DataError(f"cannot read the basis {path}: {error}") from error


def _key(row: ManifestRow) -> str:
    """source/driver/clip, as `load_tracks` takes it apart. Raises DataError for a driver that cannot stand there."""
    if "/" in row.driver:
        raise DataError(f"its driver {row.driver!r} has a '/' in the name")
    return f"{row.source.replace('/', '~')}/{row.driver}/{row.path.replace('/', '~')}"


def _part(parts: Path, key: str) -> Path:
    return parts / f"{key.replace('/', '~')}.npz"


def _pack(rows: Sequence[ManifestRow], parts: Path, out: Path, basis: ShapeBasis | None) -> tuple[int, int]:
    """Write the folder that `--data` takes from the parts; how many frames there are, and how many with a face."""
    files = [_part(parts, row.track) for row in rows]
    basis = basis or fit_basis(_drawn(files))
    arrays: dict[str, Array] = {}
    index: list[tuple[object, ...]] = [("key", "frames", "tracked", "fps", "width", "height", "session")]
    frames = found = 0
    for row, file in zip(rows, files, strict=True):
        video = _load(file)
        tracked = int(video.ok.sum())
        frames, found = frames + len(video.ok), found + tracked
        index.append((row.track, len(video.ok), tracked, round(video.fps, 4), *video.size, row.session))
        coefficients = np.where(video.ok[:, None], basis.coefficients(video.shape), 0).astype(np.float16)
        arrays[f"{row.track}|shape"] = coefficients
        arrays |= {f"{row.track}|{name}": value for name, value in _arrays(video).items() if name != "shape"}
    folder = out / "tracks"
    folder.mkdir(exist_ok=True)
    (out / "faces").mkdir(exist_ok=True)
    save_arrays(folder / "tracks.npz", arrays, compressed=True)
    save_arrays(folder / "basis.npz", {"mean": basis.mean, "components": basis.components}, compressed=True)
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as listed:
        csv.writer(listed, lineterminator="\n").writerows(index)
    write_manifest(rows, out / "faces" / "manifest.csv")
    return frames, found


def _drawn(files: Sequence[Path]) -> NDArray[np.float32]:
    """About 20,000 shapes, as many of each video as it has at most, evenly over it."""
    most = -(-_BASIS_FRAMES // len(files))
    drawn = []
    for file in files:
        video = _load(file)
        found = video.shape[video.ok]
        drawn.append(found[np.linspace(0, len(found) - 1, min(len(found), most)).round().astype(int)])
    return np.concatenate(drawn)


def _arrays(video: TrackedVideo) -> dict[str, Array]:
    return {"shape": video.shape, "frame": video.frame, "blend": video.blend, "ok": video.ok}


def _save(video: TrackedVideo, path: Path) -> None:
    save_arrays(path, {**_arrays(video), "fps": np.array(video.fps), "size": np.array(video.size)}, compressed=True)


def _load(path: Path) -> TrackedVideo:
    with np.load(path) as arrays:
        width, height = (int(value) for value in arrays["size"])
        shape, frame, blend, ok = (arrays[name] for name in ("shape", "frame", "blend", "ok"))
        return TrackedVideo(shape, frame, blend, ok, float(arrays["fps"]), (width, height))
