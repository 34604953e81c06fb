"""What cannot be a witness is refused before anybody relies on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.witnesses.folder import read_witness_folder
from tests.engines.witnesses.made_witness import CARD, draft, made_cohort, made_movements, spread_graph
from training.errors import ExportError
from training.witness_release import Movements, WitnessDraft, write_witness

COHORT = made_cohort(17)


def write(folder: Path, **changed: Any) -> None:
    arguments: dict[str, Any] = {
        "draft": draft("dynamics", "signals"),
        "embed_onnx": spread_graph("signals"),
        "cohort": COHORT,
        "card": CARD,
        **changed,
    }
    write_witness(folder, **arguments)


def test_writes_over_an_older_witness(tmp_path: Path) -> None:
    folder = tmp_path / "dynamics"
    write(folder, documents={"README.md": b"old"})
    write(folder, draft=draft("dynamics", "signals", version="0.2"))
    assert read_witness_folder(folder).spec.version == "0.2"
    assert sorted(path.name for path in folder.iterdir()) == ["cohort.npy", "embed.onnx", "witness.json"]


def test_the_hash_names_what_decides_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "a")
    write(tmp_path / "b", documents={"README.md": b"a card"}, card={**CARD, "limits": "Other words."})
    write(tmp_path / "c", draft=draft("dynamics", "signals", offset=-2.0))
    a, b, c = (read_witness_folder(tmp_path / name).spec.model_sha256 for name in "abc")
    assert a == b != c


def test_another_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ExportError, match="something else"):
        write(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"embed_onnx": b"no graph"}, "cannot load"),
        ({"embed_onnx": spread_graph("signals", normalised=False)}, "not of length 1"),
        ({"embed_onnx": spread_graph("blendshapes")}, "takes"),
        ({"cohort": np.ones((4, 17), np.float32)}, "not L2-normalised"),
        ({"cohort": made_cohort(16)}, "needs float32"),
        ({"card": {key: CARD[key] for key in CARD if key != "limits"}}, "limits"),
        ({"draft": draft("Two Words", "signals")}, "name"),
        ({"draft": draft("dynamics", "signals", slope=0.0)}, "calibration|slope"),
    ],
)
def test_what_does_not_work_is_refused(tmp_path: Path, changed: dict[str, Any], reason: str) -> None:
    write(tmp_path / "dynamics")
    with pytest.raises(ExportError, match=reason):
        write(tmp_path / "dynamics", **changed)
    assert read_witness_folder(tmp_path / "dynamics").spec.version == "0.1", "the one before stays"


@pytest.mark.parametrize(
    ("movements", "reason"),
    [
        (Movements([{"token": 0, "words": "x", "picture": "pictures/0.png", "limits": ""}]), "not among"),
        (Movements([*made_movements(4).tokens, *made_movements(4).tokens], made_movements(4).pictures), "twice"),
        (Movements([{**made_movements(2).tokens[0], "token": 52}], made_movements(2).pictures), "outside"),
        (Movements(made_movements(2).tokens, {"pictures/0.png": b"GIF89a"}), "no PNG"),
        (Movements(made_movements(2).tokens, {"pictures/0.png": b"\x89PNG\r\n\x1a\n" + bytes(11_000)}), "smaller"),
        (Movements([{"token": 0, "words": "", "picture": "pictures/0.png", "limits": ""}]), "words"),
    ],
)
def test_an_explanation_that_does_not_fit_is_refused(tmp_path: Path, movements: Movements, reason: str) -> None:
    codes: WitnessDraft = draft("codes", "blendshapes")
    with pytest.raises(ExportError, match=reason):
        write(
            tmp_path / "codes",
            draft=codes,
            embed_onnx=spread_graph("blendshapes"),
            cohort=made_cohort(52),
            movements=movements,
        )
