"""Weights of fusion: what drawn opinions are worth is found again, and never counts against the driver."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from engines.witnesses.fusion_table import ENGINE, read_fusion_table
from training import fusion_cli
from training.cli import app
from training.errors import DataError
from training.fusion import LIMIT_NATS, fit_set, fit_table, measure
from training.fusion_trials import FusionTrials

MODELS = {ENGINE: "a" * 64, "facial_codes": "b" * 64, "expression_dynamics": "c" * 64}


def drawn_trials(drivers: int = 12, probes: int = 24, seed: int = 0, worth: float = 1.5) -> FusionTrials:
    """Everybody against everybody; the engine's and the dynamics' errors are independent, the codes only repeat."""
    random = np.random.default_rng(seed)
    seconds = [2.5, 5.0]
    template, probe, length, _ = np.meshgrid(range(drivers), range(drivers), seconds, range(probes), indexing="ij")
    template, probe, length = template.ravel(), probe.ravel(), length.ravel()
    side = np.where(template == probe, 1.0, -1.0)
    sharp = np.sqrt(length / 5.0)
    engine = worth * side * sharp + random.normal(0, 1.7, len(side))
    dynamics = worth * side * sharp + random.normal(0, 1.7, len(side))
    codes = engine + random.normal(0, 1.0, len(side))
    codes[random.random(len(side)) < 0.1] = np.nan
    llrs = {ENGINE: engine, "facial_codes": codes, "expression_dynamics": dynamics}
    return FusionTrials(llrs, template, probe, length, MODELS, "Drawn by a formula.")


@pytest.fixture(scope="module")
def trials() -> FusionTrials:
    return drawn_trials()


def test_independent_opinions_get_the_weights_that_they_are_worth(trials: FusionTrials) -> None:
    table = fit_table(trials, 5.0)
    pair = next(each for each in table.sets if each.names == {ENGINE, "expression_dynamics"})
    exact = 2 * 1.5 / 1.7**2  # of two normal distributions of one width, the LLR is linear
    assert pair.weights[ENGINE] == pytest.approx(exact, rel=0.2)
    assert pair.weights["expression_dynamics"] == pytest.approx(exact, rel=0.2)
    assert abs(pair.bias) < 0.3
    assert table.engine_windows == pytest.approx(exact, rel=0.2)
    assert (table.seconds, table.limit, table.models) == (5.0, LIMIT_NATS, MODELS)


def test_an_opinion_that_repeats_another_adds_nothing(trials: FusionTrials) -> None:
    pair = next(each for each in fit_table(trials, 5.0).sets if each.names == {ENGINE, "facial_codes"})
    assert pair.weights["facial_codes"] < 0.1 * pair.weights[ENGINE]


def test_there_are_weights_for_every_set_with_the_engine(trials: FusionTrials) -> None:
    assert [sorted(each.names) for each in fit_table(trials, 5.0).sets] == [
        ["expression_dynamics", ENGINE],
        [ENGINE, "facial_codes"],
        ["expression_dynamics", ENGINE, "facial_codes"],
    ]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), sign=st.sampled_from([-1.0, 1.0]))
def test_no_weight_is_negative(seed: int, sign: float) -> None:
    """Also of an opinion that is wrong more often than right."""
    random = np.random.default_rng(seed)
    genuine = np.arange(60) % 3 == 0
    llrs = np.stack([random.normal(np.where(genuine, 1, -1)), sign * random.normal(np.where(genuine, 1, -1))], axis=1)
    weights, bias = fit_set(llrs, genuine)
    assert (weights >= 0).all()
    assert np.isfinite(bias)
    assert sign > 0 or weights[1] == 0


def test_fusing_is_measured_on_drivers_that_fitted_nothing(trials: FusionTrials) -> None:
    report = measure(trials, 5.0)
    errors = {(line.names, line.seconds): line.equal_error for line in report.lines}
    pair = (ENGINE, "expression_dynamics")
    for seconds in (2.5, 5.0):
        assert errors[pair, seconds].value < errors[(ENGINE,), seconds].value
        assert errors[pair, seconds].low <= errors[pair, seconds].value <= errors[pair, seconds].high
    assert [gain.seconds for gain in report.gains] == [2.5, 5.0]
    assert all(gain.reduction.low > 0 for gain in report.gains), "independent opinions are worth a lot"
    assert "All" not in report.table()
    assert "5 s: all together err" in report.table()


def test_an_opinion_that_needs_longer_videos_is_left_out_of_shorter_ones(trials: FusionTrials) -> None:
    codes = np.where(trials.seconds < 5, np.nan, trials.llrs["facial_codes"])
    report = measure(replace(trials, llrs={**trials.llrs, "facial_codes": codes}), 5.0)
    assert {name for line in report.lines if line.seconds == 2.5 for name in line.names} == {
        ENGINE,
        "expression_dynamics",
    }
    assert any("facial_codes" in line.names for line in report.lines)


def test_other_drivers_may_be_given_to_measure_on(trials: FusionTrials) -> None:
    other = drawn_trials(drivers=10, probes=4, seed=9)
    lines = measure(trials, 5.0, other).lines
    assert {line.drivers for line in lines} == {10}


def test_what_cannot_be_fitted_is_refused(trials: FusionTrials) -> None:
    with pytest.raises(DataError, match="one kind is missing"):
        fit_table(trials.subset(trials.genuine), 5.0)
    deaf = replace(trials, llrs={**trials.llrs, ENGINE: -trials.llrs[ENGINE]})
    with pytest.raises(DataError, match="tells no drivers apart"):
        fit_table(deaf, 5.0)


def test_the_command_writes_a_table_that_the_guard_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fusion_cli, "_trials", lambda *_: drawn_trials(probes=4))
    out = tmp_path / "fusion.json"
    done = CliRunner().invoke(app, ["fusion", "fit", str(tmp_path), "--seconds", "5", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "| f5c + expression_dynamics + facial_codes | 5 s |" in done.output
    table = read_fusion_table(out)
    assert table is not None
    assert table.sets[0].metrics[0].drivers == 12
    assert "12 drivers" in json.loads(out.read_text())["training_data"]


def test_calls_that_are_not_there_are_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engines.witnesses.folder.available_witnesses", lambda: ("one",))
    monkeypatch.setattr("engines.witnesses.onnx_witness.load_witness", lambda name: name)
    done = CliRunner().invoke(app, ["fusion", "fit", str(tmp_path)])
    assert done.exit_code != 0
    assert "no calls in" in done.output and "guard-train fusion calls" in done.output
