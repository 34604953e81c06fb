"""No TensorRT: a stand-in that writes down in which order it is called and answers as if all went well.

It shows what this backend asks of TensorRT, never what TensorRT does. That the calls exist is held against the real
`tensorrt_rtx` in test_tensorrt_rtx.py.
"""

from __future__ import annotations

import enum
from types import SimpleNamespace
from typing import Any, Literal

from engines.tensorrt.package import TensorRT

Generation = Literal["8.6", "11", "rtx"]

Call = tuple[Any, ...]

SCRATCH_BYTES = 4096


class DType:
    """A data type as TensorRT's bindings have it."""

    def __init__(self, name: str, itemsize: int) -> None:
        self.name, self.itemsize = name, itemsize


FLOAT, HALF, UINT8, INT32 = DType("FLOAT", 4), DType("HALF", 2), DType("UINT8", 1), DType("INT32", 4)


class Layer:
    """One layer of a parsed network, with one output."""

    num_outputs = 1

    def __init__(self, kind: str, dtype: DType) -> None:
        self.type, self._dtype = kind, dtype
        self.held: list[Any] = []

    @property
    def precision(self) -> None:
        return None

    @precision.setter
    def precision(self, dtype: DType) -> None:
        self.held.append(("precision", dtype.name))

    def get_output(self, number: int) -> Any:
        return SimpleNamespace(dtype=self._dtype)

    def set_output_type(self, number: int, dtype: DType) -> None:
        self.held.append((number, dtype.name))


