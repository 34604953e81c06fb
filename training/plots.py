"""Pictures of an evaluation; no faces in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

mpl.use("Agg")
from matplotlib import pyplot as plt  # the backend has to be chosen first

from training.metrics import Trials, area_under_roc, curve_band, equal_error_rate, operating_curve

_BAND_RATES = np.geomspace(0.001, 1, 60)
_BAND_ROUNDS = 100
_DET_TICKS = (0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7)


def save_curves(curves: Mapping[str, Trials], path: Path) -> None:
    """ROC and, on normal-deviate axes, DET of several systems side by side; bands are 95 % over drivers."""
    figure, (roc, det) = plt.subplots(1, 2, figsize=(11, 5), constrained_layout=True)
    for name, trials in curves.items():
        curve = operating_curve(trials.scores, trials.genuine)
        area = area_under_roc(trials.scores, trials.genuine)
        error = equal_error_rate(trials.scores, trials.genuine)
        (line,) = roc.plot(curve.false_match_rate, 1 - curve.false_non_match_rate, label=f"{name}: AUC {area:.3f}")
        band = curve_band(trials, _BAND_RATES, rounds=_BAND_ROUNDS)
        shade = {"color": line.get_color(), "alpha": 0.12, "linewidth": 0}
        roc.fill_between(band.false_match_rate, 1 - band.high, 1 - band.low, **shade)
        low, high = (norm.ppf(np.clip(edge, 1e-4, 1 - 1e-4)) for edge in (band.low, band.high))
        det.fill_between(norm.ppf(np.clip(band.false_match_rate, 1e-4, 1 - 1e-4)), low, high, **shade)
        shown = (curve.false_match_rate > 0) & (curve.false_non_match_rate > 0)
        det.plot(
            norm.ppf(curve.false_match_rate[shown]),
            norm.ppf(curve.false_non_match_rate[shown]),
            label=f"{name}: EER {error:.3f}",
        )
    roc.plot([0, 1], [0, 1], color="0.7", linewidth=1, linestyle="--")
    roc.set(xlabel="false match rate", ylabel="true match rate", title="ROC, same face, unseen drivers")
    ticks = norm.ppf(_DET_TICKS)
    labels = [f"{100 * tick:g} %" for tick in _DET_TICKS]
    limits = (float(ticks[0]), float(ticks[-1]))
    det.set(xlabel="false match rate", ylabel="false non-match rate", title="DET", xlim=limits, ylim=limits)
    det.set_xticks(ticks, labels)
    det.set_yticks(ticks, labels)
    for axes in (roc, det):
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right" if axes is roc else "upper right", fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def save_scores(llr: NDArray[np.float64], genuine: NDArray[np.bool_], path: Path) -> None:
    """Histogram of log-likelihood ratios of both kinds of trial."""
    figure, axes = plt.subplots(figsize=(7, 4), constrained_layout=True)
    bins = np.linspace(float(llr.min()), float(llr.max()), 60).tolist()
    axes.hist(llr[~genuine], bins, density=True, alpha=0.6, label="other driver, same face", color="tab:red")
    axes.hist(llr[genuine], bins, density=True, alpha=0.6, label="enrolled driver", color="tab:green")
    axes.axvline(0, color="0.3", linewidth=1)
    axes.set(xlabel="log-likelihood ratio of one window (natural log)", ylabel="density")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
    plt.close(figure)
