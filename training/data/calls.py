"""Painted faces as the other end of a call gets them: a webcam picture, a real VP8 encoder, the live path's crop.

The simulated call of `channel.py` is cheap enough for every training step and only an approximation. Scores that a
guard's verdict rests on are fitted and measured on what really comes out of a decoder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from multiprocessing import get_context

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from engines.pixels import crop_frame, crop_from_eyes, luma_plane
from training.drivers.seeds import SeedSplit, split_seeds
from training.puppets.player import PuppetPlayer

FPS = 30
BITRATES_BPS = (300_000, 500_000, 800_000)
"""What browsers settle on for a talking head of 640x360."""

_KEYFRAME_EVERY = 3000
"""WebRTC encoders send keyframes when asked, not by the clock."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One participant for some seconds. face, driver: places within the split's seeds."""

    split: SeedSplit
    face: int
    driver: int
    take: int
    seconds: float

    def crops(self) -> NDArray[np.uint8]:
        """What the engine would see: uint8 (T, 128, 128)."""
        cv2.setNumThreads(1)
        face, driver = split_seeds(self.split, self.face + 1)[-1], split_seeds(self.split, self.driver + 1)[-1]
        player = PuppetPlayer(face, driver, self.take, FPS)
        box = crop_from_eyes(player.eye_center_px, player.eye_distance_px)
        bitrate = BITRATES_BPS[(self.face + self.driver + self.take) % len(BITRATES_BPS)]
        received = through_vp8(islice(player, round(self.seconds * FPS)), bitrate)
        return np.stack([crop_frame(luma_plane(frame), box) for frame in received])


def crops_of(recordings: Sequence[Recording], processes: int) -> Iterator[NDArray[np.uint8]]:
    """The crops of each recording, in order; about 15 ms a frame and process."""
    if processes == 1:
        yield from (recording.crops() for recording in recordings)
        return
    # Not forked: torch's threads would not survive it.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(Recording.crops, recordings)


def through_vp8(pictures: Iterator[NDArray[np.uint8]], bitrate_bps: int) -> Iterator[av.VideoFrame]:
    """BGR pictures, uint8 (height, width, 3), as a receiver decodes them; the encoder is set as browsers set it."""
    encoder: av.VideoCodecContext = av.CodecContext.create("libvpx", "w")
    decoder: av.VideoCodecContext = av.CodecContext.create("vp8", "r")
    decoder.thread_count = encoder.thread_count = 1
    encoder.pix_fmt = "yuv420p"
    encoder.framerate = Fraction(FPS)
    encoder.time_base = Fraction(1, FPS)
    encoder.bit_rate = bitrate_bps
    encoder.gop_size = _KEYFRAME_EVERY
    # A negative speed is a fixed one; from 0 up libvpx fits its speed to the machine's load, and no clip repeats.
    encoder.options = {"deadline": "realtime", "cpu-used": "-6", "auto-alt-ref": "0", "lag-in-frames": "0"}
    for number, picture in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format="yuv420p")
        frame.pts = number
        if number == 0:
            encoder.width, encoder.height = frame.width, frame.height
        for packet in encoder.encode(frame):
            yield from decoder.decode(packet)
    for packet in encoder.encode(None):
        yield from decoder.decode(packet)
    yield from decoder.decode(None)
