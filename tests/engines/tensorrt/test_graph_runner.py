"""The order of calls of a run, held against stand-ins: no GPU computes anything here."""

from __future__ import annotations

import pytest

from engines.errors import BackendFailedError, EngineError, EngineInputError, PlanBuildError
from engines.tensorrt.batch_buckets import batch_buckets, batch_profiles
from engines.tensorrt.captured_work import CapturedWork
from engines.tensorrt.graph_runner import GraphRunner, GraphTensor
from tests.engines.tensorrt.recording_cuda import CUresult, RecordingCuda
from tests.engines.tensorrt.recording_tensorrt import SCRATCH_BYTES, Generation, RecordingTensorRT

BUCKETS = batch_buckets(32)
ADDRESSES = {"frames": 0x1000, "maps": 0x2000}
STREAM = 77


def make_runner(tensorrt: RecordingTensorRT) -> GraphRunner:
    runner = GraphRunner(tensorrt.package, b"plan", batch_profiles(BUCKETS), BUCKETS)
    runner.use_scratch(0x8000, SCRATCH_BYTES)
    tensorrt.calls.clear()
    return runner


def test_tensors_say_how_much_memory_a_row_takes() -> None:
    assert make_runner(RecordingTensorRT()).tensors == (
        GraphTensor("frames", True, "uint8", (128, 128), 128 * 128),
        GraphTensor("maps", False, "float16", (128, 16, 16), 2 * 128 * 256),
    )


@pytest.mark.parametrize(
    ("generation", "context", "scratch"),
    [
        ("8.6", ("create_execution_context",), ("device_memory", 0x8000)),
        ("11", ("create_execution_context", "USER_MANAGED"), ("set_device_memory", 0x8000, SCRATCH_BYTES)),
        ("rtx", ("create_execution_context", "USER_MANAGED"), ("set_device_memory", 0x8000, SCRATCH_BYTES)),
    ],
)
def test_the_first_run_of_a_bucket_prepares_a_context(
    generation: Generation, context: tuple[str, ...], scratch: tuple[object, ...]
) -> None:
    tensorrt = RecordingTensorRT(generation)
    make_runner(tensorrt).enqueue(11, ADDRESSES, STREAM)
    assert tensorrt.calls == [
        context,
        scratch,
        ("set_optimization_profile_async", 1, STREAM),
        ("set_input_shape", "frames", (16, 128, 128)),
        ("set_tensor_address", "frames", 0x1000),
        ("set_tensor_address", "maps", 0x2000),
        ("execute_async_v3", STREAM),
    ]


def test_later_runs_of_a_bucket_only_execute() -> None:
    tensorrt = RecordingTensorRT()
    runner = make_runner(tensorrt)
    runner.enqueue(11, ADDRESSES, STREAM)
    tensorrt.calls.clear()
    runner.enqueue(9, ADDRESSES, STREAM)
    assert tensorrt.calls == [("execute_async_v3", STREAM)]
    runner.enqueue(16, {**ADDRESSES, "maps": 0x3000}, STREAM)
    assert tensorrt.calls[1:] == [("set_tensor_address", "maps", 0x3000), ("execute_async_v3", STREAM)]


def test_each_bucket_has_a_context_of_its_own() -> None:
    tensorrt = RecordingTensorRT()
    runner = make_runner(tensorrt)
    for rows in (1, 2, 3, 4, 30, 1, 32):
        runner.enqueue(rows, ADDRESSES, STREAM)
    assert len(tensorrt.named("create_execution_context")) == 4
    assert [shape[0] for _, _, shape in tensorrt.named("set_input_shape")] == [1, 2, 4, 32]
    assert [profile for _, profile, _ in tensorrt.named("set_optimization_profile_async")] == [0, 0, 0, 1]


def test_what_does_not_fit_is_refused_before_anything_runs() -> None:
    tensorrt = RecordingTensorRT()
    runner = make_runner(tensorrt)
    with pytest.raises(EngineInputError, match="no address was given for maps"):
        runner.enqueue(1, {"frames": 1}, STREAM)
    with pytest.raises(EngineInputError, match="1 to 32 rows"):
        runner.enqueue(33, ADDRESSES, STREAM)
    with pytest.raises(EngineInputError, match=f"{SCRATCH_BYTES} bytes of scratch"):
        runner.use_scratch(0x8000, SCRATCH_BYTES - 1)
    assert tensorrt.calls == []
    runner.enqueue(1, ADDRESSES, STREAM)
    with pytest.raises(EngineInputError, match="cannot be changed"):
        runner.use_scratch(0x9000, SCRATCH_BYTES)
    runner.close()
    runner.close()


