"""What a card says in words beside its figures."""

from __future__ import annotations

from training.run_log import TrainingLength

EVALUATION = (
    "All rows: drivers and faces that neither training nor calibration saw; template and probe always show the same "
    "face, genuine = same driver, impostor = another driver of that face; scored frame by frame through this folder's "
    "graphs. *procedural*: artificial drivers on painted faces, eight to a face, two takes each, through a real VP8 "
    "encoder at 300-800 kbit/s. *real*: tracks of real people rendered onto photographed and painted faces, through "
    "the simulated call; people with one recording only are enrolled and probed in two halves of it."
)
RECORDINGS = (
    "Two halves of one recording share topic, mood and face tracking, which makes them easier than a call on another "
    "day; another recording is another clip of that person, of news anchors one of another day as guessed from "
    "clothing. The rows of the two kinds compare the people of each among themselves; people and seconds differ, too, "
    "so the difference of their figures is not the price of another recording alone."
)
NO_STATIC = "The STATIC control was not measured for this engine."
CALLS = "Evidence, swaps and worse calls: procedural drivers, the guard's own rule for evidence and alerts."
NO_CALLS = "Seconds of evidence, time to detect and worse calls were not measured for this engine."


def static_text(trained: TrainingLength | None) -> str:
    """How far the control STATIC can be relied on. trained: None where it was not measured."""
    if trained is None:
        return NO_STATIC
    frames = "" if trained.frames is None else f" of {trained.frames} frames (median)"
    return (
        f"STATIC sees one frame. It was trained by the same contrastive loss for {trained.steps} steps{frames}, far "
        "shorter than this engine (see the training data): what it reaches above 0.5 is a lower bound of what "
        "appearance and a held expression can do, and at 0.5 it does not prove that they can do nothing."
    )


def cost_text(bits: dict[str, float], windows: dict[str, str]) -> str:
    """Cllr by kind of drivers. windows: what is compared, by kind."""
    told = [f"{bits[kind]:.3f} bits on {kind} test drivers ({windows[kind]})" for kind in bits]
    real = " It was not calibrated on these real people." if "real" in bits else ""
    return f"Cllr of the shipped log-likelihood ratio (1 = knows nothing): {'; '.join(told)}.{real}"
