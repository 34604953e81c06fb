"""A trained network of codes in one file, with what it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from training.errors import CheckpointError
from training.facial_codes.network import CodesNetwork, NetworkSize

CODES_FILE = "codes.pt"


@dataclass(frozen=True, slots=True)
class StoredCodes:
    """names: of the coefficients. levelled: learnt of frames about their clip's median. made: how, for people."""

    network: CodesNetwork
    names: tuple[str, ...]
    levelled: bool
    made: dict[str, Any]


def save_codes(codes: StoredCodes, folder: Path) -> None:
    """Write beside the final name and swap, so that what has the name is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{CODES_FILE}.part"
    torch.save(
        {
            "size": asdict(codes.network.size), "state": codes.network.state_dict(), "names": list(codes.names),
            "levelled": codes.levelled, "made": codes.made,
        },
        part,
    )  # fmt: skip
    part.replace(folder / CODES_FILE)


def load_codes(folder: Path) -> StoredCodes:
    """Raises CheckpointError where there is none, or where it is damaged."""
    path = folder / CODES_FILE
    try:
        kept: Mapping[str, Any] = torch.load(path, weights_only=True)
        state = kept["state"]
        network = CodesNetwork(NetworkSize(**kept["size"]), state["mean"], state["deviation"])
        network.load_state_dict(state)
        return StoredCodes(network.eval(), tuple(kept["names"]), bool(kept["levelled"]), dict(kept["made"]))
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, EOFError, UnpicklingError) as error:
        raise CheckpointError(
            f"{path} holds no facial codes ({error}); make them with `guard-train codes fit`"
        ) from error
