"""From a study's models to a folder for guards, calibrated on drivers of one face."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from engines.person_models.faces import PAIRS_A_PROBE
from engines.person_models.folder import PersonLearning, read_person_manifest, read_person_models
from tests.training.person_models.made_up_people import TINY, recording
from training.errors import DataError, ExportError
from training.metrics import Trials
from training.person_models import release
from training.person_models.checkpoint import load_model, save_model, weights_of, with_weights
from training.person_models.network import PersonModel
from training.person_models.release import claim_trials, release_person_models
from training.person_models.score import log_ratio, probe_pairs, swap_errors
from training.person_models.swap_tables import Enrolled

torch.set_num_threads(1)
Study = tuple[Path, list[Path], list[Enrolled], list[Path]]
_release = partial(
    release_person_models,
    learning=PersonLearning(frames=100, epochs=2),
    version="3",
    licence="own",
    training_data="gratings",
)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A general model, a cohort of two, and three drivers of one face with models of their own."""
    folder = tmp_path_factory.mktemp("study")
    torch.manual_seed(0)
    begin = PersonModel(TINY)
    save_model(begin, folder / "0.pt", cpu_seconds=1)

    def learnt(person: int) -> Path:
        """Not truly: another set of weights."""
        weights = weights_of(begin)
        noise = np.random.default_rng(person).normal(0, 0.01, len(weights)).astype(np.float32)
        save_model(with_weights(begin, weights + noise), folder / f"p{person}.pt", cpu_seconds=1)
        return folder / f"p{person}.pt"

    driven = [
        Enrolled(str(person), person, 0, (), tuple(recording(person, 40, key=str(probe)) for probe in range(2)))
        for person in range(3)
    ]
    return folder / "0.pt", [learnt(7), learnt(8)], driven, [learnt(person) for person in range(3)]


def test_trials_score_as_the_worker_does(study: Study) -> None:
    general, cohort, driven, models = study
    trials = claim_trials(general, cohort, driven, models, general.parent / "errors")
    assert len(trials.scores) == 3 * 6
    pairs = probe_pairs(driven[0].probe[0].faces, PAIRS_A_PROBE)
    own, *others = (swap_errors(load_model(path), *pairs) for path in (models[0], *cohort))
    assert trials.scores[0] == pytest.approx(log_ratio(own, others), abs=1e-5)


def made_trials(sign: float) -> Trials:
    """Twelve drivers against twelve probes; genuine scores are a little larger, or smaller."""
    template, probe = (part.ravel() for part in np.indices((12, 12)))
    noise = np.random.default_rng(0).normal(0, 0.05, len(template))
    return Trials(sign * (0.05 * (template == probe) + noise), template, probe, np.zeros(len(template), np.int64))


def test_a_folder_is_released_and_read_back(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "claim_trials", lambda *_: made_trials(1))
    out, kept = tmp_path / "out", study[0].parent / "errors"
    manifest = _release(out, *study, kept=kept)
    assert read_person_manifest(out) == manifest
    assert read_person_models(out, manifest)["general.pt"] == study[0].read_bytes()
    assert manifest.cohort == ("cohort/0.pt", "cohort/1.pt")
    assert [metric.name for metric in manifest.metrics] == ["auc", "cllr_bits"]
    fitted = manifest.calibration.slope * made_trials(1).scores + manifest.calibration.offset
    assert 0.97 < np.mean(np.abs(fitted) <= manifest.limit) < 1, "hardly more than calibration has seen"
    assert "does not tell who drives" in manifest.limits.lower()
    _release(out, *study, kept=kept)
    assert read_person_manifest(out) == manifest, "released twice"


def test_neither_other_files_nor_scores_that_tell_nothing_are_released(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "mine.txt").write_text("dear")
    with pytest.raises(ExportError, match="holds something else"):
        _release(tmp_path / "letters", *study, kept=study[0].parent / "errors")
    monkeypatch.setattr(release, "claim_trials", lambda *_: made_trials(-1))
    with pytest.raises(DataError, match="do not rise"):
        _release(tmp_path / "out", *study, kept=study[0].parent / "errors")
    assert not (tmp_path / "out").exists()


def test_weights_are_one_row_and_back(study: Study) -> None:
    general, learnt = load_model(study[0]), load_model(study[3][0])
    weights = weights_of(learnt)
    same = with_weights(general, weights)
    faces = learnt.normalised(torch.rand(4, 1, 64, 64))
    assert torch.equal(same.swapped(faces), learnt.swapped(faces))
    assert not torch.equal(general.swapped(faces), learnt.swapped(faces)), "the general model stays as it was"
