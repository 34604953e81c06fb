"""The witnesses of a guard, as its settings name them, and how their opinions are weighed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engines.protocol import EngineSpec
from engines.witnesses.folder import available_witnesses, find_witness, read_witness_folder
from engines.witnesses.fusion_table import ENGINE, FUSION_FILE, read_fusion_table
from engines.witnesses.onnx_witness import OnnxWitness
from guard.config import WitnessesConfig
from guard.errors import ConfigError
from guard.verify.fusion import Fusion
from guard.verify.witnesses import LoadedWitness


@dataclass(frozen=True, slots=True)
class WitnessSet:
    """What a guard asks for second opinions."""

    witnesses: tuple[LoadedWitness, ...]
    fusion: Fusion
    pictures: Mapping[str, Mapping[str, bytes]]
    """PNG files of movements, by witness and by name without folder."""


def load_witness_set(config: WitnessesConfig, engine: EngineSpec) -> WitnessSet:
    """Load and check everything.

    Raises ModelFolderError for a folder or a fusion file that cannot be trusted, ConfigError where a file that the
    settings name is missing or a witness is named twice.
    """
    names = available_witnesses() if config.models is None else config.models
    folders = [read_witness_folder(find_witness(name)) for name in names]
    models = {ENGINE: engine.model_sha256, **{folder.spec.name: folder.spec.model_sha256 for folder in folders}}
    if len(models) != len(folders) + 1:
        raise ConfigError("setting witnesses.models: names a witness twice; name each once")
    table = read_fusion_table(FUSION_FILE if config.fusion is None else config.fusion.expanduser())
    if table is None and config.fusion is not None:
        raise ConfigError(f"setting witnesses.fusion: no file {config.fusion}; fit one with 'guard-train fusion fit'")
    return WitnessSet(
        tuple(LoadedWitness(OnnxWitness(folder), folder.explanation) for folder in folders),
        Fusion(table, models),
        {
            folder.spec.name: {name.rpartition("/")[2]: content for name, content in folder.pictures.items()}
            for folder in folders
        },
    )
