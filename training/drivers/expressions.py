"""Blinks, brows, smiles and gaze of an artificial person: events in time, each with the person's own shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.drivers.face_basis import CONTROL
from training.drivers.speech import STEP_HZ, lagged
from training.drivers.traits import BlinkHabit, BrowHabit, GazeHabit, SmileHabit

Steps = NDArray[np.float64]

_SACCADE_SECONDS = 0.012
_BLINK_HOLD_SECONDS = 0.03


def _smooth(ramp: Steps) -> Steps:
    ramp = np.clip(ramp, 0, 1)
    return np.asarray(ramp * ramp * (3 - 2 * ramp))


def _times(per_second: float, seconds: float, shortest: float, rng: np.random.Generator) -> list[float]:
    """Event times with independent gaps of at least `shortest` seconds, from a stream of their own.

    What else is drawn from `rng` then does not depend on how many events there are, so longer takes begin alike.
    """
    rng = rng.spawn(1)[0]
    times: list[float] = []
    now = float(rng.exponential(1 / per_second))
    while now < seconds:
        times.append(now)
        now += shortest + float(rng.exponential(max(1 / per_second - shortest, 0.05)))
    return times


def hill(time: Steps, start: float, rise: float, hold: float, fall: float) -> Steps:
    """0, up to 1 in `rise` seconds from `start`, there for `hold`, down in `fall`."""
    return np.asarray(np.minimum(_smooth((time - start) / rise), 1 - _smooth((time - start - rise - hold) / fall)))


def blink(habit: BlinkHabit, controls: Steps, phrase_ends: list[float], rng: np.random.Generator) -> None:
    """Add blinks to controls (steps, CONTROLS)."""
    seconds = len(controls) / STEP_HZ
    free = _times(habit.per_minute / 60, seconds, 0.4, rng)
    after, shapes = rng.spawn(2)
    times = sorted(free + [at + 0.05 for at in phrase_ends if after.random() < habit.after_phrase_share])
    last = -1.0
    for at in times:
        double = shapes.random() < habit.double_share
        depth, slow = habit.depth * float(shapes.uniform(0.88, 1.05)), float(shapes.uniform(0.85, 1.25))
        if at - last < 0.45:
            continue
        length = slow * (habit.closing_seconds + _BLINK_HOLD_SECONDS + habit.opening_seconds)
        for start in (at, at + length + 0.06) if double else (at,):
            _one_blink(habit, controls, start, depth, slow)
            last = start
    for side in ("right", "left"):
        controls[:, CONTROL[f"squint_{side}"]] += habit.rest_squint


def _one_blink(habit: BlinkHabit, controls: Steps, start: float, depth: float, slow: float) -> None:
    first = max(int((start - 0.1) * STEP_HZ), 0)
    rows = slice(first, int((start + 1.2) * STEP_HZ))
    time = (np.arange(len(controls[rows])) + first) / STEP_HZ
    for side, share, lag in (("right", 1.0, 0.0), ("left", habit.left_share, habit.left_lag_seconds)):
        shut = hill(time, start + lag, slow * habit.closing_seconds, _BLINK_HOLD_SECONDS, slow * habit.opening_seconds)
        column = controls[rows, CONTROL[f"blink_{side}"]]
        np.maximum(column, min(depth * share, 1.06) * shut, out=column)


def brows(habit: BrowHabit, controls: Steps, stresses: list[float], rng: np.random.Generator) -> None:
    """Add brow flashes on stressed syllables, frowns and slow drift."""
    time = np.arange(len(controls)) / STEP_HZ
    drift = habit.drift * wander(time, 0.25, rng)
    up, down = np.zeros(len(controls)), np.zeros(len(controls))
    for at in stresses:
        chance, size, long = rng.random(3)
        frown = rng.random() < habit.down_share
        if chance > habit.on_stress:
            continue
        shape = hill(time, at - 0.08, 0.14, habit.seconds * (0.5 + long), 0.25) * habit.gain * (0.5 + 1.3 * size)
        if frown:
            down = np.maximum(down, shape)
        else:
            up = np.maximum(up, shape)
    up = lagged(up, 0.03) + drift
    down = lagged(down, 0.03)
    for side, share in (("right", 1.0), ("left", habit.left_share)):
        controls[:, CONTROL[f"brow_inner_{side}"]] += up * share * habit.inner_outer * 1.4
        controls[:, CONTROL[f"brow_outer_{side}"]] += up * share * (1 - habit.inner_outer) * 1.4
        controls[:, CONTROL[f"brow_down_{side}"]] += down * share


def smiles(habit: SmileHabit, controls: Steps, rng: np.random.Generator) -> None:
    """Add smiles that come and go, crooked as the person's are, with or without the eyes."""
    seconds = len(controls) / STEP_HZ
    time = np.arange(len(controls)) / STEP_HZ
    smile = np.zeros(len(controls))
    for at in _times(habit.per_minute / 60, seconds, 1.0, rng):
        size, long = rng.uniform(0.6, 1.4, 2)
        shape = hill(time, at, habit.onset_seconds, habit.seconds * long, habit.onset_seconds * 1.6)
        smile = np.maximum(smile, shape * habit.depth * size)
    for side, share in (("right", 2 / (1 + habit.left_share)), ("left", 2 - 2 / (1 + habit.left_share))):
        controls[:, CONTROL[f"smile_{side}"]] += smile * share
        controls[:, CONTROL[f"squint_{side}"]] += smile * habit.squint


def gaze(habit: GazeHabit, controls: Steps, rng: np.random.Generator) -> None:
    """Add saccades: the eyes jump to a new place, often back to the usual one."""
    seconds = len(controls) / STEP_HZ
    track = np.zeros((len(controls), 2))
    track[:] = habit.usual_x, habit.usual_y
    for at in _times(habit.per_second, seconds, 0.15, rng):
        home = rng.random() < habit.home_share
        reach = rng.standard_normal(2) * np.array([habit.reach_x, habit.reach_y]) * (0.25 if home else 1.0)
        track[int(at * STEP_HZ) :] = np.array([habit.usual_x, habit.usual_y]) + reach
    controls[:, CONTROL["gaze_x"]] += np.clip(lagged(track[:, 0], _SACCADE_SECONDS), -1, 1)
    controls[:, CONTROL["gaze_y"]] += np.clip(lagged(track[:, 1], _SACCADE_SECONDS), -1, 1)


def wander(time: Steps, hz: float, rng: np.random.Generator) -> Steps:
    """Smooth random motion of unit deviation around `hz`: a few sine waves of unrelated frequency and phase."""
    count = 7
    frequencies = hz * np.exp(rng.normal(0, 0.55, count))
    weights = rng.uniform(0.4, 1.0, count) / np.sqrt(frequencies / hz)
    phases = rng.uniform(0, 2 * np.pi, count)
    waves = np.sin(2 * np.pi * np.outer(time, frequencies) + phases) @ weights
    return np.asarray(waves / np.sqrt(0.5 * np.sum(weights**2)))
