"""Speech of an artificial person: phrases of syllables, spoken with the person's habits, blurred by co-articulation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.drivers.traits import SpeechHabit
from training.drivers.visemes import CONSONANT_SHARES, CONSONANTS, MOUTH_CONTROLS, VOWEL_SHARES, VOWELS

STEP_HZ = 120
"""Internal rate of all artificial motion; frames of any rate are read off it."""

_STRESS_SHARE = 0.3
_CODA_SHARE = 0.35
_PHRASE_FALL = 0.25
"""How much smaller mouth movements are at a phrase's end."""


@dataclass(frozen=True, slots=True)
class Speech:
    """mouth: (steps, MOUTH_CONTROLS); corners: (steps, 2), right and left corner; the lists hold seconds."""

    mouth: NDArray[np.float64]
    corners: NDArray[np.float64]
    stresses: list[float]
    phrase_ends: list[float]


def speak(habit: SpeechHabit, seconds: float, rng: np.random.Generator) -> Speech:
    """Speech of random syllables for `seconds`; a longer call with an equal `rng` begins with the same sentences."""
    steps = round(seconds * STEP_HZ)
    mouth = np.zeros((steps, len(MOUTH_CONTROLS)))
    stresses: list[float] = []
    phrase_ends: list[float] = []
    now = float(rng.exponential(habit.pause_seconds))
    while now < seconds:
        length = max(0.5, float(rng.gamma(3, habit.phrase_seconds / 3)))
        end = now + length
        while now < end:
            now = _syllable(habit, now, 1 - _PHRASE_FALL * (1 - (end - now) / length), mouth, stresses, rng)
        phrase_ends.append(now)
        pause = 0.12 + float(rng.gamma(2, habit.pause_seconds / 2))
        if rng.random() < habit.press_in_pause:
            _put(mouth[:, 4], now + 0.15 * pause, now + 0.85 * pause, float(rng.uniform(0.3, 0.8)))
        now += pause
    smooth = np.stack([lagged(mouth[:, i], habit.lag_seconds[i]) for i in range(mouth.shape[1])], axis=1)
    corners = smooth[:, :1] * np.array([habit.smile_bias])
    return Speech(smooth, corners, [at for at in stresses if at < seconds], [at for at in phrase_ends if at < seconds])


def _syllable(
    habit: SpeechHabit,
    now: float,
    loudness: float,
    mouth: NDArray[np.float64],
    stresses: list[float],
    rng: np.random.Generator,
) -> float:
    """Write consonant, vowel and perhaps a closing consonant from `now` on; returns the syllable's end in seconds."""
    stressed = rng.random() < _STRESS_SHARE
    length = float(np.exp(habit.rate_spread * rng.standard_normal())) / habit.syllables_per_second
    length = min(max(length * (1.2 if stressed else 0.92), 0.09), 0.6)
    gain = loudness * (habit.stress_gain if stressed else 1.0) * float(rng.uniform(0.8, 1.2))
    onset, coda = (CONSONANTS[rng.choice(len(CONSONANTS), p=CONSONANT_SHARES)] for _ in range(2))
    vowel = VOWELS[rng.choice(len(VOWELS), p=VOWEL_SHARES)]
    closes = rng.random() < _CODA_SHARE
    opening = now + length * (1 - habit.vowel_share) * (0.6 if closes else 1.0)
    closing = now + length * (0.78 if closes else 1.0)
    _put(mouth, now, opening, habit.targets[onset])
    _put(mouth, opening, closing, habit.targets[vowel] * gain)
    _put(mouth, closing, now + length, habit.targets[coda])
    if stressed:
        stresses.append(opening)
    return now + length


def _put(track: NDArray[np.float64], start: float, end: float, value: NDArray[np.float64] | float) -> None:
    track[max(round(start * STEP_HZ), 0) : max(round(end * STEP_HZ), 0)] = value


def lagged(values: NDArray[np.float64], lag_seconds: float) -> NDArray[np.float64]:
    """Critically damped second-order response, as muscle and tissue give it: kernel t / lag^2 * exp(-t / lag)."""
    time = (np.arange(round(8 * lag_seconds * STEP_HZ)) + 0.5) / STEP_HZ
    kernel = time * np.exp(-time / lag_seconds)
    return np.asarray(np.convolve(values, kernel / kernel.sum())[: len(values)])
