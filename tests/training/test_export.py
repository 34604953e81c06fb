"""What `export_engine` writes is a complete engine, names no machine, and keeps its hash when the card changes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from engines.errors import ModelFolderError
from engines.manifest import Metric
from engines.model_folder import read_manifest, read_model_folder
from engines.protocol import Calibration
from engines.registry import DEFAULT_MODEL, MODELS_FOLDER
from training.errors import ExportError
from training.export import export_engine, rewrite_card
from training.int8_head import write_int8_head
from training.model_card import CardFigures, ModelCard
from training.models.step_graphs import HeadStep
from training.models.streaming import StreamingConfig, StreamingFeatDiff

torch.set_num_threads(1)

CARD = ModelCard("A test.", "Procedural drivers.", "Apache-2.0", (), "Not evaluated.", "Recognises nobody.")
NOTHING = CardFigures((), "Not evaluated.")
REPOSITORY = Path(__file__).parents[2]


def calibration(size: int) -> Calibration:
    cohort = np.random.default_rng(0).normal(size=(5, size))
    return Calibration(1.5, -0.5, (cohort / np.linalg.norm(cohort, axis=1, keepdims=True)).astype(np.float32))


def export(folder: Path, cohort_size: int = 16) -> None:
    torch.manual_seed(1)
    model = StreamingFeatDiff(StreamingConfig(embedding_size=16))
    export_engine(
        model,
        folder,
        name="trial",
        version="1.2",
        calibration=calibration(cohort_size),
        fps_min=12,
        fps_max=35,
        card=CARD,
    )


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "trial"
    export(folder)
    return folder


def test_engine_reads_back_as_it_was_described(exported: Path) -> None:
    model = read_model_folder(exported)
    spec = model.spec
    assert (spec.name, spec.version, spec.window_frames, spec.window_positions) == ("trial", "1.2", 64, 59)
    assert (spec.embedding_size, spec.fps_min, spec.fps_max) == (16, 12, 35)
    assert (spec.calibration.slope, spec.calibration.offset) == (1.5, -0.5)
    np.testing.assert_array_equal(spec.calibration.cohort, calibration(16).cohort)
    assert model.manifest.licence == "Apache-2.0"
    assert model.for_cpu is not None


def test_graphs_name_no_folder_of_the_machine(exported: Path) -> None:
    for graph in exported.glob("*.onnx"):
        content = graph.read_bytes()
        assert str(REPOSITORY).encode() not in content
        assert b"site-packages" not in content


def test_card_can_change_without_changing_the_model(exported: Path, tmp_path: Path) -> None:
    before = read_model_folder(exported).spec.model_sha256
    plot = tmp_path / "det_curve.png"
    plot.write_bytes(b"picture")
    metric = Metric(name="AUC", value=0.81, low=0.75, high=0.86, drivers=12, trials=3000, about="same target")
    rewrite_card(exported, CardFigures((metric,), "Measured.", (plot,)))
    after = read_model_folder(exported)
    assert after.spec.model_sha256 == before
    assert after.manifest.metrics == (metric,)
    assert set(after.manifest.documents) == {"README.md", "golden.npz", "det_curve.png"}
    text = (exported / "README.md").read_text()
    assert "| AUC | 0.810 | 0.750-0.860 | 12 | 3000 | same target |" in text
    assert "![det curve](det_curve.png)" in text
    assert before in text
    rewrite_card(exported, NOTHING)
    assert not (exported / "det_curve.png").exists()
    assert set(read_model_folder(exported).manifest.documents) == {"README.md", "golden.npz"}


def test_a_new_card_keeps_what_the_engine_says_of_its_origin(exported: Path) -> None:
    rewrite_card(exported, CardFigures((), "Measured again."))
    manifest = read_model_folder(exported).manifest
    assert (manifest.training_data, manifest.licence) == (CARD.training_data, CARD.licence)
    text = (exported / "README.md").read_text()
    for section in ("\n\nA test.\n\n##", "## Training data\n\nProcedural drivers.", "## Limits\n\nRecognises nobody."):
        assert section in text
    assert "Measured again." in text


def test_the_shipped_engine_keeps_its_texts(tmp_path: Path) -> None:
    shipped = shutil.copytree(MODELS_FOLDER / DEFAULT_MODEL, tmp_path / DEFAULT_MODEL)
    before, card = read_manifest(shipped), (shipped / "README.md").read_text()
    pictures = tuple(shipped / name for name in before.documents if name.endswith(".png"))
    worse_calls = "conditions.png" in before.documents
    rewrite_card(shipped, CardFigures(before.metrics, "New.", pictures, worse_calls))
    now = (shipped / "README.md").read_text()
    for first, last in (("# f5c", "## Accuracy"), ("![roc det]", "Apache-2.0")):
        assert now[now.index(first) : now.index(last)] == card[card.index(first) : card.index(last)]
    after = read_model_folder(shipped).manifest
    changed = {"documents": before.documents}
    assert after.model_copy(update=changed) == before
    for measured, told in ((False, ", codecs below about 300 kbit/s and strong"), (True, " and strong")):
        rewrite_card(shipped, CardFigures(before.metrics, "New.", pictures, measured))
        assert f"real faces on camera{told} head turns were not measured" in (shipped / "README.md").read_text()


def test_pictures_may_lie_in_the_engine_and_be_named_by_a_relative_path(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(exported.parent)
    for content in (b"first", b"second, drawn over the first"):
        Path(exported.name, "roc.png").write_bytes(content)
        rewrite_card(Path(exported.name), CardFigures((), "", (Path(exported.name, "roc.png"),)))
        assert "roc.png" in read_model_folder(exported).manifest.documents
        assert (exported / "roc.png").read_bytes() == content
    rewrite_card(exported, NOTHING)


def test_an_altered_engine_gets_no_new_card(exported: Path, tmp_path: Path) -> None:
    damaged = shutil.copytree(exported, tmp_path / "damaged")
    (damaged / "golden.npz").write_bytes(b"")
    with pytest.raises(ModelFolderError, match=r"golden\.npz: missing or altered"):
        rewrite_card(damaged, NOTHING)


def test_8_bit_head_that_costs_too_much_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def far_off(head: HeadStep, path: Path) -> None:
        assert head.second.bias is not None
        head.second.bias += 100
        write_int8_head(head, path)

    monkeypatch.setattr("training.export.write_int8_head", far_off)
    export(tmp_path)
    assert "in full precision only" in caplog.text
    assert not list(tmp_path.glob("*cpu*")) + list(tmp_path.glob("*int8*"))
    assert read_model_folder(tmp_path).for_cpu is None


def test_interrupted_export_leaves_nothing_that_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "engine.json").write_text("an older engine")
    monkeypatch.setattr("training.export.write_graphs", full_disk)
    with pytest.raises(OSError, match="No space left"):
        export(tmp_path)
    with pytest.raises(ModelFolderError, match=r"has no engine\.json"):
        read_model_folder(tmp_path)


def test_cohort_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"cohort \(5, 8\) does not fit embeddings of 16"):
        export(tmp_path / "never", cohort_size=8)
    assert not (tmp_path / "never").exists()
