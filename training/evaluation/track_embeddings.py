"""What a witness makes of a track."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engines.expressions.series import ExpressionSeries, windows
from engines.witnesses.protocol import Witness


def embedded(witness: Witness, track: ExpressionSeries, hop_seconds: float) -> NDArray[np.float32]:
    """Embeddings float32 (n, D) of its windows, each so much later than the one before; none where no window fits."""
    spec = witness.spec
    hop = max(1, round(hop_seconds * spec.rate_hz))
    cut = windows(track, spec.rate_hz, spec.window_frames, hop, reads=spec.reads)
    return witness.embed(cut) if len(cut) else np.empty((0, spec.embedding_size), np.float32)
