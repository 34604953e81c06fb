"""From a manifest to a folder of clips that training and evaluation read: `clips/`, `manifest.csv`, `refused.csv`.

A run that was ended goes on where it stopped. Files that cannot be used are listed with the reason.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import cv2

from engines import pixels
from engines.protocol import FRAME_SIZE_PX
from training.data.framing import Framing
from training.data.layouts.avaprintdb import read_avaprintdb
from training.data.layouts.folder import read_folder
from training.data.layouts.nvfair import read_nvfair
from training.data.layouts.tree import FoundClips
from training.data.luma_clip import cut_clip
from training.data.manifest import Manifest, ManifestRow, read_manifest, write_manifest
from training.data.recipe import RECIPE, refuse_foreign
from training.data.refusals import Refusal, write_refusals
from training.errors import DataError

LAYOUTS: Mapping[str, Callable[[Path], FoundClips]] = {
    "folder": read_folder,
    "nvfair": read_nvfair,
    "avaprintdb": read_avaprintdb,
}
MANIFEST, REFUSED = "manifest.csv", "refused.csv"
_SHOWN_REFUSALS = 10


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a run came to. rows: of the prepared manifest, whose paths are cut clips."""

    rows: tuple[ManifestRow, ...]
    made: int
    frames: int
    """In the clips that this run made."""
    refused: tuple[Refusal, ...]

    def table(self) -> str:
        """Drivers and clips of each split."""
        clips = Counter(row.split for row in self.rows)
        drivers = Counter(split for split, _ in {(row.split, row.driver) for row in self.rows})
        return "\n".join(f"{split:5s} {drivers[split]:5d} drivers {clips[split]:7d} clips" for split in clips)

    def first_refusals(self) -> str:
        """The first few refused files with their reasons, and how many more there are."""
        lines = [f"  {refusal.path}: {refusal.why}" for refusal in self.refused[:_SHOWN_REFUSALS]]
        more = len(self.refused) - _SHOWN_REFUSALS
        return "\n".join([*lines, f"  and {more} more"] if more > 0 else lines)


def find_clips(manifest: Path | None, layout: str | None, root: Path | None) -> FoundClips:
    """The clips of a manifest file or of a folder in a known layout. Raises DataError where it is not just one."""
    if manifest is not None and layout is None:
        return FoundClips(read_manifest(manifest, root))
    if manifest is not None or layout is None:
        raise DataError("give either --manifest or --layout: what lists the clips?")
    if layout not in LAYOUTS:
        raise DataError(f"unknown layout {layout!r}; known are {', '.join(LAYOUTS)}")
    if root is None:
        raise DataError("--layout needs --root, the folder that is laid out so")
    return LAYOUTS[layout](root)


def prepare(found: FoundClips, framing: Framing, out: Path, threads: int, advance: Callable[[int], None]) -> Prepared:
    """Cut every clip that `out` does not hold yet. advance: told how many clips are through, kept ones included.

    Raises DataError where `out` holds something else or no clip can be used; both leave what is there as it is.
    """
    manifest = found.manifest
    _claim(out, manifest.root, framing)
    missing = [row for row in manifest.rows if not _clip_path(out, row).exists()]
    refused = {refusal.path: refusal for refusal in found.refused}
    frames = 0
    cv2.setNumThreads(1)
    pool = ThreadPoolExecutor(threads)
    try:
        outcomes = pool.map(lambda row: _make(manifest, row, framing, out), missing)
        for number, outcome in enumerate(outcomes, len(manifest.rows) - len(missing) + 1):
            if isinstance(outcome, Refusal):
                refused[outcome.path] = outcome
            else:
                frames += outcome
            advance(number)
    finally:
        pool.shutdown(cancel_futures=True)  # else Ctrl-C would first wait for all that is left
    rows = tuple(_prepared(row) for row in manifest.rows if row.path not in refused)
    listed = tuple(refused[path] for path in sorted(refused))
    write_refusals(listed, out / REFUSED)
    if not rows:
        raise DataError(f"none of {len(manifest.rows)} clips can be used; {out / REFUSED} says why")
    write_manifest(rows, out / MANIFEST)
    made = sum(row.path not in refused for row in missing)
    return Prepared(rows, made, frames, listed)


def _make(manifest: Manifest, row: ManifestRow, framing: Framing, out: Path) -> int | Refusal:
    """Cut and save one clip: its number of frames, or why not."""
    try:
        clip = cut_clip(manifest.file(row), row, framing)
    except DataError as error:
        return Refusal(row.path, str(error))
    try:
        clip.save(_clip_path(out, row))
    except OSError as error:
        raise DataError(f"cannot write to {out}: {error}; make room, then run the same command again") from error
    return len(clip)


def _clip_path(out: Path, row: ManifestRow) -> Path:
    return out / _prepared(row).path


def _prepared(row: ManifestRow) -> ManifestRow:
    """The row of the cut clip. The video's ending stays in the name: a.mp4 and a.mov are two clips."""
    return replace(row, path=f"clips/{row.path}.npz")


def _claim(out: Path, root: Path, framing: Framing) -> None:
    """Make `out` ours, or find that it is. Raises DataError where it holds something else."""
    recipe = {
        "root": str(root.resolve()),
        "framing": framing.name,
        "frame_size_px": FRAME_SIZE_PX,
        "face_to_crop": pixels.FACE_TO_CROP,
        "face_to_eyes": pixels.FACE_TO_EYES,
        "eyes_to_face_center": pixels.EYES_TO_FACE_CENTER,
    }
    path = out / RECIPE
    if path.exists():
        if path.read_text() != json.dumps(recipe):
            raise DataError(
                f"{out} holds clips of other videos, or cut in another way: see {path.name}; name another folder"
            )
        return
    refuse_foreign(out, path)
    try:
        out.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(recipe))
    except OSError as error:
        raise DataError(f"cannot write to {out}: {error}") from error
