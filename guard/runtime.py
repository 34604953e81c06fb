"""Building the parts of a guard from its settings."""

from __future__ import annotations

from collections.abc import Callable

from engines.face_detector import SlimFaceDetector
from engines.person_models.folder import read_person_manifest
from engines.protocol import Engine, EngineSpec
from engines.registry import load_engine
from engines.stage_clock import StageClock
from guard.config import EngineConfig, GuardConfig, VerifyConfig
from guard.media.front_end import FaceFrontEnd
from guard.person_models.person_models import PersonModels
from guard.verify.witness_set import WitnessSet, load_witness_set


def make_engine(config: EngineConfig, clock: StageClock | None = None) -> Engine:
    """The configured engine, loaded and checked; with a clock, to see where its time goes. Raises EngineError."""
    return load_engine(config.model, config.backend, threads=config.threads, clock=clock)


def front_end_factory(config: VerifyConfig) -> Callable[[], FaceFrontEnd]:
    """Makes one front end per participant; they share the face detector."""
    detector = SlimFaceDetector()
    return lambda: FaceFrontEnd(detector, min_fps=config.min_fps)


def make_person_models(config: GuardConfig) -> PersonModels | None:
    """The configured person models, checked as far as can be without torch; None where they are off.

    Raises ModelFolderError.
    """
    if config.person_models.folder is None:
        return None
    return PersonModels(config.person_models, read_person_manifest(config.person_models.folder.expanduser()))


def make_witnesses(config: GuardConfig, engine: EngineSpec) -> WitnessSet | None:
    """The configured witnesses, loaded and checked; None where there are none, or nothing that they could hear.

    Raises EngineError, ConfigError.
    """
    if not config.expressions.enabled:
        return None
    found = load_witness_set(config.witnesses, engine)
    return found if found.witnesses else None
