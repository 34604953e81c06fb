"""Does a glance at a known face decide as the larger look does? On real clips, with boxes that are off, and covered.

    python -m tests.bench.face_glance SHARED_DATA

Every clip's first frame gives the box; every 12th frame is looked at around it, and around the same box moved, grown
and shrunk. "Wanted anew": the larger look finds that the face does not fit the box, or finds none.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from engines.face_detector import GLANCE_SHARE, GLANCE_SIDE_PX, NEAR_SIDE_PX, SlimFaceDetector, face_around
from engines.pixels import CropBox, LumaPlane, face_crop, luma_plane
from engines.stable_crop import fits

CLIPS = {"lrw_ar": 40, "liveportrait": 14, "hdtf": 14, "voxceleb2": 14, "grid": 14}
STEP, LONGEST = 12, 90
OFF = {
    "as drawn": (0.0, 0.0, 1.0),
    "10 %": (0.1, 0.05, 1.0),
    "14 %": (0.14, 0.0, 1.0),
    "17 %": (0.0, 0.17, 1.0),
    "25 %": (0.25, 0.1, 1.0),
    "1.2 times too small": (0.0, 0.0, 1 / 1.2),
    "1.35 times too small": (0.0, 0.0, 1 / 1.35),
    "1.35 times too large": (0.0, 0.0, 1.35),
}
"""The box against the one of the first frame: moved across and down, in sides, and its side."""

Pixels = NDArray[np.uint8]


def pictures(shared_data: Path, rng: np.random.Generator) -> Iterator[tuple[LumaPlane, CropBox]]:
    """Frames of real clips, and the box that their first frame gives."""
    with (shared_data / "faces" / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for source, count in CLIPS.items():
        own = [row for row in rows if row["source"] == source]
        for number in rng.permutation(len(own))[:count]:
            with av.open(str(shared_data / own[number]["path"])) as container:
                frames = [luma_plane(frame) for frame in islice(container.decode(video=0), 0, LONGEST + 1, STEP)]
                face = SlimFaceDetector().detect(frames[0])
                if face is not None:
                    yield from ((luma, face_crop(face)) for luma in frames)


def shifted(box: CropBox, across: float, down: float, size: float) -> CropBox:
    """The box, as `OFF` says."""
    side = max(1, round(box.side * size))
    rim = (box.side - side) / 2
    return CropBox(round(box.x + box.side * across + rim), round(box.y + box.side * down + rim), side)


def covers(rng: np.random.Generator) -> dict[str, Callable[[Pixels], None]]:
    """What may lie over a face; each changes the pixels of the box in place."""

    def blank(part: Pixels) -> None:
        part[:] = rng.integers(16, 235)

    def hand(part: Pixels) -> None:
        height, width = part.shape
        grey = int(rng.integers(60, 200))
        cv2.ellipse(part, (width // 2, height * 6 // 10), (width * 35 // 100, height * 3 // 10), 0, 0, 360, grey, -1)

    def noise(part: Pixels) -> None:
        part[:] = rng.integers(16, 235, part.shape)

    def brow(part: Pixels) -> None:
        blank(part[: part.shape[0] * 55 // 100])

    def shuffle(part: Pixels) -> None:
        side = min(part.shape) // 4
        places = [
            (slice(y, y + side), slice(x, x + side)) for y in range(0, 4 * side, side) for x in range(0, 4 * side, side)
        ]
        blocks = [part[place].copy() for place in places]
        for place, number in zip(places, rng.permutation(len(places)), strict=True):
            part[place] = blocks[number]

    return {"hand": hand, "blank": blank, "noise": noise, "brow": brow, "shuffled": shuffle}


def main(shared_data: Path) -> None:
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    off, covered = {kind: Counter[str]() for kind in OFF}, Counter[str]()
    for luma, box in pictures(shared_data, rng):
        for kind, how in OFF.items():
            moved = shifted(box, *how)
            look, glance = (face_around(moved, luma, side) for side in (NEAR_SIDE_PX, GLANCE_SIDE_PX))
            content = glance is not None and fits(moved, glance, GLANCE_SHARE)
            wanted = "wanted anew" if look is None or not fits(moved, look) else "fits"
            off[kind][f"{wanted}, glance {'content' if content else 'not content'}"] += 1
        for cover in covers(rng).values():
            pixels = luma.pixels.copy()
            cover(pixels[max(box.y, 0) : box.y + box.side, max(box.x, 0) : box.x + box.side])
            hidden = LumaPlane(pixels, luma.full_range)
            look, glance = (face_around(box, hidden, side) for side in (NEAR_SIDE_PX, GLANCE_SIDE_PX))
            covered[f"look {look is not None}, glance {glance is not None}"] += 1
    for kind, counts in off.items():
        print(f"{kind}: {dict(sorted(counts.items()))}")  # noqa: T201
    print(f"all: {dict(sorted(sum(off.values(), Counter()).items()))}")  # noqa: T201
    print(f"covered faces that are found all the same: {dict(sorted(covered.items()))}")  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
