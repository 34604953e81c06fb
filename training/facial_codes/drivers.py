"""Token histograms as a driver signal: enrolled against live, by cosine, chi-square and bigrams of tokens.

Two benches. People outside training of the tracked recordings: enrolled in some recordings, probed in others. And the
open set of seed_systems.md 6.1 on REACT-Nao: 20 people held out, 5 draws, template = earlier recordings, probes =
windows of 100 rows of the last one. Recordings are real faces with their own shapes, so every figure here is also one
of how far tracked expressions leak the face: levels stand beside what is left without the clip's median.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from training.errors import DataError
from training.facial_codes.clips import ExpressionClip, even_people, frames, levelled, of_split
from training.facial_codes.fitting import FitSettings, fit_codes
from training.facial_codes.histograms import (
    Floats,
    bigram_histogram,
    chi_square_scores,
    cosine_scores,
    hellinger_scores,
    telling_weights,
    token_histogram,
)
from training.facial_codes.network import CodesNetwork
from training.metrics import Estimate, Trials, Weights, pooled_area, pooled_equal_error, resampled

WINDOW_ROWS = 100
"""Of REACT-Nao, about 9 s."""
HELD_PEOPLE, DRAWS = 20, 5
_PROBE_CLIPS = 4
"""Recordings of one second that make a probe."""
_LEAST_FRAMES = 100
"""Of a recording that is cut in half."""
_ROUNDS = 200
SESSIONS, HALVES = "other days", "halves of one recording"

Side = list[ExpressionClip]


@dataclass(frozen=True, slots=True)
class Sides:
    """Who is enrolled in what, and probed in what; people are numbered alike in both."""

    enrolled: list[tuple[int, Side]]
    probes: list[tuple[int, Side]]


@dataclass(frozen=True, slots=True)
class DriverFigure:
    """Mean over seeds (and draws), 95 % over people."""

    bench: str
    levels: bool
    """True: coefficients as tracked; False: about the clip's median."""
    features: str
    area: Estimate
    equal_error: Estimate
    people: int
    trials: int


