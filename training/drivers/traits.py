"""What makes one artificial person move unlike another: lasting habits, drawn once from populations that overlap.

The ranges follow what is known of real faces: about 17 blinks a minute with a wide spread between people, lids closing
in some 80 ms and opening in twice that (Bentivoglio et al., Movement Disorders 1997; Evinger et al., 1991), 3-7
syllables a second, head sway below 1 Hz. Amplitudes are set so that landmark deviations match those of real tracks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.drivers.seeds import stream
from training.drivers.visemes import MOUTH_CONTROLS, VISEME_TARGETS

_TRAITS_STREAM = 11


@dataclass(frozen=True, slots=True)
class BlinkHabit:
    per_minute: float
    closing_seconds: float
    opening_seconds: float
    depth: float
    """How far the lids close, 1 being shut."""
    left_share: float
    """Depth of the left eye over that of the right."""
    left_lag_seconds: float
    double_share: float
    after_phrase_share: float
    rest_squint: float


@dataclass(frozen=True, slots=True)
class SpeechHabit:
    syllables_per_second: float
    rate_spread: float
    phrase_seconds: float
    pause_seconds: float
    vowel_share: float
    targets: NDArray[np.float64]
    """This person's articulation of each viseme, (visemes, MOUTH_CONTROLS)."""
    lag_seconds: NDArray[np.float64]
    """Time constant of each mouth control, (MOUTH_CONTROLS,): fast lips or slow ones."""
    stress_gain: float
    smile_bias: tuple[float, float]
    """Right and left mouth corner pulled along with each open vowel: crooked speech."""
    press_in_pause: float


@dataclass(frozen=True, slots=True)
class BrowHabit:
    on_stress: float
    """Probability of a brow movement on a stressed syllable."""
    gain: float
    inner_outer: float
    left_share: float
    seconds: float
    down_share: float
    drift: float


@dataclass(frozen=True, slots=True)
class SmileHabit:
    per_minute: float
    seconds: float
    onset_seconds: float
    depth: float
    left_share: float
    squint: float


@dataclass(frozen=True, slots=True)
class GazeHabit:
    per_second: float
    reach_x: float
    reach_y: float
    usual_x: float
    usual_y: float
    home_share: float


@dataclass(frozen=True, slots=True)
class HeadHabit:
    """Axes are x, y, scale, roll, yaw, pitch throughout; face units and radians."""

    sway: NDArray[np.float64]
    sway_hz: NDArray[np.float64]
    mix: NDArray[np.float64]
    """(6, 6): how axes move together."""
    nod: NDArray[np.float64]
    """Head movement (6,) of a stressed syllable."""
    nod_seconds: float
    nod_lag_seconds: float
    nod_share: float
    shake: float


@dataclass(frozen=True, slots=True)
class Traits:
    blink: BlinkHabit
    speech: SpeechHabit
    brow: BrowHabit
    smile: SmileHabit
    gaze: GazeHabit
    head: HeadHabit


def draw_traits(seed: int) -> Traits:
    """The person of a seed, the same every time."""
    rng = stream(_TRAITS_STREAM, seed)
    return Traits(_blink(rng), _speech(rng), _brow(rng), _smile(rng), _gaze(rng), _head(rng))


def _around(rng: np.random.Generator, median: float, spread: float) -> float:
    """Log-normal around a median; `spread` is the deviation of the logarithm."""
    return float(median * np.exp(spread * rng.standard_normal()))


def _blink(rng: np.random.Generator) -> BlinkHabit:
    return BlinkHabit(
        per_minute=_around(rng, 17, 0.5),
        closing_seconds=_around(rng, 0.075, 0.2),
        opening_seconds=_around(rng, 0.16, 0.3),
        depth=float(rng.uniform(0.75, 1.04)),
        left_share=_around(rng, 1.0, 0.07),
        left_lag_seconds=float(rng.normal(0, 0.012)),
        double_share=float(rng.beta(1.2, 7)),
        after_phrase_share=float(rng.uniform(0, 0.7)),
        rest_squint=float(rng.uniform(0, 0.3)),
    )


