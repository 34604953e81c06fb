"""Checks this code against recorded outputs of the published network (layout: `/golden/README.md` of the reference)."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.errors import ReferenceFileError
from training.models.feat_diff import FeatDiff, standardise

REFERENCE_TOLERANCE = 1e-4
"""Largest absolute error at which two implementations count as the same network."""

_OUTPUTS = ("frames", "stem_0", "fcc_0", "features_0_3", "embedding")
_WEIGHTS = "weights/"

# Reference name of each circular branch's parameters: the published module numbers first and second convolution.
_BRANCHES = {
    "height_first": {
        "norm": "pre_norm_1",
        "first_kernel": "mk_1_H",
        "first_bias": "b1H",
        "first_position": "pe_1H",
        "second_kernel": "mk_2_W",
        "second_bias": "b2W",
        "second_position": "pe_2W",
    },
    "width_first": {
        "norm": "pre_norm_2",
        "first_kernel": "mk_1_W",
        "first_bias": "b1W",
        "first_position": "pe_1W",
        "second_kernel": "mk_2_H",
        "second_bias": "b2H",
        "second_position": "pe_2H",
    },
}


@dataclass(frozen=True, slots=True)
class ReferenceErrors:
    """Largest absolute error of each output against the reference."""

    stem: float
    fcc: float
    features: float
    embedding: float

    @property
    def largest(self) -> float:
        """Not a number where one of them is not."""
        return float(np.max([self.stem, self.fcc, self.features, self.embedding]))

    @property
    def within_tolerance(self) -> bool:
        return self.largest <= REFERENCE_TOLERANCE


def check_reference(path: Path) -> ReferenceErrors:
    """Load the file's weights into the published network, run its frames, compare every recorded output.

    Raises ReferenceFileError where the file is missing, damaged, incomplete or of other shapes.
    """
    arrays = _read(path)
    network = FeatDiff().eval()
    _load_weights(network, arrays, path)
    frames = torch.from_numpy(arrays["frames"])
    if frames.ndim != 4 or frames.shape[1] < 4 or frames.shape[2:] != (128, 128) or frames.dtype != torch.uint8:
        found = f"{frames.dtype} {tuple(frames.shape)}"
        raise ReferenceFileError(f"{path}: frames must be uint8 (n, T >= 4, 128, 128), found {found}")
    with torch.no_grad():
        luma = standardise(frames)
        first = network.stages(luma[:, 0])
        features = torch.stack([network.stages(luma[:, t]).features for t in range(4)], dim=1)
        embedding = network(frames)
    return ReferenceErrors(
        stem=_largest_error(first.stem, arrays["stem_0"], "stem_0", path),
        fcc=_largest_error(first.fcc, arrays["fcc_0"], "fcc_0", path),
        features=_largest_error(features, arrays["features_0_3"], "features_0_3", path),
        embedding=_largest_error(embedding, arrays["embedding"], "embedding", path),
    )


def _read(path: Path) -> dict[str, NDArray[np.generic]]:
    try:
        # Opened here, since numpy leaves the file open where it turns out to be no archive.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise ReferenceFileError(f"{path}: no such reference file") from None
    except (OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise ReferenceFileError(f"{path}: not a readable .npz reference file ({error}); copy it again") from None
    missing = [name for name in _OUTPUTS if name not in arrays]
    if missing:
        raise ReferenceFileError(f"{path}: the reference file lacks {', '.join(missing)}")
    return arrays


def _load_weights(network: FeatDiff, arrays: dict[str, NDArray[np.generic]], path: Path) -> None:
    state: dict[str, Tensor] = {}
    for name, parameter in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            state[name] = parameter
            continue
        reference = _WEIGHTS + _reference_name(name)
        if reference not in arrays:
            raise ReferenceFileError(f"{path}: the reference file lacks {reference}")
        value = arrays[reference]
        # The published kernels and positions carry singleton axes (64, 1, 32, 1); the values are in the same order.
        if tuple(n for n in value.shape if n > 1) != tuple(n for n in parameter.shape if n > 1):
            raise ReferenceFileError(f"{path}: {reference} has shape {value.shape}, needed {tuple(parameter.shape)}")
        state[name] = torch.from_numpy(np.asarray(value, dtype=np.float32)).reshape(parameter.shape)
    network.load_state_dict(state)


def _reference_name(name: str) -> str:
    name = name.removeprefix("backbone.")
    if not name.startswith("fcc."):
        return name
    _, branch, part, *rest = name.split(".")
    return ".".join(["fcc", _BRANCHES[branch][part], *rest])


def _largest_error(output: Tensor, expected: NDArray[np.generic], name: str, path: Path) -> float:
    if tuple(output.shape) != expected.shape:
        raise ReferenceFileError(f"{path}: {name} has shape {expected.shape}, needed {tuple(output.shape)}")
    return float(np.abs(output.numpy().astype(np.float64) - expected.astype(np.float64)).max())
