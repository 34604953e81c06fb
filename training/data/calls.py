"""Painted faces as the other end of a call gets them: a webcam picture, a real VP8 encoder, the live path's crop.

The simulated call of `channel.py` is cheap enough for every training step and only an approximation. Scores that a
guard's verdict rests on are fitted and measured on what really comes out of a decoder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from itertools import islice
from multiprocessing import get_context
from typing import TypeVar

import av
import cv2
import numpy as np
from av.video.frame import PictureType
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from engines.pixels import CropBox, crop_frame, crop_from_eyes, luma_plane
from training.drivers.performance import Performance
from training.drivers.seeds import SeedSplit, split_seeds, stream
from training.puppets.player import PuppetPlayer

FPS = 30
BITRATES_BPS = (300_000, 500_000, 800_000)
"""What browsers settle on for a talking head of 640x360."""

_KEYFRAME_EVERY = 3000
"""WebRTC encoders send keyframes when asked, not by the clock."""
_LOSS_STREAM = 7


_Arrived = TypeVar("_Arrived")

Eyes = tuple[tuple[float, float], float]
"""The point between the outer eye corners and their distance, in pixels."""


@dataclass(frozen=True, slots=True)
class CallQuality:
    """What camera and link allow, and how the face lies in its crop.

    size: of the picture in pixels; the outer eye corners are a 4.2th of its height apart. lost_share: of the encoded
    frames, each by its own draw, so about packet loss times packets a frame. recovery_seconds: from a loss to the
    keyframe that the receiver asks for; it decodes nothing in between and the picture stands still. beside: how far to
    a side of the crop's middle the face sits, in eye distances. nearer: how many times as wide it is as expected there.
    """

    bitrate_bps: int = 500_000
    fps: int = FPS
    size: tuple[int, int] = (640, 360)
    lost_share: float = 0.0
    recovery_seconds: float = 0.3
    beside: float = 0.0
    nearer: float = 1.0

    @property
    def link(self) -> CallQuality:
        """The same, whatever the framing: what decides which frames arrive."""
        return replace(self, beside=0.0, nearer=1.0)


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
        bitrate = BITRATES_BPS[(self.face + self.driver + self.take) % len(BITRATES_BPS)]
        quality = self.quality or CallQuality(bitrate)
        pictures, eyes = self._performed(quality)
        return _received(self._sent(pictures, quality), framed(eyes, quality))

    def through(self, qualities: Sequence[CallQuality]) -> tuple[Received, ...]:
        """The same performance in each of several calls, in their order, whatever this recording's own quality is.

        Pictures of one rate and size, which take most of the time, are painted once, and sent once over each link; they
        are kept meanwhile, 20 MB for a second of 640x360.
        """
        arrived: dict[CallQuality, Received] = {}
        for first in qualities:
            if first not in arrived:
                pictures, eyes = self._performed(first)
                shown = list(pictures)
                alike = [one for one in qualities if (one.fps, one.size) == (first.fps, first.size)]
                for link in dict.fromkeys(one.link for one in alike):
                    frames = self._sent(iter(shown), link)
                    arrived |= {one: _received(frames, framed(eyes, one)) for one in alike if one.link == link}
        return tuple(arrived[quality] for quality in qualities)

    def landmarks(self, frames: int) -> NDArray[np.float32]:
        """The exact motion behind the first frames of a good call, (frames, 95, 2), in face units."""
        performance = Performance(self._seeds[1], FPS, self.take)
        return np.stack([moved for moved, _ in islice(performance, frames)])

    @property
    def _seeds(self) -> tuple[int, int]:
        """Of the face and of the driver."""
        return split_seeds(self.split, self.face + 1)[-1], split_seeds(self.split, self.driver + 1)[-1]

    def _performed(self, quality: CallQuality) -> tuple[Iterator[NDArray[np.uint8]], Eyes]:
        """What the camera sees, and where the eyes are in it."""
        cv2.setNumThreads(1)
        player = PuppetPlayer(*self._seeds, self.take, quality.fps, quality.size)
        eyes = player.eye_center_px, player.eye_distance_px
        return islice(player, round(self.seconds * quality.fps)), eyes

    def _sent(self, pictures: Iterator[NDArray[np.uint8]], quality: CallQuality) -> list[tuple[av.VideoFrame, bool]]:
        return list(through_call(pictures, quality, stream(_LOSS_STREAM, *self._seeds, self.take)))


def _received(frames: Sequence[tuple[av.VideoFrame, bool]], box: CropBox) -> Received:
    crops = np.stack([crop_frame(luma_plane(frame), box) for frame, _ in frames])
    return Received(crops, np.array([continues for _, continues in frames]))


def framed(eyes: Eyes, quality: CallQuality) -> CropBox:
    """The live path's crop of a face, or one that the face has moved in since the crop came to stand still."""
    (x, y), distance = eyes
    seen = distance / quality.nearer
    return crop_from_eyes((x - quality.beside * seen, y), seen)


def crops_of(recordings: Sequence[Recording], processes: int) -> Iterator[NDArray[np.uint8]]:
    """The crops of each recording, in order; about 15 ms a frame and process."""
    return (received.crops for received in received_of(recordings, processes))


def received_of(recordings: Sequence[Recording], processes: int) -> Iterator[Received]:
    """What arrives of each recording, in order."""
    return _each(Recording.received, recordings, processes)


def received_through(
    recordings: Sequence[Recording], qualities: Sequence[CallQuality], processes: int
) -> Iterator[tuple[Received, ...]]:
    """What arrives of each recording in each of several calls, recording by recording."""
    return _each(partial(Recording.through, qualities=qualities), recordings, processes)


def _each(of: Callable[[Recording], _Arrived], recordings: Sequence[Recording], processes: int) -> Iterator[_Arrived]:
    if processes == 1:
        yield from (of(recording) for recording in recordings)
        return
    # Not forked: torch's threads would not survive it.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(of, recordings)


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
    # One for all frames, and in this thread: another for each frame would start as many threads as there are cores.
    reformatter = VideoReformatter()
    recovery_frames = max(1, round(quality.recovery_seconds * quality.fps))
    keyframe_at: int | None = None
    broken = False
    for number, picture in enumerate(pictures):
        shown = av.VideoFrame.from_ndarray(picture, format="bgr24")
        frame = reformatter.reformat(shown, format="yuv420p", threads=1)
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
