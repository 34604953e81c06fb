"""All networks by name: the one that ships, the published one, and the rows that they are compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from torch import nn

from training.errors import TrainingError
from training.models.feat_diff import FeatDiff
from training.models.landmark_net import LANDMARK_MARGIN, LandmarkNet
from training.models.mol_f5c import MolFeatDiff
from training.models.pixel_diff import PixelDiff
from training.models.raw_feat import RawFeat
from training.models.resnet18 import ResNet18Diff
from training.models.shuffled_time import ShuffledTime
from training.models.static import StaticNet
from training.models.streaming import TEMPORAL_MARGIN, StreamingConfig, StreamingFeatDiff


@dataclass(frozen=True, slots=True)
class NetworkKind:
    """One network as the trainer sees it.

    build: from the embedding size; `forward` takes what the network reads, (n, T, ...), and returns float32
    (n, embedding_size), L2-normalised. shortest: the fewest frames that a clip may have.
    tells_speed: a read-out of its positions learns how fast the face moves.
    """

    build: Callable[[int], nn.Module]
    shortest: int
    reads: Literal["frames", "one frame", "landmarks"] = "frames"
    tells_speed: bool = False


NETWORKS: Mapping[str, NetworkKind] = MappingProxyType(
    {
        "streaming": NetworkKind(
            lambda size: StreamingFeatDiff(StreamingConfig(embedding_size=size)), TEMPORAL_MARGIN + 1, tells_speed=True
        ),
        "feat_diff": NetworkKind(FeatDiff, 2),
        "pixel_diff": NetworkKind(PixelDiff, 2),
        "raw_feat": NetworkKind(RawFeat, 1),
        "static": NetworkKind(lambda size: StaticNet(StreamingConfig(embedding_size=size)), 1, "one frame"),
        "shuffled_time": NetworkKind(
            lambda size: ShuffledTime(StreamingConfig(embedding_size=size)), TEMPORAL_MARGIN + 1
        ),
        "resnet18": NetworkKind(ResNet18Diff, 2),
        "mol_f5c": NetworkKind(MolFeatDiff, 2),
        "landmarks": NetworkKind(LandmarkNet, LANDMARK_MARGIN + 1, "landmarks"),
    }
)


def network_kind(name: str) -> NetworkKind:
    """The network of that name. Raises TrainingError for any other."""
    try:
        return NETWORKS[name]
    except KeyError:
        raise TrainingError(f"unknown network {name!r}; known are {', '.join(NETWORKS)}") from None