@pytest.mark.parametrize(
    "refused", ["set_optimization_profile_async", "set_input_shape", "set_tensor_address", "execute_async_v3"]
)
def test_what_tensorrt_refuses_is_an_engine_error(refused: str) -> None:
    runner = make_runner(RecordingTensorRT(refuses=(refused,)))
    with pytest.raises(EngineError, match="loaded again"):
        runner.enqueue(1, ADDRESSES, STREAM)


def test_a_plan_that_does_not_load_is_a_build_error() -> None:
    with pytest.raises(PlanBuildError, match="build it anew"):
        make_runner(RecordingTensorRT(refuses=("deserialize_cuda_engine",)))


def test_work_is_enqueued_then_captured_then_replayed() -> None:
    tensorrt, cuda = RecordingTensorRT(), RecordingCuda()
    runner, work = make_runner(tensorrt), CapturedWork(cuda)
    mode = cuda.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
    for _ in range(4):
        work.launch(("step", 4), STREAM, lambda: runner.enqueue(3, ADDRESSES, STREAM))
    assert len(tensorrt.named("execute_async_v3")) == 2  # the plain run and the captured one
    assert cuda.calls == [
        ("cuStreamBeginCapture", STREAM, mode),
        ("cuStreamEndCapture", STREAM),
        ("cuGraphInstantiate", "captured", 0),
        ("cuGraphDestroy", "captured"),
        *[("cuGraphLaunch", "graph 1", STREAM)] * 3,
    ]


def test_every_key_has_its_graph_and_all_are_destroyed() -> None:
    cuda = RecordingCuda()
    work = CapturedWork(cuda)
    for key in ("a", "b", "a", "b", "a"):
        work.launch(key, STREAM, lambda: None)
    assert [call[1] for call in cuda.calls if call[0] == "cuGraphLaunch"] == ["graph 1", "graph 2", "graph 1"]
    work.forget()
    work.forget()
    assert {call[1] for call in cuda.calls if call[0] == "cuGraphExecDestroy"} == {"graph 1", "graph 2"}
    cuda.calls.clear()
    work.launch("a", STREAM, lambda: None)
    assert cuda.calls == []  # a first run again


def test_what_cannot_be_captured_runs_plainly_for_good() -> None:
    cuda = RecordingCuda()
    work = CapturedWork(cuda)
    runs: list[bool] = []

    def enqueue() -> None:
        capturing = [call[0] for call in cuda.calls].count("cuStreamBeginCapture") > len(ended(cuda))
        runs.append(capturing)
        if capturing:
            raise BackendFailedError("not while capturing")

    for _ in range(4):
        work.launch("a", STREAM, enqueue)
    assert runs == [False, True, False, False, False]
    assert [call[0] for call in cuda.calls] == ["cuStreamBeginCapture", "cuStreamEndCapture"]


def ended(cuda: RecordingCuda) -> list[tuple[object, ...]]:
    return [call for call in cuda.calls if call[0] == "cuStreamEndCapture"]


def test_a_capture_that_cuda_spoils_is_no_failure_but_a_graph_that_does_not_run_is() -> None:
    cuda = RecordingCuda(fails={"cuStreamEndCapture": CUresult.CUDA_ERROR_STREAM_CAPTURE_INVALIDATED})
    runs: list[int] = []
    work = CapturedWork(cuda)
    for _ in range(3):
        work.launch("a", STREAM, lambda: runs.append(1))
    assert len(runs) == 4  # plain, in vain while capturing, and plain again twice
    broken = CapturedWork(RecordingCuda(fails={"cuGraphLaunch": CUresult.CUDA_ERROR_NO_DEVICE}))
    broken.launch("a", STREAM, lambda: None)
    with pytest.raises(BackendFailedError, match="cuGraphLaunch failed"):
        broken.launch("a", STREAM, lambda: None)


def test_graphs_of_a_lost_device_are_forgotten_without_a_word() -> None:
    cuda = RecordingCuda(fails={"cuGraphExecDestroy": CUresult.CUDA_ERROR_NO_DEVICE})
    work = CapturedWork(cuda)
    for key in ("a", "b", "a", "b"):
        work.launch(key, STREAM, lambda: None)
    work.forget()
    assert sorted(call[1] for call in cuda.calls if call[0] == "cuGraphExecDestroy") == ["graph 1", "graph 2"]
    cuda.calls.clear()
    work.launch("a", STREAM, lambda: None)
    assert cuda.calls == []  # a first run again
