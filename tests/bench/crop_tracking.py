"""How much of an expression is lost where the tracker gets the guard's 128x128 luma crop, not the whole colour picture.

    python -m tests.bench.crop_tracking --seconds 6 VIDEO...

Needs a tracker: GUARD_EXPRESSIONS__LANDMARKER, and GUARD_EXPRESSIONS__PYTHON where MediaPipe lies elsewhere. Every
video goes through the guard's own front end; the frames that it gives are tracked as a whole and in colour, and as
crops, enlarged or not. Printed for each way: share of frames with a face; correlation with the whole picture's signals
and blendshapes over time (the clip's median taken off; median over columns, then mean over clips with a 95 % bootstrap
interval over clips); noise, that is the robust deviation of a sample from the mean of its two neighbours, as a ratio to
the whole picture's; CPU.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from guard.bench.machine import describe_machine
from guard.calls.file import FileSource
from guard.config import VerifyConfig, load_config
from guard.errors import ConfigError, GuardError
from guard.media.front_end import FaceFrame
from guard.runtime import front_end_factory
from tests.bench import crop_tracking_child
from tests.bench.crop_tracking_child import HEADER
from tests.conftest import REPOSITORY

_FEWEST_FRAMES = 70

Picture = NDArray[np.uint8]
Floats = NDArray[np.floating]


def enlarged(factor: float, interpolation: int) -> Callable[[Picture], Picture]:
    """Of a crop, (128, 128), as the tracker wants it."""

    def make(crop: Picture) -> Picture:
        large = cv2.resize(crop, None, fx=factor, fy=factor, interpolation=interpolation)
        return np.repeat(large[..., None], 3, axis=2).astype(np.uint8, copy=False)

    return make


WAYS: dict[str, tuple[Callable[[Picture], Picture], int, str]] = {
    "crop": (enlarged(1, cv2.INTER_LINEAR), 1, "video"),
    "crop x2 linear": (enlarged(2, cv2.INTER_LINEAR), 1, "video"),
    "crop x2 cubic": (enlarged(2, cv2.INTER_CUBIC), 1, "video"),
    "crop x3 cubic": (enlarged(3, cv2.INTER_CUBIC), 1, "video"),
    "crop x2 cubic, every 2nd frame": (enlarged(2, cv2.INTER_CUBIC), 2, "video"),
    "crop, each by itself": (enlarged(1, cv2.INTER_LINEAR), 1, "image"),
}
"""Name -> how the picture is made, which share of the frames, and the landmarker's mode."""


@dataclass(frozen=True)
class Track:
    """signals (n, 17) and blendshapes (n, 52), NaN where there was no face; CPU milliseconds a frame."""

    signals: Floats
    blendshapes: Floats
    cpu_ms: float


def face_frames(video: Path, seconds: float) -> tuple[list[Picture], list[Picture], list[float]]:
    """Whole pictures, crops and times of what the guard's front end gives."""
    front_end = front_end_factory(VerifyConfig())()
    wholes, crops, times = [], [], []
    for frame in FileSource(video):
        if frame.pts_seconds > seconds:
            break
        face = front_end.process(frame)
        if isinstance(face, FaceFrame):
            wholes.append(frame.image.to_ndarray(format="rgb24").astype(np.uint8, copy=False))
            crops.append(face.pixels)
            times.append(face.pts_seconds)
    return wholes, crops, times


