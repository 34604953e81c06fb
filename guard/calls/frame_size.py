"""Headers of encoded frames, read before a decoder sees them: picture size, keyframe or not.

A VP8 keyframe of a few bytes that announces 16383x16383 makes libvpx take almost a gigabyte, so the size is
judged first. VP8: RFC 6386 section 9.1. H.264: ITU-T H.264 sections 7.3.2.1 and 7.4.2.1.
"""

from __future__ import annotations

from dataclasses import dataclass

_VP8_START_CODE = b"\x9d\x01\x2a"
_NAL_START_CODE = b"\x00\x00\x01"
_NAL_SLICES = range(1, 6)
_NAL_IDR = 5
_NAL_SPS = 7
_NAL_DELIMITER = 9
# Far longer than any real sequence parameter set; what follows (VUI) does not change the size.
_SPS_BYTES = 512
# A slice for every row of macroblocks in 1080p, and as much again.
_MAX_NAL_UNITS = 256
_MAX_PARAMETER_SETS = 32
_PROFILES_WITH_CHROMA_FORMAT = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244})


@dataclass(frozen=True, slots=True)
class CodedSize:
    """The picture that a decoder would have to hold, in pixels, before cropping."""

    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """What the first bytes of an encoded frame say."""

    keyframe: bool
    sizes: tuple[CodedSize, ...]
    """Every size that the frame announces; empty where it goes on with an earlier one."""
    at_start: bool
    """True where the data certainly begin where the frame begins: a keyframe that is not cut in front."""
    coded: bool = True
    """False for H.264 parameter sets without any picture."""
    shown: bool = True
    """False where the decoder will give nothing back for it: VP8's hidden reference frames, bare parameter sets."""


def read_frame_header(codec: str, data: bytes) -> FrameHeader:
    """Read keyframe flag and sizes of one encoded frame of `codec` ("VP8" or "H264", Annex B).

    Raises ValueError where the header is damaged or the codec is another one.
    """
    if codec == "VP8":
        return _read_vp8(data)
    if codec == "H264":
        return _read_h264(data)
    raise ValueError(f"no header reader for codec {codec}")


def _read_vp8(data: bytes) -> FrameHeader:
    if len(data) < 3:
        raise ValueError("VP8 frame shorter than its tag")
    shown = bool(data[0] & 0x10)
    if data[0] & 1:
        return FrameHeader(keyframe=False, sizes=(), at_start=False, shown=shown)
    if len(data) < 10 or data[3:6] != _VP8_START_CODE:
        raise ValueError("VP8 keyframe without its start code")
    width = int.from_bytes(data[6:8], "little") & 0x3FFF
    height = int.from_bytes(data[8:10], "little") & 0x3FFF
    return FrameHeader(keyframe=True, sizes=(CodedSize(width, height),), at_start=True, shown=shown)


def _read_h264(data: bytes) -> FrameHeader:
    kinds: list[int] = []
    sizes: list[CodedSize] = []
    position = data.find(_NAL_START_CODE)
    if position < 0:
        raise ValueError("H.264 frame without a start code")
    is_cut = position > 1
    while position >= 0:
        start = position + len(_NAL_START_CODE)
        position = data.find(_NAL_START_CODE, start)
        if start >= len(data):
            break
        kind = data[start] & 0x1F
        kinds.append(kind)
        if len(kinds) > _MAX_NAL_UNITS or len(sizes) > _MAX_PARAMETER_SETS:
            raise ValueError("H.264 frame of too many NAL units")
        if kind == _NAL_SPS:
            end = position if position >= 0 else len(data)
            sizes.append(_read_sps(data[start + 1 : min(end, start + 1 + _SPS_BYTES)]))
    coded = any(kind in _NAL_SLICES for kind in kinds)
    return FrameHeader(
        keyframe=_NAL_IDR in kinds,
        sizes=tuple(sizes),
        # These two come before every slice of an access unit (section 7.4.1.2.3).
        at_start=not is_cut and kinds[:1] in ([_NAL_SPS], [_NAL_DELIMITER]),
        coded=coded,
        shown=coded,
    )


class _Bits:
    """Bits of an RBSP, most significant first."""

    def __init__(self, data: bytes) -> None:
        # Emulation prevention: 00 00 03 stands for 00 00 (section 7.4.1).
        clean = data.replace(b"\x00\x00\x03", b"\x00\x00")
        self._value = int.from_bytes(clean, "big")
        self._left = len(clean) * 8

    def take(self, count: int) -> int:
        if count > self._left:
            raise ValueError("H.264 sequence parameter set is truncated")
        self._left -= count
        return (self._value >> self._left) & ((1 << count) - 1)

    def unsigned(self) -> int:
        """Exp-Golomb ue(v), section 9.1."""
        zeros = 0
        while self.take(1) == 0:
            zeros += 1
            if zeros > 31:
                raise ValueError("H.264 sequence parameter set holds an endless number")
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        """Exp-Golomb se(v), section 9.1.1."""
        value = self.unsigned()
        return (value + 1) // 2 if value % 2 else -(value // 2)


def _read_sps(data: bytes) -> CodedSize:
    bits = _Bits(data)
    profile = bits.take(8)
    bits.take(16)  # constraint flags, level
    bits.unsigned()  # seq_parameter_set_id
    if profile in _PROFILES_WITH_CHROMA_FORMAT:
        _skip_chroma_format(bits)
    bits.unsigned()  # log2_max_frame_num_minus4
    _skip_picture_order_count(bits)
    bits.unsigned()  # max_num_ref_frames
    bits.take(1)  # gaps_in_frame_num_value_allowed_flag
    width_in_macroblocks = bits.unsigned() + 1
    height_in_map_units = bits.unsigned() + 1
    frame_macroblocks_only = bits.take(1)
    return CodedSize(width_in_macroblocks * 16, (2 - frame_macroblocks_only) * height_in_map_units * 16)


def _skip_chroma_format(bits: _Bits) -> None:
    chroma_format = bits.unsigned()
    if chroma_format == 3:
        bits.take(1)  # separate_colour_plane_flag
    bits.unsigned()  # bit_depth_luma_minus8
    bits.unsigned()  # bit_depth_chroma_minus8
    bits.take(1)  # qpprime_y_zero_transform_bypass_flag
    if not bits.take(1):  # seq_scaling_matrix_present_flag
        return
    for index in range(12 if chroma_format == 3 else 8):
        if bits.take(1):
            _skip_scaling_list(bits, 16 if index < 6 else 64)


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


def _skip_picture_order_count(bits: _Bits) -> None:
    kind = bits.unsigned()
    if kind == 0:
        bits.unsigned()  # log2_max_pic_order_cnt_lsb_minus4
    elif kind == 1:
        bits.take(1)  # delta_pic_order_always_zero_flag
        bits.signed()  # offset_for_non_ref_pic
        bits.signed()  # offset_for_top_to_bottom_field
        count = bits.unsigned()
        if count > 255:
            raise ValueError("H.264 sequence parameter set holds too many reference offsets")
        for _ in range(count):
            bits.signed()
