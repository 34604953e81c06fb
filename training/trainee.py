"""The network in training: what it reads of a batch, what it is asked, and the parts that only training has."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from training.data.batches import Batch
from training.errors import DataError
from training.losses import dynamic_identity_loss, identity_losses
from training.models.landmark_net import LandmarkNet
from training.models.registry import NetworkKind
from training.models.shuffled_time import shuffle_time
from training.models.streaming import POOLED_SIZE, StreamingFeatDiff


class Outputs(NamedTuple):
    """What a network made of a batch; None where it is not that kind of network.

    embedding: (B, D). speed: (B, T - 5, S). steps, shuffled: (B, T - 6, D), of each time step of the clips, and of the
    clips in random order.
    """

    embedding: Tensor | None = None
    speed: Tensor | None = None
    steps: Tensor | None = None
    shuffled: Tensor | None = None


class Trainee(nn.Module):
    """A network, and the read-out of speeds that is thrown away after training."""

    def __init__(self, kind: NetworkKind, embedding_size: int, speeds: int) -> None:
        super().__init__()
        self.network = kind.build(embedding_size)
        self.read_out = nn.Linear(POOLED_SIZE, speeds) if kind.tells_speed else None

    def forward(self, inputs: Tensor) -> Outputs:
        """inputs: frames (B, T, 128, 128), or landmarks (B, T, 95, 2)."""
        if isinstance(self.network, StreamingFeatDiff):
            return self._streaming(self.network, inputs)
        if isinstance(self.network, LandmarkNet):
            return Outputs(steps=self.network.steps(inputs), shuffled=self.network.steps(shuffle_time(inputs)))
        return Outputs(self.network(inputs))

    def _streaming(self, network: StreamingFeatDiff, inputs: Tensor) -> Outputs:
        positions = network.embed_positions(inputs)
        speed = None if self.read_out is None else self.read_out(positions.values[..., :POOLED_SIZE])
        return Outputs(network.embedding(positions.moments()), speed)

    def observed(self, batch: Batch) -> Tensor:
        """What of a batch the network reads. Raises DataError where it reads landmarks and the batch holds none."""
        if not isinstance(self.network, LandmarkNet):
            return batch.inputs
        if batch.landmarks.shape[2] == 0:
            raise DataError("these clips were stored without landmarks; render them again into another folder")
        return batch.landmarks


def contrasts(outputs: Outputs, batch: Batch, temperature: float) -> dict[str, Tensor]:
    """The losses that tell drivers apart, as the kind of network learns them."""
    if outputs.steps is not None and outputs.shuffled is not None:
        loss = dynamic_identity_loss(outputs.steps, outputs.shuffled, batch.driver, batch.face)
        return {"dynamic_identity": loss}
    if outputs.embedding is None:
        return {}
    return identity_losses(outputs.embedding, batch.driver, batch.face, temperature)
