"""What a network is trained to do: tell drivers apart, tell how fast landmarks move, or NVFAIR's dynamic identity."""

from __future__ import annotations

import torch
from pytorch_metric_learning.losses import SupConLoss
from torch import Tensor

_DYNAMIC_TEMPERATURE = 0.5
"""NVFAIR's own is not published; this is that of the public re-implementation of its equations 1-5."""


def identity_losses(embedding: Tensor, driver: Tensor, face: Tensor, temperature: float) -> dict[str, Tensor]:
    """Supervised contrast (Khosla et al., 2020) with all other drivers, and with those that drive the same face only.

    embedding: (B, D), L2-normalised. driver, face: int64 (B,).
    """
    contrast = SupConLoss(temperature=temperature)
    return {
        "identity": contrast(embedding, driver),
        "same_face": contrast(embedding, driver, indices_tuple=same_face_pairs(driver, face)),
    }


def same_face_pairs(driver: Tensor, face: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Anchors and positives (same driver, any face), anchors and negatives (other driver, the same face): indices.

    A guard compares what it sees with a template of the same seat, so this is the contrast that has to be sharp.
    """
    same = driver[:, None] == driver[None, :]
    positive = same & ~torch.eye(len(driver), dtype=torch.bool, device=driver.device)
    negative = ~same & (face[:, None] == face[None, :])
    anchors, positives = torch.where(positive)
    anchors_too, negatives = torch.where(negative)
    return anchors, positives, anchors_too, negatives


def dynamic_identity_loss(steps: Tensor, shuffled: Tensor, driver: Tensor, face: Tensor) -> Tensor:
    """NVFAIR's contrast of moments: the same driver's against other drivers of the face and against shuffled time.

    steps, shuffled: (B, T, D), L2-normalised embeddings of the time steps of clips, and of the same clips in random
    order. driver, face: int64 (B,).

    With s(i, t, j) = max over u of exp(-distance^2(e_it, e_ju) / temperature) and N, Q, R its sums over the clips j of
    the same driver, of other drivers on the same face, and over shuffled clips of the same driver, the loss is the mean
    of -log(N / (N + Q + R)) (Eqs. 1-5). Distances are divided by their mean over the batch, as in the public
    re-implementation; unlike there, a clip is not its own positive. Clips without a positive are left out.
    """
    steps, shuffled = steps.float(), shuffled.float()
    distance = _squared_distances(steps, steps)
    scale = -1 / (_DYNAMIC_TEMPERATURE * distance.mean())
    similarity = distance.amin(3) * scale
    shuffled_similarity = _squared_distances(steps, shuffled).amin(3) * scale

    same = driver[:, None] == driver[None, :]
    positive = same & ~torch.eye(len(driver), dtype=torch.bool, device=driver.device)
    negative = ~same & (face[:, None] == face[None, :])
    anchors = positive.any(1)
    genuine = _log_sum(similarity, positive)[anchors]
    every = torch.stack(
        [genuine, _log_sum(similarity, negative)[anchors], _log_sum(shuffled_similarity, same)[anchors]]
    )
    return (every.logsumexp(0) - genuine).mean()


def _squared_distances(steps: Tensor, others: Tensor) -> Tensor:
    """Between all unit vectors (B, T, D) and (B, U, D): (B, T, B, U)."""
    return 2 - 2 * torch.einsum("itd,jud->itju", steps, others)


def _log_sum(similarity: Tensor, chosen: Tensor) -> Tensor:
    """Logarithm of the sum of exp(similarity) (B, T, B) over the clips that are chosen (B, B) for each: (B, T)."""
    return similarity.masked_fill(~chosen[:, None], -torch.inf).logsumexp(2)
