"""Where to look: a crop box that stands still while the face stays inside it.

Following the face frame by frame would write the detector's jitter into the differences of consecutive frames, which
are the very signal. So the box moves rarely, and each move starts a new generation that nothing is compared across.
"""

from __future__ import annotations

from collections.abc import Callable

from engines.pixels import CropBox, FaceBox, face_crop

INNER_REACH = 0.15
"""The face's centre may stray this far from the crop's, as a share of the crop's side, before the box follows. A face
is two thirds of the crop, so it is then still whole."""

SIZE_RATIO = 1.3
"""The box is drawn anew when the face has grown or shrunk by more than this."""

LOOK_SECONDS = 1.0
"""Media time between two looks for a face that is where it should be."""

SEARCH_SECONDS = 0.2
"""Media time between two looks for a face that was missed."""

MIN_FRAMES_PER_LOOK = 5
"""Looks cost more than anything else here; a sender with odd time stamps cannot make them more frequent than this, nor,
by standing still, rarer than"""
MAX_FRAMES_PER_LOOK = 90

LOST_MISSES = 6
"""So many looks in a row without a face, about a second, and the face is lost."""

SAME_ASPECT = 0.02
"""Frames of two sizes show the same picture when their aspect ratios differ by less than this share."""

MAX_SIDES = 2.0
"""A crop of more than this many times the frame's longer side shows next to nothing, and takes memory by its square."""

Look = Callable[[CropBox | None], FaceBox | None]
"""Searches the current frame for a face, first around the given crop."""


class StableCrop:
    """Holds the crop box of one participant."""

    def __init__(self) -> None:
        self._box: CropBox | None = None
        self._generation = 0
        self._frame_size: tuple[int, int] | None = None
        self._looked_at: float | None = None
        self._frames_since_look = 0
        self._misses = 0

    @property
    def generation(self) -> int:
        """Grows with every box; 0 while there has been none."""
        return self._generation

    @property
    def misses(self) -> int:
        """How many of the newest looks found no face; 0 while the face is where it should be."""
        return self._misses

    def update(self, pts_seconds: float, frame_size: tuple[int, int], look: Look) -> CropBox | None:
        """The box for this frame, or None while no face is known.

        pts_seconds: media time. frame_size: width and height in pixels. look: called at most once, and not each time.
        """
        if frame_size != self._frame_size:
            self._fit_to(frame_size)
        self._frames_since_look += 1
        if self._look_is_due(pts_seconds):
            self._looked_at = pts_seconds
            self._frames_since_look = 0
            self._take(look(self._box))
        return self._box

    def _fit_to(self, frame_size: tuple[int, int]) -> None:
        """Carry the box over to a new resolution, or drop it where the picture is another one."""
        before, self._frame_size = self._frame_size, frame_size
        if before is None:
            return
        self._misses = max(self._misses, 1)  # what is left is a guess until the next look
        if self._box is None:
            return
        across, down = frame_size[0] / before[0], frame_size[1] / before[1]
        if abs(across / down - 1) < SAME_ASPECT:
            box = self._box
            self._place(CropBox(round(box.x * across), round(box.y * down), max(1, round(box.side * across))))
        else:
            self._box = None

    def _look_is_due(self, pts_seconds: float) -> bool:
        if self._looked_at is None:
            return True
        if self._frames_since_look < MIN_FRAMES_PER_LOOK:
            return False
        elapsed = pts_seconds - self._looked_at
        wait = SEARCH_SECONDS if self._misses or self._box is None else LOOK_SECONDS
        return not 0 <= elapsed < wait or self._frames_since_look >= MAX_FRAMES_PER_LOOK

    def _take(self, face: FaceBox | None) -> None:
        if face is None or not self._reasonable(face):
            self._misses += 1
            if self._misses >= LOST_MISSES:
                self._box = None
            return
        self._misses = 0
        if self._box is None or not fits(self._box, face):
            self._place(face_crop(face))

    def _reasonable(self, face: FaceBox) -> bool:
        return self._frame_size is not None and face_crop(face).side <= MAX_SIDES * max(self._frame_size)

    def _place(self, box: CropBox) -> None:
        self._box = box
        self._generation += 1


def fits(box: CropBox, face: FaceBox, share: float = 1.0) -> bool:
    """True while the face is near enough to the middle of the box, and of about the size it was drawn for.

    share: of what it may be off, for a face that is known less well than others.
    """
    most_growth = 1 + share * (SIZE_RATIO - 1)
    return stray_px(box, face) <= share * INNER_REACH * box.side and 1 / most_growth <= growth(box, face) <= most_growth


def stray_px(box: CropBox, face: FaceBox) -> float:
    """How far the face is from the middle of the box, along the axis on which it is farther."""
    center_x, center_y = face.center
    return max(abs(center_x - box.x - box.side / 2), abs(center_y - box.y - box.side / 2))


def growth(box: CropBox, face: FaceBox) -> float:
    """Size of the face over the size that the box was drawn for."""
    return face_crop(face).side / box.side
