"""The installed TensorRT: which package, which version, and the few places where their APIs part.

`tensorrt` 8.6, 10 and 11 and `tensorrt_rtx` share the calls that this backend makes. What differs is asked of the
module itself (does it have this flag?), never concluded from a version.
"""

from __future__ import annotations

import importlib
import logging
import re
from dataclasses import dataclass
from typing import Any

from engines.errors import BackendUnavailableError
from engines.tensorrt.precision import Precision

_LOG = logging.getLogger(__name__)

_PACKAGES = ("tensorrt", "tensorrt_rtx")
_OLDEST = (8, 6)


@dataclass(frozen=True, slots=True)
class TensorRT:
    """One TensorRT package."""

    name: str
    version: str
    module: Any

    @property
    def strongly_typed(self) -> bool:
        """Whether precision comes from the graph alone. 8.6 chooses types itself unless it is held to them."""
        return hasattr(self.module.NetworkDefinitionCreationFlag, "STRONGLY_TYPED")

    @property
    def network_flags(self) -> int:
        """How a network is created: batch explicit where that is still a choice, types from the graph."""
        kinds = self.module.NetworkDefinitionCreationFlag
        wanted = ("EXPLICIT_BATCH", "STRONGLY_TYPED")
        return sum(1 << int(getattr(kinds, name)) for name in wanted if hasattr(kinds, name))

    def hold_precision(self, network: Any, config: Any, precision: Precision) -> None:
        """Make the plan compute in the types that the graph says.

        TF32 is on by default everywhere and would round what enters a product to 10 bits, no better than half. Without
        strong typing, half must be allowed and every layer of floats be held to its own type.
        """
        flags = self.module.BuilderFlag
        config.clear_flag(flags.TF32)
        if self.strongly_typed or precision == "fp32":
            return
        config.set_flag(flags.FP16)
        config.set_flag(flags.OBEY_PRECISION_CONSTRAINTS)
        floats = (self.module.float32, self.module.float16)
        fixed = (self.module.LayerType.CAST, self.module.LayerType.CONSTANT)
        for layer in (network.get_layer(number) for number in range(network.num_layers)):
            outputs = [layer.get_output(number).dtype for number in range(layer.num_outputs)]
            if layer.type in fixed or not outputs or outputs[0] not in floats:
                continue
            layer.precision = outputs[0]
            for number, dtype in enumerate(outputs):
                if dtype in floats:
                    layer.set_output_type(number, dtype)

    def allow_capture(self, config: Any) -> None:
        """Build a plan whose contexts share profiles and memory, as one captured CUDA graph per batch size needs."""
        if hasattr(self.module.BuilderFlag, "REQUIRE_USER_ALLOCATION"):
            config.set_flag(self.module.BuilderFlag.REQUIRE_USER_ALLOCATION)
        sharing = getattr(getattr(self.module, "PreviewFeature", None), "PROFILE_SHARING_0806", None)
        if sharing is not None:
            config.set_preview_feature(sharing, True)

    @property
    def keeps_timings(self) -> bool:
        """RTX measures nothing while it builds; its timing cache is there, does nothing and is deprecated."""
        return self.name != "tensorrt_rtx"

    @property
    def capabilities_at_hand(self) -> tuple[str, ...]:
        """What `target` takes for the GPU at hand: RTX has to be told, the full package builds for no other."""
        return ("CURRENT",) if hasattr(self.module, "ComputeCapability") else ()

    def target(self, config: Any, capabilities: tuple[str, ...]) -> None:
        """Name the GPUs to build for, as "SM89". Only RTX can build for others than the GPU at hand.

        Raises BackendUnavailableError for one that the package does not know, or any without RTX.
        """
        known = getattr(self.module, "ComputeCapability", None)
        missing = [name for name in capabilities if not hasattr(known, name)]
        if missing:
            raise BackendUnavailableError(
                f"{self.name} {self.version} cannot build for {', '.join(missing)}; "
                "use another TensorRT package or the backend 'onnx'"
            )
        config.num_compute_capabilities = len(capabilities)
        for number, name in enumerate(capabilities):
            config.set_compute_capability(getattr(known, name), number)

    def scratch_bytes(self, engine: Any) -> int:
        """Device memory that one context works in, for the largest batch of the plan."""
        if hasattr(engine, "device_memory_size_v2"):
            return int(engine.device_memory_size_v2)
        return int(engine.device_memory_size)

    def context_without_scratch(self, engine: Any) -> Any:
        """A context that has to be given its memory, so that contexts which run in turn can share it."""
        strategies = getattr(self.module, "ExecutionContextAllocationStrategy", None)
        if strategies is None:
            return engine.create_execution_context_without_device_memory()
        return engine.create_execution_context(strategies.USER_MANAGED)

    def give_scratch(self, context: Any, address: int, size_bytes: int) -> None:
        """Let a context work in this memory, which must be aligned to 256 bytes."""
        if hasattr(context, "set_device_memory"):
            context.set_device_memory(address, size_bytes)
        else:
            context.device_memory = address


class MessageLog:
    """TensorRT's messages: errors are kept to be shown, the rest goes to the log."""

    def __init__(self, trt: Any) -> None:
        self.errors: list[str] = []
        gathered = self

        class Logger(trt.ILogger):  # type: ignore[misc]  # the base class is known only at run time
            def __init__(self) -> None:
                trt.ILogger.__init__(self)

            def log(self, severity: Any, message: str) -> None:
                if int(severity) <= int(trt.ILogger.ERROR):
                    gathered.errors.append(one_line(message))
                else:
                    _LOG.debug("%s", message)

        self.logger = Logger()


def one_line(message: str) -> str:
    """TensorRT's messages run over several lines; errors shown to people do not."""
    return re.sub(r"\s+", " ", message).strip()


def find_tensorrt() -> TensorRT:
    """The TensorRT to use: the full package, or else the one for RTX.

    Raises BackendUnavailableError where there is none, or none that loads.
    """
    failures = []
    for name in _PACKAGES:
        try:
            return import_tensorrt(name)
        except BackendUnavailableError as error:
            failures.append(str(error))
    raise BackendUnavailableError(f"{', '.join(failures)} (pip install 'whodrives[gpu]')")


def import_tensorrt(name: str) -> TensorRT:
    """Load one package by its name. Raises BackendUnavailableError."""
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = "is not installed" if error.name == name else f"lacks {error.name}"
        raise BackendUnavailableError(f"{name} {missing}") from None
    except Exception as error:  # noqa: BLE001 - a binary package that meets other versions than it was built for
        raise BackendUnavailableError(f"{name} does not load ({one_line(str(error))})") from None
    version = str(getattr(module, "__version__", "0"))
    release = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if name == "tensorrt" and release < _OLDEST:
        raise BackendUnavailableError(f"{name} {version} is too old, at least 8.6 is needed")
    return TensorRT(name, version, module)