class RecordingTensorRT:
    """calls: everything that was asked, in order. refuses: names of calls that fail."""

    def __init__(self, generation: Generation = "11", refuses: tuple[str, ...] = ()) -> None:
        self.calls: list[Call] = []
        self.layers = [Layer("CAST", HALF), Layer("CONVOLUTION", HALF), Layer("REDUCE", FLOAT), Layer("SHAPE", INT32)]
        self._refuses = refuses
        self._generation = generation
        name = "tensorrt_rtx" if generation == "rtx" else "tensorrt"
        self.package = TensorRT(name, {"8.6": "8.6.0", "11": "11.4.0", "rtx": "1.7.1"}[generation], self._module())

    def named(self, *names: str) -> list[Call]:
        """The calls of these names alone."""
        return [call for call in self.calls if call[0] in names]

    def record(self, name: str, *arguments: Any) -> bool:
        self.calls.append((name, *arguments))
        return name not in self._refuses

    def _module(self) -> Any:
        old = self._generation == "8.6"
        flags = ["TF32", "REFIT"] + (["FP16", "OBEY_PRECISION_CONSTRAINTS"] if old else [])
        flags += ["REQUIRE_USER_ALLOCATION"] if self._generation == "rtx" else []
        module = SimpleNamespace(
            NetworkDefinitionCreationFlag=enum.IntEnum(
                "Flag", ["EXPLICIT_BATCH"] if old else ["STRONGLY_TYPED"], start=0 if old else 1
            ),
            BuilderFlag=enum.Enum("BuilderFlag", flags),
            LayerType=SimpleNamespace(CAST="CAST", CONSTANT="CONSTANT"),
            TensorIOMode=SimpleNamespace(INPUT="in", OUTPUT="out"),
            ILogger=type("ILogger", (), {"ERROR": 1}),
            float32=FLOAT,
            float16=HALF,
            Builder=lambda logger: self._builder(),
            OnnxParser=lambda network, logger: self._parser(logger),
            Runtime=lambda logger: SimpleNamespace(deserialize_cuda_engine=self._deserialised),
        )
        if old:
            module.PreviewFeature = SimpleNamespace(PROFILE_SHARING_0806="PROFILE_SHARING_0806")
        else:
            module.ExecutionContextAllocationStrategy = SimpleNamespace(USER_MANAGED="USER_MANAGED")
            module.IProgressMonitor = object
        if self._generation == "rtx":
            module.ComputeCapability = SimpleNamespace(CURRENT="CURRENT", SM89="SM89")
        return module

    def _builder(self) -> Any:
        if "Builder" in self._refuses:
            raise TypeError("pybind11::init(): factory function returned nullptr")
        config = SimpleNamespace(
            set_flag=lambda flag: self.record("set_flag", flag.name),
            clear_flag=lambda flag: self.record("clear_flag", flag.name),
            set_preview_feature=lambda feature, on: self.record("set_preview_feature", feature, on),
            set_compute_capability=lambda capability, number: self.record("set_compute_capability", capability),
            add_optimization_profile=lambda profile: self.record("add_optimization_profile"),
            create_timing_cache=lambda content: self.record("create_timing_cache", content) and "cache",
            set_timing_cache=lambda cache, ignore_mismatch: self.record("set_timing_cache", cache, ignore_mismatch),
            get_timing_cache=lambda: SimpleNamespace(serialize=lambda: b"timings"),
        )
        return SimpleNamespace(
            create_network=self._network,
            create_builder_config=lambda: config,
            create_optimization_profile=lambda: SimpleNamespace(
                set_shape=lambda name, least, usual, most: self.record("set_shape", name, least, usual, most)
            ),
            build_serialized_network=self._build,
        )

    def _network(self, flags: int) -> Any:
        self.record("create_network", flags)
        tensors = [SimpleNamespace(name="frames", shape=(-1, 128, 128))]
        return SimpleNamespace(
            num_layers=len(self.layers),
            get_layer=lambda number: self.layers[number],
            num_inputs=len(tensors),
            get_input=lambda number: tensors[number],
        )

    def _parser(self, logger: Any) -> Any:
        errors = ["Invalid Node - one\nfirst reason", "Invalid Node - two"]
        return SimpleNamespace(
            parse=lambda graph: self.record("parse"),
            num_errors=len(errors),
            get_error=lambda number: SimpleNamespace(desc=lambda: errors[number]),
        )

    def _build(self, network: Any, config: Any) -> bytes | None:
        monitor = getattr(config, "progress_monitor", None)
        if monitor is not None:
            monitor.phase_start("Building", None, 2)
            assert monitor.step_complete("Building", 0)
            monitor.phase_finish("Building")
        return b"plan" if self.record("build_serialized_network") else None

    def _deserialised(self, plan: bytes) -> Any:
        if not self.record("deserialize_cuda_engine", plan):
            return None
        tensors = {"frames": ("in", UINT8, (-1, 128, 128)), "maps": ("out", HALF, (-1, 128, 16, 16))}
        engine = SimpleNamespace(
            num_io_tensors=len(tensors),
            get_tensor_name=lambda number: list(tensors)[number],
            get_tensor_mode=lambda name: tensors[name][0],
            get_tensor_dtype=lambda name: tensors[name][1],
            get_tensor_shape=lambda name: tensors[name][2],
        )
        if self._generation == "8.6":
            engine.device_memory_size = SCRATCH_BYTES
            engine.create_execution_context_without_device_memory = lambda: _OldContext(self)
        else:
            engine.device_memory_size_v2 = SCRATCH_BYTES
            engine.create_execution_context = lambda strategy: _Context(self, strategy)
        return engine


class _AnyContext:
    def __init__(self, recorder: RecordingTensorRT, *arguments: Any) -> None:
        self._record = recorder.record
        self._record("create_execution_context", *arguments)

    def set_optimization_profile_async(self, profile: int, stream: int) -> bool:
        return self._record("set_optimization_profile_async", profile, stream)

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        return self._record("set_input_shape", name, shape)

    def set_tensor_address(self, name: str, address: int) -> bool:
        return self._record("set_tensor_address", name, address)

    def execute_async_v3(self, stream: int) -> bool:
        return self._record("execute_async_v3", stream)


class _Context(_AnyContext):
    def set_device_memory(self, address: int, size_bytes: int) -> None:
        self._record("set_device_memory", address, size_bytes)


class _OldContext(_AnyContext):
    @property
    def device_memory(self) -> int:
        return 0

    @device_memory.setter
    def device_memory(self, address: int) -> None:
        self._record("device_memory", address)
