"""One clip as an engine takes it, cut once and kept on disk: 128x128 full-range luma, by the live path's functions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from engines.pacer import MAX_STEP_INTERVALS, divisor
from engines.pixels import CropBox, crop_frame
from engines.protocol import FRAME_SIZE_PX
from training.data.array_file import save_arrays
from training.data.framing import Framing
from training.data.manifest import ManifestRow
from training.data.strict_decoding import decoded_luma
from training.errors import DataError


@dataclass(frozen=True, slots=True)
class LumaClip:
    """frames: uint8 (T, 128, 128), 0-255. seconds: float64 (T,), media time from the first frame. box: in the video."""

    frames: NDArray[np.uint8]
    seconds: NDArray[np.float64]
    box: CropBox

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def fps(self) -> float:
        """From the median interval."""
        return float(1 / np.median(np.diff(self.seconds)))

    @property
    def continues(self) -> NDArray[np.bool_]:
        """bool (T,): whether a difference with the frame before makes sense, as an engine's `step` wants it."""
        intervals = np.diff(self.seconds)
        return np.concatenate([[False], intervals <= MAX_STEP_INTERVALS * np.median(intervals)])

    def window(self, start: int, frames: int) -> NDArray[np.uint8]:
        """uint8 (frames, 128, 128). Raises DataError where it reaches over an end or a break; nothing is padded."""
        if start < 0 or start + frames > len(self):
            raise DataError(f"a window of {frames} frames from frame {start} does not fit a clip of {len(self)}")
        if not self.continues[start + 1 : start + frames].all():
            raise DataError(f"a window of {frames} frames from frame {start} reaches over a gap in time")
        return self.frames[start : start + frames]

    def save(self, path: Path) -> None:
        """Write what `load` reads."""
        path.parent.mkdir(parents=True, exist_ok=True)
        box = np.array([self.box.x, self.box.y, self.box.side])
        save_arrays(path, {"frames": self.frames, "seconds": self.seconds, "box": box})

    @classmethod
    def load(cls, path: Path) -> LumaClip:
        """Raises DataError for a file that holds no clip."""
        try:
            with path.open("rb") as file, np.load(file) as arrays:
                frames, seconds, box = arrays["frames"], arrays["seconds"], arrays["box"]
                if frames.shape != (len(seconds), FRAME_SIZE_PX, FRAME_SIZE_PX) or frames.dtype != np.uint8:
                    raise ValueError(f"frames {frames.shape} {frames.dtype} at {len(seconds)} times")
                return cls(frames, seconds, CropBox(*box.tolist()))
        except (OSError, ValueError, TypeError, KeyError, EOFError, BadZipFile) as error:
            raise DataError(f"{path} holds no clip ({error}); delete it and prepare again") from error


def cut_clip(file: Path, row: ManifestRow, framing: Framing) -> LumaClip:
    """Decode, cut and pace a video. Raises DataError for one that cannot be used whole."""
    crops: list[NDArray[np.uint8]] = []
    seconds: list[float] = []
    frame = box = None
    for time, luma in decoded_luma(file):
        if frame is None:
            frame = framing.frame(row, luma.width_px, luma.height_px)
        seconds.append(time)
        box = frame.at(time - seconds[0], luma)
        crops.append(crop_frame(luma, box))
    if frame is None or box is None or len(crops) < 2:
        raise DataError(f"has {len(crops)} frames; motion needs two")
    frame.finish(len(crops))
    times = np.array(seconds) - seconds[0]
    kept = slice(None, None, thinning(times))
    return LumaClip(np.stack(crops[kept]), times[kept], box)


def thinning(seconds: NDArray[np.float64]) -> int:
    """Every how many-th frame the live path takes of a steady stream with these times."""
    return divisor(float(1 / np.median(np.diff(seconds))))
