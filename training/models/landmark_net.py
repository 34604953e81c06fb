"""The landmark baseline of NVFAIR (Prashnani et al., ECCV 2024): distances between landmarks, followed over time.

Its layers and its landmark detector are not published. Here it reads the exact landmarks that drive the generators, on
one common face, so it sees motion without a tracker's error and without anybody's bones.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.drivers.face_basis import generic_face
from training.drivers.landmarks import LANDMARKS

LANDMARK_MARGIN = 6
"""Frames of context that one time step's embedding takes beyond its first."""

_DISTANCES = LANDMARKS * (LANDMARKS - 1) // 2
_WIDTH = 128


class LandmarkNet(nn.Module):
    """Landmark motion (n, T, 95, 2) to one embedding for each time step, and for the clip their mean."""

    neutral: Tensor
    pairs: Tensor

    def __init__(self, embedding_size: int = 256) -> None:
        super().__init__()
        self.register_buffer("neutral", torch.from_numpy(generic_face()).float(), persistent=False)
        self.register_buffer("pairs", torch.triu_indices(LANDMARKS, LANDMARKS, offset=1), persistent=False)
        self.net = nn.Sequential(
            nn.BatchNorm1d(_DISTANCES),
            nn.Conv1d(_DISTANCES, _WIDTH, 1),
            nn.BatchNorm1d(_WIDTH),
            nn.ReLU(inplace=True),
            nn.Conv1d(_WIDTH, _WIDTH, 3),
            nn.BatchNorm1d(_WIDTH),
            nn.ReLU(inplace=True),
            nn.Conv1d(_WIDTH, embedding_size, 3, dilation=2),
        )

    def forward(self, landmarks: Tensor) -> Tensor:
        """landmarks: (n, T, 95, 2), face units relative to the neutral, T >= 7.

        Returns float32 (n, embedding_size), L2-normalised.
        """
        return nn.functional.normalize(self.steps(landmarks).mean(1), dim=1)

    def steps(self, landmarks: Tensor) -> Tensor:
        """One L2-normalised embedding for each time step: float32 (n, T - 6, embedding_size)."""
        with torch.autocast(landmarks.device.type, enabled=False):
            steps = self.net(self.distances(landmarks.float()).transpose(1, 2)).transpose(1, 2)
            return nn.functional.normalize(steps, dim=2)

    def distances(self, landmarks: Tensor) -> Tensor:
        """Every pair's distance on the common face, in its outer eye distances: (n, T, 4465)."""
        shape = landmarks + self.neutral
        first, second = self.pairs
        distances: Tensor = (shape[:, :, first] - shape[:, :, second]).norm(dim=3)
        return distances
