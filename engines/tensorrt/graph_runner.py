"""Runs one TensorRT plan on device memory that belongs to others.

One execution context per batch size: a captured CUDA graph is only good while the context that it was captured from
keeps its shapes, addresses and memory. Contexts run one after another on one stream, so all of them, of all runners on
that stream, work in the same scratch memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

from engines.errors import BackendFailedError, EngineInputError, PlanBuildError
from engines.tensorrt.batch_buckets import BatchProfile, bucket_for, profile_of
from engines.tensorrt.package import MessageLog, TensorRT

_NUMPY_NAMES = {"FLOAT": "float32", "HALF": "float16", "UINT8": "uint8"}


@dataclass(frozen=True, slots=True)
class GraphTensor:
    """One input or output. dtype: as numpy calls it. row_shape: without the batch axis. row_bytes: of one row."""

    name: str
    is_input: bool
    dtype: str
    row_shape: tuple[int, ...]
    row_bytes: int


@dataclass(slots=True)
class _BucketContext:
    context: Any
    addresses: dict[str, int] = field(default_factory=dict)


class GraphRunner:
    """One plan, loaded. One thread at a time, the one whose CUDA context is current."""

    def __init__(
        self, tensorrt: TensorRT, plan: bytes, profiles: tuple[BatchProfile, ...], buckets: tuple[int, ...]
    ) -> None:
        """profiles: those that the plan was built with. Raises PlanBuildError for a plan that this GPU does not run."""
        self._tensorrt = tensorrt
        self._profiles = profiles
        self._buckets = buckets
        self._log = MessageLog(tensorrt.module)
        self._runtime = tensorrt.module.Runtime(self._log.logger)
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise PlanBuildError(
                f"this plan does not load on this GPU ({self._reason()}); build it anew, or use the backend 'onnx'"
            )
        names = [self._engine.get_tensor_name(number) for number in range(self._engine.num_io_tensors)]
        self._tensors = tuple(self._describe(name) for name in names)
        self._contexts: dict[int, _BucketContext] = {}
        self._scratch = (0, 0)

    @property
    def tensors(self) -> tuple[GraphTensor, ...]:
        """Inputs and outputs, by which whoever owns the memory knows how much each needs."""
        return self._tensors

    @property
    def scratch_bytes(self) -> int:
        """Device memory that a run works in."""
        return self._tensorrt.scratch_bytes(self._engine)

    def use_scratch(self, address: int, size_bytes: int) -> None:
        """Work in this memory, aligned to 256 bytes, from now on; to be called before the first `enqueue`.

        Raises EngineInputError where it is too small, or contexts that a graph may have captured use another already.
        """
        if size_bytes < self.scratch_bytes:
            raise EngineInputError(f"this plan works in {self.scratch_bytes} bytes of scratch memory, got {size_bytes}")
        if self._contexts:
            raise EngineInputError("the scratch memory of a runner that has run cannot be changed; make a new runner")
        self._scratch = (address, size_bytes)

    def bucket(self, rows: int) -> int:
        """The batch size that `rows` are run as."""
        return bucket_for(rows, self._buckets)

    def enqueue(self, rows: int, addresses: Mapping[str, int], stream: int) -> None:
        """Put one run on a stream; it may be captured from the second run of a bucket on.

        rows: of the batch. The memory of every tensor must hold `bucket(rows)` rows; those beyond `rows` are padding,
        whatever they hold. addresses: of every tensor, in device memory; another address than last time costs a call,
        and makes graphs that were captured stale. stream: a CUDA stream's handle, not the default stream.
        Raises EngineInputError for a tensor that is missing, BackendFailedError where TensorRT refuses.
        """
        missing = [tensor.name for tensor in self._tensors if tensor.name not in addresses]
        if missing:
            raise EngineInputError(f"no address was given for {', '.join(missing)}")
        bucket = self.bucket(rows)
        if bucket not in self._contexts:
            self._contexts[bucket] = _BucketContext(self._new_context(bucket, stream))
        entry = self._contexts[bucket]
        for tensor in self._tensors:
            address = addresses[tensor.name]
            if entry.addresses.get(tensor.name) != address:
                self._require(entry.context.set_tensor_address(tensor.name, address), f"address of {tensor.name}")
                entry.addresses[tensor.name] = address
        self._require(entry.context.execute_async_v3(stream), "run")

    def close(self) -> None:
        """Free contexts and plan; graphs captured from them must not be launched any more. May be called twice."""
        self._contexts.clear()
        self._engine = None
        self._runtime = None

    def _new_context(self, bucket: int, stream: int) -> Any:
        context = self._tensorrt.context_without_scratch(self._engine)
        if context is None:
            raise BackendFailedError(f"TensorRT makes no execution context for batches of {bucket} ({self._reason()})")
        self._tensorrt.give_scratch(context, *self._scratch)
        profile = profile_of(bucket, self._profiles)
        self._require(context.set_optimization_profile_async(profile, stream), f"profile {profile}")
        for tensor in self._tensors:
            if tensor.is_input:
                shape = (bucket, *tensor.row_shape)
                self._require(context.set_input_shape(tensor.name, shape), f"shape {shape} of {tensor.name}")
        return context

    def _describe(self, name: str) -> GraphTensor:
        module, engine = self._tensorrt.module, self._engine
        row_shape = tuple(int(size) for size in engine.get_tensor_shape(name))[1:]
        dtype = engine.get_tensor_dtype(name)
        is_input = engine.get_tensor_mode(name) == module.TensorIOMode.INPUT
        return GraphTensor(name, is_input, _NUMPY_NAMES[dtype.name], row_shape, dtype.itemsize * prod(row_shape))

    def _require(self, accepted: bool, what: str) -> None:
        if not accepted:
            raise BackendFailedError(
                f"TensorRT refuses this {what} ({self._reason()}); the engine has to be loaded again"
            )

    def _reason(self) -> str:
        return "; ".join(self._log.errors[-3:]) or "it gave no reason"
