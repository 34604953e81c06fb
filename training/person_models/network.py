"""A person-specific model: encoder, flow decoder and generator, and everything that it makes of a pair of faces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from training.person_models.encoder import ExpressionEncoder
from training.person_models.flow import FlowDecoder, inverse, warped
from training.person_models.generator import RESIDUAL_BLOCKS, FaceGenerator


@dataclass(frozen=True, slots=True)
class PersonModelConfig:
    """What fixes the network's shape and its input; stored beside the weights.

    width: of all layers, 1 as published. residual_blocks: of the generator, 8 as published. channels: 3 as published,
    1 here, where faces are luma. pixel_mean and pixel_std apply to full-range luma / 255, as in the streaming network.
    """

    width: float = 0.125
    residual_blocks: int = RESIDUAL_BLOCKS
    channels: int = 1
    pixel_mean: float = 0.45
    pixel_std: float = 0.25

    def __post_init__(self) -> None:
        if not 0 < self.width <= 1 or self.residual_blocks < 0 or self.channels < 1 or self.pixel_std <= 0:
            raise ValueError(f"0 < width <= 1, residual_blocks >= 0, channels >= 1, pixel_std > 0, got {self}")


class Redrawn(NamedTuple):
    """What is made of the faces of a batch of pairs, in normalised units; all (n, channels, 64, 64).

    face: what should come out. neutral, pixel_neutral: the face made neutral, drawn and by moving its pixels. swapped:
    the other face's neutral, drawn and expressed as this face. warped_swapped: the other's drawn neutral with its
    pixels moved. pixel_swapped: the same with the other's pixels alone. itself: the face drawn without a flow.
    """

    face: Tensor
    neutral: Tensor
    pixel_neutral: Tensor
    swapped: Tensor
    warped_swapped: Tensor
    pixel_swapped: Tensor
    itself: Tensor


class PersonModel(nn.Module):
    """Learns how one person's face moves by taking movements off faces and putting them on again."""

    def __init__(self, config: PersonModelConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = ExpressionEncoder(config.channels, config.width)
        self.to_flow = FlowDecoder(config.width)
        self.generator = FaceGenerator(config.channels, config.width, config.residual_blocks)

    def normalised(self, faces: Tensor) -> Tensor:
        """Faces of any shape, 0-1, in the units that the network takes."""
        return (faces - self.config.pixel_mean) / self.config.pixel_std

    def redraw(self, faces: Tensor) -> Redrawn:
        """Everything that the loss asks for. faces: (2 n, channels, 64, 64); face k and face n + k are a pair."""
        flow = self.to_flow(self.encoder(faces))
        back = inverse(flow)
        neutral, pixel_neutral = self.generator(faces, flow), warped(faces, flow)
        return Redrawn(
            face=faces,
            neutral=neutral,
            pixel_neutral=pixel_neutral,
            swapped=self.generator(_exchanged(neutral), back),
            warped_swapped=warped(_exchanged(neutral), back),
            pixel_swapped=warped(_exchanged(pixel_neutral), back),
            itself=self.generator(faces),
        )

    def swapped(self, faces: Tensor) -> Tensor:
        """Each face out of the other's neutral one and its own movement: what verification looks at, and no more."""
        flow = self.to_flow(self.encoder(faces))
        drawn: Tensor = self.generator(_exchanged(self.generator(faces, flow)), inverse(flow))
        return drawn


def _exchanged(faces: Tensor) -> Tensor:
    """Both halves of a batch of pairs change places."""
    return faces.roll(len(faces) // 2, 0)
