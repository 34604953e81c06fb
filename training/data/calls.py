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
from av.video.frame import PictureType
from numpy.typing import NDArray

from engines.pixels import crop_frame, crop_from_eyes, luma_plane
from training.drivers.seeds import SeedSplit, split_seeds, stream
from training.puppets.player import PuppetPlayer

FPS = 30
BITRATES_BPS = (300_000, 500_000, 800_000)
"""What browsers settle on for a talking head of 640x360."""

_KEYFRAME_EVERY = 3000
"""WebRTC encoders send keyframes when asked, not by the clock."""
_LOSS_STREAM = 7


@dataclass(frozen=True, slots=True)
class CallQuality:
    """What camera and link allow.

    size: of the picture in pixels; the outer eye corners are a 4.2th of its height apart. lost_share: of the encoded
    frames, each by its own draw, so about packet loss times packets a frame. recovery_seconds: from a loss to the
    keyframe that the receiver asks for; it decodes nothing in between and the picture stands still.
    """

    bitrate_bps: int = 500_000
    fps: int = FPS
    size: tuple[int, int] = (640, 360)
    lost_share: float = 0.0
    recovery_seconds: float = 0.3


@dataclass(frozen=True, slots=True)
class Received:
    """What the engine would see: crops uint8 (T, 128, 128); continues bool (T,), False after frames that were lost."""

    crops: NDArray[np.uint8]
    continues: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Recording:
    """One participant for some seconds. face, driver: places within the split's seeds.

    quality: None = a good call at one of `BITRATES_BPS`.
    """

    split: SeedSplit
    face: int
    driver: int
    take: int
    seconds: float
    quality: CallQuality | None = None

    def crops(self) -> NDArray[np.uint8]:
        """What the engine would see: uint8 (T, 128, 128)."""
        return self.received().crops

    def received(self) -> Received:
        """The same with what was lost on the way."""
        cv2.setNumThreads(1)
        face, driver = split_seeds(self.split, self.face + 1)[-1], split_seeds(self.split, self.driver + 1)[-1]
        bitrate = BITRATES_BPS[(self.face + self.driver + self.take) % len(BITRATES_BPS)]
        quality = self.quality or CallQuality(bitrate)
        player = PuppetPlayer(face, driver, self.take, quality.fps, quality.size)
        box = crop_from_eyes(player.eye_center_px, player.eye_distance_px)
        pictures = islice(player, round(self.seconds * quality.fps))
        arrived = list(through_call(pictures, quality, stream(_LOSS_STREAM, face, driver, self.take)))
        crops = np.stack([crop_frame(luma_plane(frame), box) for frame, _ in arrived])
        return Received(crops, np.array([continues for _, continues in arrived]))


def crops_of(recordings: Sequence[Recording], processes: int) -> Iterator[NDArray[np.uint8]]:
    """The crops of each recording, in order; about 15 ms a frame and process."""
    return (received.crops for received in received_of(recordings, processes))


def received_of(recordings: Sequence[Recording], processes: int) -> Iterator[Received]:
    """What arrives of each recording, in order."""
    if processes == 1:
        yield from (recording.received() for recording in recordings)
        return
    # Not forked: torch's threads would not survive it.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(Recording.received, recordings)


def through_vp8(pictures: Iterator[NDArray[np.uint8]], bitrate_bps: int) -> Iterator[av.VideoFrame]:
    """BGR pictures, uint8 (height, width, 3), as a receiver decodes them when nothing is lost."""
    return (frame for frame, _ in through_call(pictures, CallQuality(bitrate_bps), np.random.default_rng()))


def through_call(
    pictures: Iterator[NDArray[np.uint8]], quality: CallQuality, random: np.random.Generator
) -> Iterator[tuple[av.VideoFrame, bool]]:
    """The frames that a receiver decodes, each with whether it follows on the one before.

    The encoder is set as browsers set it. As in the guard, nothing is decoded from a loss to the next keyframe: a
    picture that refers to a missing one is smeared.
    """
    encoder, decoder = _encoder(quality), _decoder()
    recovery_frames = max(1, round(quality.recovery_seconds * quality.fps))
    keyframe_at: int | None = None
    broken = False
    for number, picture in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format="yuv420p")
        frame.pts = number
        if number == 0:
            encoder.width, encoder.height = frame.width, frame.height
        if number == keyframe_at:
            frame.pict_type = PictureType.I
        for packet in encoder.encode(frame):
            if quality.lost_share > 0 and number > 0 and random.random() < quality.lost_share:
                broken, keyframe_at = True, number + recovery_frames
            elif not broken or packet.is_keyframe:
                for decoded in decoder.decode(packet):
                    yield decoded, not broken
                broken = False


def _encoder(quality: CallQuality) -> av.VideoCodecContext:
    encoder: av.VideoCodecContext = av.CodecContext.create("libvpx", "w")
    encoder.thread_count = 1
    encoder.pix_fmt = "yuv420p"
    encoder.framerate = Fraction(quality.fps)
    encoder.time_base = Fraction(1, quality.fps)
    encoder.bit_rate = quality.bitrate_bps
    encoder.gop_size = _KEYFRAME_EVERY
    # A negative speed is a fixed one; from 0 up libvpx fits its speed to the machine's load, and no clip repeats.
    encoder.options = {"deadline": "realtime", "cpu-used": "-6", "auto-alt-ref": "0", "lag-in-frames": "0"}
    return encoder


def _decoder() -> av.VideoCodecContext:
    decoder: av.VideoCodecContext = av.CodecContext.create("vp8", "r")
    decoder.thread_count = 1
    return decoder
