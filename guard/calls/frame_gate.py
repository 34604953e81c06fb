"""Which encoded frames may reach the decoder: no oversize picture, no backlog, nothing before a keyframe."""

from __future__ import annotations

from enum import Enum

from guard.calls.frame_size import CodedSize, FrameHeader

# More than this many frames waiting means that the decoder does not keep up. A filled hole lets out at once what came
# in a quarter of a second, which is 15 frames at 60 a second.
MAX_DECODER_BACKLOG = 20
_MACROBLOCK_PX = 16


class Verdict(Enum):
    """What is to happen with an encoded frame."""

    DECODE = "decode"
    SKIP = "skip"
    """Leave it out and ask the sender for a keyframe."""
    OVERSIZE = "oversize"
    """Larger than this guard accepts: the stream must end."""


class FrameGate:
    """Judges the encoded frames of one stream in order. Pure; not thread-safe.

    After anything was lost, only a keyframe opens the gate again: a picture that refers to a missing one is
    smeared, and the smear would move into the frame differences.
    """

    def __init__(self, max_width_px: int, max_height_px: int) -> None:
        self._max_width_px = _whole_macroblocks(max_width_px)
        self._max_height_px = _whole_macroblocks(max_height_px)
        self._awaits_keyframe = True

    def lost(self) -> None:
        """Something of the stream is missing: wait for a keyframe."""
        self._awaits_keyframe = True

    def judge(self, header: FrameHeader, backlog: int, *, follows: bool = True) -> Verdict:
        """Judge the next encoded frame.

        backlog: frames that wait for the decoder.
        follows: nothing is missing right before it; otherwise it may itself be cut in front.
        """
        self._awaits_keyframe |= not follows
        is_whole = follows or header.at_start
        if any(self._is_oversize(size) for size in header.sizes):
            self._awaits_keyframe = True
            return Verdict.OVERSIZE
        if backlog > MAX_DECODER_BACKLOG:
            self._awaits_keyframe = True
            return Verdict.SKIP
        if not header.coded and is_whole:
            return Verdict.DECODE
        if header.keyframe and is_whole:
            self._awaits_keyframe = False
        return Verdict.SKIP if self._awaits_keyframe else Verdict.DECODE

    def _is_oversize(self, size: CodedSize) -> bool:
        return size.width_px > self._max_width_px or size.height_px > self._max_height_px


def _whole_macroblocks(length_px: int) -> int:
    """1080 lines are coded as 1088: a limit holds for whole macroblocks."""
    return -(-length_px // _MACROBLOCK_PX) * _MACROBLOCK_PX