def _speech(rng: np.random.Generator) -> SpeechHabit:
    controls = len(MOUTH_CONTROLS)
    gains = np.exp(rng.normal(0, 0.3, controls)) * 0.5
    gains[0] *= 0.85  # the jaw
    habits = np.exp(rng.normal(0, 0.3, VISEME_TARGETS.shape))
    offsets = rng.normal(0, 0.05, VISEME_TARGETS.shape) * (np.abs(VISEME_TARGETS).sum(axis=1, keepdims=True) > 0)
    corners = np.clip(rng.normal(0.06, 0.09, 2), -0.1, 0.3)
    return SpeechHabit(
        syllables_per_second=_around(rng, 4.6, 0.17),
        rate_spread=float(rng.uniform(0.12, 0.4)),
        phrase_seconds=_around(rng, 2.2, 0.35),
        pause_seconds=_around(rng, 0.55, 0.45),
        vowel_share=float(rng.uniform(0.5, 0.72)),
        targets=(VISEME_TARGETS * habits + offsets) * gains,
        lag_seconds=np.clip(0.034 * np.exp(rng.normal(0, 0.25, controls)), 0.018, 0.07),
        stress_gain=float(rng.uniform(1.1, 1.9)),
        smile_bias=(float(corners[0]), float(corners[1])),
        press_in_pause=float(rng.beta(1.5, 3)),
    )


def _brow(rng: np.random.Generator) -> BrowHabit:
    return BrowHabit(
        on_stress=float(rng.beta(1.6, 3)),
        gain=_around(rng, 0.45, 0.5),
        inner_outer=float(rng.uniform(0.1, 0.9)),
        left_share=_around(rng, 1.0, 0.3),
        seconds=_around(rng, 0.38, 0.35),
        down_share=float(rng.beta(1, 3)),
        drift=_around(rng, 0.09, 0.4),
    )


def _smile(rng: np.random.Generator) -> SmileHabit:
    return SmileHabit(
        per_minute=_around(rng, 4.0, 0.7),
        seconds=_around(rng, 1.6, 0.35),
        onset_seconds=_around(rng, 0.35, 0.3),
        depth=_around(rng, 0.45, 0.4),
        left_share=_around(rng, 1.0, 0.25),
        squint=float(rng.uniform(0, 0.8)),
    )


def _gaze(rng: np.random.Generator) -> GazeHabit:
    return GazeHabit(
        per_second=_around(rng, 0.9, 0.45),
        reach_x=_around(rng, 0.3, 0.4),
        reach_y=_around(rng, 0.2, 0.4),
        usual_x=float(rng.normal(0, 0.25)),
        usual_y=float(rng.normal(0, 0.2)),
        home_share=float(rng.uniform(0.3, 0.8)),
    )


def _head(rng: np.random.Generator) -> HeadHabit:
    lively = _around(rng, 1.0, 0.3)
    sway = np.array([0.06, 0.04, 0.012, 0.03, 0.06, 0.06]) * np.exp(rng.normal(0, 0.35, 6)) * lively
    nod = np.array([0.006, 0.035, 0.003, 0.01, 0.018, 0.055]) * np.exp(rng.normal(0, 0.5, 6)) * lively
    signs = np.where(rng.random(6) < 0.5, -1.0, 1.0)
    signs[[1, 5]] = 1.0  # nods go down
    return HeadHabit(
        sway=sway,
        sway_hz=np.clip(0.33 * np.exp(rng.normal(0, 0.4, 6)), 0.1, 0.9),
        mix=np.eye(6) + rng.normal(0, 0.3, (6, 6)) * (1 - np.eye(6)),
        nod=nod * signs,
        nod_seconds=_around(rng, 0.36, 0.25),
        nod_lag_seconds=float(rng.normal(0.03, 0.06)),
        nod_share=float(rng.beta(2, 2)),
        shake=_around(rng, 0.02, 0.5),
    )
