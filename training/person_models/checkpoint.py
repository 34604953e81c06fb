"""A person model on disk."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from training.errors import CheckpointError
from training.person_models.network import PersonModel, PersonModelConfig


def save_model(model: PersonModel, path: Path, *, cpu_seconds: float) -> None:
    """Write beside the final name and swap, so that what has the name is whole; the folder is made where missing.

    cpu_seconds: what learning it took.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    state = {"person_model": asdict(model.config), "weights": model.state_dict(), "cpu_seconds": cpu_seconds}
    torch.save(state, part)
    part.replace(path)


def load_model(path: Path) -> PersonModel:
    """Ready for use, on the CPU. Raises CheckpointError where there is no person model."""
    state = _read(path)
    try:
        model = PersonModel(PersonModelConfig(**state["person_model"]))
        model.load_state_dict(state["weights"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path} is no person model: {error}") from error
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch does not annotate it
    return model.eval()


def learning_cost(path: Path) -> float:
    """Processor seconds that learning a saved model took. Raises CheckpointError where there is none."""
    return float(_read(path)["cpu_seconds"])


def _read(path: Path) -> dict[str, Any]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no person model {path}; make one with `guard-train person general`") from error
    except Exception as error:  # torch raises anything on a damaged file
        raise CheckpointError(f"{path} is no person model: {error}") from error
    if not isinstance(state, dict) or "person_model" not in state:
        raise CheckpointError(f"{path} is no person model")
    return state