def tracked(pictures: Sequence[Picture], times: Sequence[float], mode: str) -> Track:
    """By a process with MediaPipe in it."""
    settings = load_config().expressions
    if settings.landmarker is None:
        raise ConfigError("set GUARD_EXPRESSIONS__LANDMARKER (and GUARD_EXPRESSIONS__PYTHON)")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "track.npz"
        words = [str(settings.python or sys.executable), crop_tracking_child.__file__, str(REPOSITORY)]
        child = subprocess.Popen(
            [*words, str(settings.landmarker), mode, str(out)], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert child.stdin is not None
        for picture, time in zip(pictures, times, strict=True):
            child.stdin.write(HEADER.pack(time, *picture.shape[:2]) + np.ascontiguousarray(picture).tobytes())
        child.stdin.close()
        if child.wait() != 0:
            raise ConfigError("the tracker failed; see 'guard doctor'")
        with np.load(out) as arrays:
            return Track(arrays["signals"], arrays["blendshapes"], float(arrays["cpu_ms"]))


def noise(series: Floats) -> Floats:
    """Of every column (n, C): (C,)."""
    residue = series[1:-1] - (series[:-2] + series[2:]) / 2
    return np.asarray(1.4826 * np.nanmedian(np.abs(residue), axis=0) / np.sqrt(1.5))


def alike(whole: Floats, other: Floats) -> tuple[float, float]:
    """Median over columns of the correlation, and of the ratio of noise."""
    both = np.isfinite(whole).all(axis=1) & np.isfinite(other).all(axis=1)
    a, b = (series[both] - np.median(series[both], axis=0) for series in (whole, other))
    with np.errstate(all="ignore"):
        correlation = (a * b).mean(0) / np.sqrt((a * a).mean(0) * (b * b).mean(0))
        ratio = noise(b) / noise(a)
    return float(np.nanmedian(correlation)), float(np.nanmedian(ratio[np.isfinite(ratio)]))


def interval(values: Sequence[float]) -> str:
    draws = np.random.default_rng(0).choice(np.asarray(values), (10_000, len(values))).mean(axis=1)
    low, high = np.percentile(draws, (2.5, 97.5))
    return f"{np.mean(values):.3f} [{low:.3f}, {high:.3f}]"


def compared(videos: Sequence[Path], seconds: float) -> Iterator[dict[str, tuple[Track, Track]]]:
    """For each video with enough of a face: each way's track, beside the whole picture's on the same frames."""
    for video in videos:
        wholes, crops, times = face_frames(video, seconds)
        if len(times) < _FEWEST_FRAMES:
            continue
        whole = tracked(wholes, times, "video")
        found = {}
        for name, (make, step, mode) in WAYS.items():
            other = tracked([make(crop) for crop in crops[::step]], times[::step], mode)
            found[name] = (Track(whole.signals[::step], whole.blendshapes[::step], whole.cpu_ms), other)
        yield found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", type=Path, nargs="+")
    parser.add_argument("--seconds", type=float, default=6.0)
    arguments = parser.parse_args()
    clips = list(compared(arguments.videos, arguments.seconds))
    frames = sum(len(clip["crop"][0].signals) for clip in clips)
    print(f"{describe_machine()}, load {os.getloadavg()[0]:.1f}; {len(clips)} clips, {frames} frames")  # noqa: T201
    print(f"whole picture: {np.mean([clip['crop'][0].cpu_ms for clip in clips]):.1f} ms of CPU a frame")  # noqa: T201
    for name in WAYS:
        pairs = [clip[name] for clip in clips]
        signals = [alike(whole.signals, other.signals) for whole, other in pairs]
        blendshapes = [alike(whole.blendshapes, other.blendshapes) for whole, other in pairs]
        found = np.mean(np.concatenate([np.isfinite(other.signals).all(axis=1) for _, other in pairs]))
        print(  # noqa: T201
            f"{name}: face in {found:.2%}; signals r {interval([r for r, _ in signals])}, "
            f"noise x{np.mean([ratio for _, ratio in signals]):.2f}; blendshapes r "
            f"{interval([r for r, _ in blendshapes])}, noise x{np.mean([ratio for _, ratio in blendshapes]):.2f}; "
            f"{np.mean([other.cpu_ms for _, other in pairs]):.1f} ms of CPU a frame"
        )


if __name__ == "__main__":
    try:
        main()
    except GuardError as error:
        sys.exit(f"error: {error}")
