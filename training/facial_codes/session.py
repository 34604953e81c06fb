"""What the commands `guard-train codes ...` do: read, train or measure, keep figures."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.data.recipe import refuse_foreign
from training.errors import DataError
from training.evaluation.report_text import as_json
from training.facial_codes import blendshapes
from training.facial_codes.clips import ExpressionClip, blendshape_clips, even_people, frames, levelled, of_split
from training.facial_codes.coefficient_file import coefficient_clips, coefficient_names
from training.facial_codes.displacement import blendshape_shifts, measured_shifts
from training.facial_codes.drivers import DRAWS, open_set_figures, tracked_figures
from training.facial_codes.explanation import ExplainedTokens, explain_tokens
from training.facial_codes.fitting import FitSettings, fit_codes
from training.facial_codes.network import FULL, CodesNetwork, NetworkSize
from training.facial_codes.page import read_rows, write_page
from training.facial_codes.pictures import TokenArtist
from training.facial_codes.questionnaires import BIG_FIVE, EXPRESSIVITY, read_questionnaire
from training.facial_codes.reactions import unit_clips
from training.facial_codes.sheet import save_sheet
from training.facial_codes.stored import CODES_FILE, StoredCodes, load_codes, save_codes
from training.facial_codes.study import StudyRun, as_plain, grid, measure, run_study
from training.facial_codes.traits import FOLDS, predict_traits
from training.generators.face_mesh.model import load_face_model

TERMS_AT = 64
"""Codebook size at which the terms on templates are left out one by one."""
GRID_RUNS = len(grid(TERMS_AT))
UNIT_SIZE = NetworkSize(codes=64, stages=4, queries=2)
"""Codes of 17 action units: half of the stages and queries that 51 blendshapes have (ours)."""
_UNIT_STEPS = 120
_USED_SHARE = 1e-3
"""Of all tokens; a rarer one is not talked about."""

Tick = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Tracked:
    """Recordings with blendshapes, and the mesh that they move."""

    data: Path
    mesh: Path

    def clips(self) -> list[ExpressionClip]:
        return blendshape_clips(self.data)

    def shifts(self) -> torch.Tensor:
        """Vertex shifts (51, V', 3) by which templates are measured."""
        return torch.from_numpy(measured_shifts(blendshape_shifts(load_face_model(self.mesh), blendshapes.MOVING)))

    def artist(self) -> TokenArtist:
        return TokenArtist(load_face_model(self.mesh), blendshapes.MOVING)


def fit_run(
    tracked: Tracked, out: Path, *, codes: int, stages: int, levels: bool, full: bool, steps: int, seed: int,
    threads: int, tick: Callable[[int], None],
) -> dict[str, Any]:  # fmt: skip
    """One network of the training split; figures of the other people."""
    torch.set_num_threads(threads)
    _refuse_run(out)
    size = replace(FULL if full else NetworkSize(), codes=codes, stages=stages)
    settings = FitSettings(size=size, steps=steps, seed=seed)
    return _kept_run(tracked.clips(), tracked.shifts(), blendshapes.MOVING, out, settings, levels=levels, tick=tick)


def fit_coefficients(
    files: Path, out: Path, fps: float | None, *, codes: int, stages: int, levels: bool, steps: int, seed: int,
    threads: int, tick: Callable[[int], None],
) -> dict[str, Any]:  # fmt: skip
    """The same of FLAME coefficients, each of which counts as a place of its own: there is no mesh to move."""
    torch.set_num_threads(threads)
    _refuse_run(out)
    clips = coefficient_clips(files, fps)
    width = clips[0].values.shape[1]
    settings = FitSettings(size=replace(NetworkSize(), codes=codes, stages=stages), steps=steps, seed=seed)
    shifts = torch.eye(width).unsqueeze(2)
    return _kept_run(clips, shifts, coefficient_names(width), out, settings, levels=levels, tick=tick)


def _refuse_run(out: Path) -> None:
    refuse_foreign(out, out / CODES_FILE)
    if (out / CODES_FILE).exists():
        raise DataError(f"{out} already holds facial codes; name another folder")


def _kept_run(
    clips: Sequence[ExpressionClip], shifts: torch.Tensor, names: tuple[str, ...], out: Path, settings: FitSettings, *,
    levels: bool, tick: Callable[[int], None],
) -> dict[str, Any]:  # fmt: skip
    own = clips if levels else [levelled(clip) for clip in clips]
    network = _fitted(of_split(own, "train"), shifts, settings, tick)
    save_codes(StoredCodes(network, names, not levels, asdict(settings)), out)
    run = StudyRun(settings.size.codes, "both", settings.seed)
    figures = measure(network, shifts, of_split(own, "val", "test"), run)
    return {name: value for name, value in as_plain(figures).items() if name != "by_person"}


def _fitted(
    clips: Sequence[ExpressionClip],
    shifts: torch.Tensor,
    settings: FitSettings,
    tick: Callable[[int], None] = lambda _: None,
) -> CodesNetwork:
    return fit_codes(torch.from_numpy(frames(clips)), shifts, settings, torch.from_numpy(even_people(clips)), tick)


def study(tracked: Tracked, out: Path, steps: int, threads: int, tick: Tick) -> None:
    """The grid, on coefficients as tracked; OUT/rows.json."""
    torch.set_num_threads(threads)
    base = FitSettings(steps=steps)
    rows = run_study(tracked.clips(), tracked.shifts(), out, base, grid(TERMS_AT), tick)
    (out / ROWS_FILE).write_text(json.dumps(rows) + "\n")


ROWS_FILE = "rows.json"


def drivers(tracked: Tracked, out: Path, seeds: int, steps: int, threads: int, tick: Tick) -> None:
    """People outside training, with coefficients as tracked and about each recording's median; 2 x seeds networks."""
    torch.set_num_threads(threads)
    clips, shifts = tracked.clips(), tracked.shifts()
    networks: dict[bool, list[CodesNetwork]] = {True: [], False: []}
    for levels, found in networks.items():
        own = of_split(clips if levels else [levelled(clip) for clip in clips], "train")
        for seed in range(seeds):
            found.append(_fitted(own, shifts, FitSettings(steps=steps, seed=seed)))
            tick(f"seed {seed}")
    _keep(out, [as_json(figure) for figure in tracked_figures(clips, networks)])


OPEN_SET_FITS = 2 * DRAWS
"""How many networks `open_set` trains."""


def open_set(expressions: Path, out: Path, threads: int, tick: Tick) -> None:
    """REACT-Nao's open set, in both ways, too; 2 x DRAWS networks."""
    torch.set_num_threads(threads)
    figures = open_set_figures(unit_clips(expressions)[0], _unit_settings(DRAWS), tick)
    _keep(out, [as_json(figure) for figure in figures])


def trait_fits(seeds: int) -> int:
    """How many networks `traits` trains."""
    return seeds * FOLDS


def traits(expressions: Path, out: Path, seeds: int, threads: int, tick: Tick) -> None:
    """Figures of all scales, by bags of tokens and by means of action units."""
    torch.set_num_threads(threads)
    scores = read_questionnaire(expressions / "questionnaire.csv")
    scales = (*BIG_FIVE, *EXPRESSIVITY)
    figures = predict_traits(unit_clips(expressions)[0], scores, scales, _unit_settings(seeds), tick)
    _keep(out, [as_json(figure) for figure in figures])


def _unit_settings(seeds: int) -> list[FitSettings]:
    return [FitSettings(size=UNIT_SIZE, steps=_UNIT_STEPS, seed=seed) for seed in range(seeds)]


def _keep(out: Path, rows: list[Any]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(rows, indent=1) + "\n")


def pictures(run: Path, tracked: Tracked, out: Path, threads: int) -> list[str]:
    """The contact sheet of a run; a line a token."""
    torch.set_num_threads(threads)
    stored = load_codes(run)
    clips = of_split(tracked.clips(), "train")
    own = [levelled(clip) for clip in clips] if stored.levelled else clips
    explained, shares = explained_tokens(stored.network, own, tracked.artist())
    save_sheet(explained.pictures, explained.words, shares, out)
    return [f"{token:4d}  {shares[token]:6.2%}  {explained.words[token]}" for token in np.argsort(-shares).tolist()]


def explained_tokens(
    network: CodesNetwork, clips: Sequence[ExpressionClip], artist: TokenArtist
) -> tuple[ExplainedTokens, np.ndarray[Any, np.dtype[np.float64]]]:
    """What tokens mean, and how often each is seen in recordings (K,)."""
    tokens = network.tokens(torch.from_numpy(frames(clips))).numpy()
    shares = np.bincount(tokens.ravel(), minlength=network.size.codes) / tokens.size
    with torch.no_grad():
        templates = network.templates().numpy()
    return explain_tokens(artist, templates, blendshapes.MOVING, shares >= _USED_SHARE), shares


def export(
    tracked: Tracked, calls: Path, test_calls: Path, out: Path, version: str, codes: int, steps: int, seed: int,
    threads: int,
) -> list[str]:  # fmt: skip
    """The live witness; a line a figure. The contact sheet goes beside its folder."""
    from training.facial_codes import witness_folder
    from training.facial_codes.tracked_calls import read_calls
    from training.facial_codes.witness import Calls

    torch.set_num_threads(threads)
    settings = FitSettings(size=replace(NetworkSize(), codes=codes), steps=steps, seed=seed)
    return witness_folder.write(tracked, Calls(read_calls(calls), read_calls(test_calls)), out, version, settings)


def page(study_folder: Path, drivers_files: Sequence[Path], traits_file: Path, witness: Path, out: Path) -> None:
    """The results page."""
    card = json.loads((witness / "witness.json").read_text())
    told = {name: card[name] for name in ("training_data", "limits", "metrics")}
    drivers = [row for file in drivers_files for row in read_rows(file)]
    write_page(read_rows(study_folder / ROWS_FILE), drivers, read_rows(traits_file), told, out)
