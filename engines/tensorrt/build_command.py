"""Compiles an engine for the GPU at hand ahead of its first call: `python -m engines build`, `guard engine build`."""

from __future__ import annotations

from engines.code_cache import default_code_cache
from engines.cuda.gpu import find_gpu
from engines.errors import CodeCacheError
from engines.model_folder import read_model_folder
from engines.registry import find_model
from engines.tensorrt.batch_buckets import batch_buckets, batch_profiles
from engines.tensorrt.build_progress import StderrProgress
from engines.tensorrt.model_plans import Machine, model_plans
from engines.tensorrt.package import find_tensorrt
from engines.tensorrt.precision import Precision


def build_engine(name_or_path: str, precision: Precision) -> None:
    """Compile all plans of an engine and keep them. Progress goes to stderr.

    Raises EngineError (ModelFolderError, BackendUnavailableError, PlanBuildError, CodeCacheError) where that fails.
    """
    model = read_model_folder(find_model(name_or_path))
    machine = Machine(find_tensorrt(), find_gpu(), default_code_cache("plans"))
    progress = StderrProgress()
    plans = model_plans(model, precision, batch_profiles(batch_buckets()), machine, progress)
    for plan in (plans.backbone, plans.head, plans.embedding):
        if plan.not_kept is not None:
            raise CodeCacheError(plan.not_kept)
    progress.stage(f"{model.spec.name} {precision} is ready in {machine.cache.folder}")