def session_sides(clips: Sequence[ExpressionClip]) -> Sides:
    """People with recordings of several sessions: half of these enrolled, four clips of the others a probe."""
    enrolled, probes = [], []
    for number, own in enumerate(_by_person(clips)):
        sessions = sorted({clip.session for clip in own})
        first = set(sessions[: len(sessions) // 2])
        kept = [clip for clip in own if clip.session in first]
        rest = [clip for clip in own if clip.session not in first]
        if len(kept) < _PROBE_CLIPS or len(rest) < _PROBE_CLIPS:
            continue
        enrolled.append((number, kept))
        starts = range(0, len(rest) - _PROBE_CLIPS + 1, _PROBE_CLIPS)
        probes += [(number, rest[start : start + _PROBE_CLIPS]) for start in starts]
    return Sides(enrolled, probes)


def half_sides(clips: Sequence[ExpressionClip]) -> Sides:
    """The longest recording of each person, cut in half: the same topic, mood and camera on both sides."""
    enrolled, probes = [], []
    for number, own in enumerate(_by_person(clips)):
        longest = max(own, key=lambda clip: len(clip.values))
        middle = len(longest.values) // 2
        if 2 * middle >= _LEAST_FRAMES:
            enrolled.append((number, [_part(longest, 0, middle)]))
            probes.append((number, [_part(longest, middle, len(longest.values))]))
    return Sides(enrolled, probes)


def window_sides(clips: Sequence[ExpressionClip]) -> Sides:
    """Earlier recordings enrolled, the last one probed in windows of `WINDOW_ROWS` that do not overlap."""
    enrolled, probes = [], []
    for number, own in enumerate(_by_person(clips)):
        *earlier, last = sorted(own, key=lambda clip: clip.session)
        enrolled.append((number, earlier))
        ends = range(WINDOW_ROWS, len(last.values) + 1, WINDOW_ROWS)
        probes += [(number, [_part(last, end - WINDOW_ROWS, end)]) for end in ends]
    return Sides(enrolled, probes)


def _by_person(clips: Sequence[ExpressionClip]) -> list[list[ExpressionClip]]:
    groups: dict[str, list[ExpressionClip]] = defaultdict(list)
    for clip in clips:
        groups[clip.person].append(clip)
    return [groups[person] for person in sorted(groups)]


def _part(clip: ExpressionClip, start: int, end: int) -> ExpressionClip:
    return replace(clip, values=clip.values[start:end], seconds=clip.seconds[start:end])


def driver_trials(network: CodesNetwork, sides: Sides, weights: Floats) -> dict[str, Trials]:
    """Every enrolment against every probe, by each comparison of histograms; `weights` (K,) by `telling_weights`."""
    codes = network.size.codes
    tokens = [[_tokens(network, clip) for clip in side] for _, side in [*sides.enrolled, *sides.probes]]
    shares = np.stack([token_histogram(np.concatenate(part), codes) for part in tokens])
    pairs = np.stack([bigram_histogram(part, codes) for part in tokens])
    cut = len(sides.enrolled)
    (templates, probes), (first, second) = (shares[:cut], shares[cut:]), (pairs[:cut], pairs[cut:])
    roots, pair_roots = hellinger_scores(templates, probes), hellinger_scores(first, second)
    scores = {
        "cosine of shares": cosine_scores(templates, probes),
        "chi-square": chi_square_scores(templates, probes),
        "cosine of roots": roots,
        "bigrams, cosine of roots": pair_roots,
        "shares and bigrams": (roots + pair_roots) / 2,
        "cosine of roots, weighted": hellinger_scores(templates, probes, weights),
    }
    return {name: _trials(score, sides) for name, score in scores.items()}


def plain_trials(sides: Sides, deviation: Floats) -> dict[str, Trials]:
    """The same comparisons without codes: distances of mean levels, in `deviation`s (C,), and of log deviations."""
    rows = [frames(side).astype(np.float64) for _, side in [*sides.enrolled, *sides.probes]]
    cut = len(sides.enrolled)
    found = {}
    for name, features in (
        ("no codes: mean levels", np.stack([part.mean(axis=0) / deviation for part in rows])),
        ("no codes: log deviations", np.stack([np.log(part.std(axis=0) + 0.1 * deviation) for part in rows])),
    ):
        apart = np.linalg.norm(features[:cut, None] - features[None, cut:], axis=2)
        found[name] = _trials(-apart, sides)
    return found


def _tokens(network: CodesNetwork, clip: ExpressionClip) -> NDArray[np.int64]:
    tokens: NDArray[np.int64] = network.tokens(torch.from_numpy(clip.values)).numpy()
    return tokens


def _trials(scores: Floats, sides: Sides) -> Trials:
    template = np.array([number for number, _ in sides.enrolled])
    probe = np.array([number for number, _ in sides.probes])
    rows, columns = np.meshgrid(template, probe, indexing="ij")
    return Trials(scores.ravel(), rows.ravel(), columns.ravel(), np.full(scores.size, -1))


def window_weights(network: CodesNetwork, clips: Sequence[ExpressionClip], rows: int) -> Floats:
    """`telling_weights` of the people of training, by their stretches of `rows` frames, short recordings joined."""
    histograms, owner = [], []
    for number, own in enumerate(_by_person(clips)):
        tokens = np.concatenate([_tokens(network, clip) for clip in own])
        for end in range(rows, len(tokens) + 1, rows):
            histograms.append(token_histogram(tokens[end - rows : end], network.size.codes))
            owner.append(number)
    if len(set(owner)) < 2:
        raise DataError(f"weights need two people with {rows} frames at least")
    return telling_weights(np.stack(histograms), np.array(owner))


def tracked_figures(
    clips: Sequence[ExpressionClip], networks: Mapping[bool, Sequence[CodesNetwork]]
) -> list[DriverFigure]:
    """People of val and test, who took no part in the networks: {levels: networks of the seeds}."""
    found = []
    for levels, seeds in networks.items():
        own = clips if levels else [levelled(clip) for clip in clips]
        train, held = of_split(own, "train"), of_split(own, "val", "test")
        weights = [window_weights(network, train, 128) for network in seeds]
        deviation = np.maximum(frames(train).std(axis=0), 0.02).astype(np.float64)
        for bench, sides in ((SESSIONS, session_sides(held)), (HALVES, half_sides(held))):
            by_seed = [driver_trials(network, sides, weight) for network, weight in zip(seeds, weights, strict=True)]
            named = {name: [trials[name] for trials in by_seed] for name in by_seed[0]}
            named |= {name: [trials] for name, trials in plain_trials(sides, deviation).items()}
            found += [_figure(bench, levels, name, trials) for name, trials in named.items()]
    return found


def open_set_figures(
    clips: Sequence[ExpressionClip],
    settings: Sequence[FitSettings],
    tick: Callable[[str], None] = lambda _: None,
) -> list[DriverFigure]:
    """REACT-Nao's open set; codes and weights of each draw are learnt of the other people, with settings of its own."""
    people = sorted({clip.person for clip in clips})
    several = [person for person in people if sum(clip.person == person for clip in clips) > 1]
    random = np.random.default_rng(0)
    draws = [set(random.choice(several, HELD_PEOPLE, replace=False).tolist()) for _ in settings]
    number = {person: place for place, person in enumerate(people)}
    named: dict[tuple[bool, str], list[Trials]] = defaultdict(list)
    for levels in (True, False):
        own = list(clips) if levels else [levelled(clip) for clip in clips]
        for draw, one in zip(draws, settings, strict=True):
            train = [clip for clip in own if clip.person not in draw]
            held = [clip for clip in own if clip.person in draw]
            sides, names = window_sides(held), [number[person] for person in sorted(draw)]
            expressions, share = torch.from_numpy(frames(train)), torch.from_numpy(even_people(train))
            shifts = torch.eye(expressions.shape[1]).unsqueeze(2)
            network = fit_codes(expressions, shifts, one, share)
            weights = window_weights(network, train, WINDOW_ROWS)
            for name, trials in driver_trials(network, sides, weights).items():
                named[levels, name].append(_numbered(trials, names))
            tick(f"seed {one.seed}")
            deviation = np.maximum(frames(train).std(axis=0), 0.02).astype(np.float64)
            for name, trials in plain_trials(sides, deviation).items():
                named[levels, name].append(_numbered(trials, names))
    return [_figure("REACT-Nao, open set", levels, name, trials) for (levels, name), trials in named.items()]


def _numbered(trials: Trials, names: Sequence[int]) -> Trials:
    own = np.array(names)
    return replace(trials, template_driver=own[trials.template_driver], probe_driver=own[trials.probe_driver])


def _figure(bench: str, levels: bool, name: str, lists: Sequence[Trials]) -> DriverFigure:
    people = np.unique(np.concatenate([trials.template_driver for trials in lists]))
    return DriverFigure(
        bench,
        levels,
        name,
        mean_over(lists, pooled_area),
        mean_over(lists, pooled_equal_error),
        len(people),
        len(lists[0].scores),
    )


def mean_over(lists: Sequence[Trials], measure: Callable[[Trials, Weights | None], float]) -> Estimate:
    """Mean of a measure over lists of trials (seeds, draws); a bootstrap round resamples the people of every list."""
    values = []
    ranked = [trials.ranked() for trials in lists]
    streams = [resampled(trials, _ROUNDS, seed=0) for trials in ranked]
    for weights in zip(*streams, strict=False):
        try:
            values.append(float(np.mean([measure(trials, own) for trials, own in zip(ranked, weights, strict=True)])))
        except DataError:
            continue
        if len(values) == _ROUNDS:
            break
    if not values:
        raise DataError("people are too few to resample: genuine or impostor comparisons are missing")
    low, high = np.percentile(values, [2.5, 97.5])
    return Estimate(float(np.mean([measure(trials, None) for trials in lists])), float(low), float(high))
