#include "half.cuh"
#include "record.cuh"

constexpr int BLOCKS_PER_SLICE = SLICE_VECTORS / THREADS;
constexpr int BLOCKS_PER_PAIR = KEPT_SLICES * BLOCKS_PER_SLICE;

// Lays out the slices before the new one, oldest first: earlier half [rows][2][64*16*8]. Zeros from before the run.
extern "C" __global__ void __launch_bounds__(THREADS)
    gather_slices(Records records, const int *places, uint4 *earlier) {
    const int row = blockIdx.x / BLOCKS_PER_PAIR;
    if (places[row] < 0) return;
    const int vector = blockIdx.x % BLOCKS_PER_PAIR * THREADS + threadIdx.x;
    const Record record(records, places[row]);
    const RecordHead *head = record.head();
    const bool older = vector < SLICE_VECTORS;
    const int place = older ? head->slice : KEPT_SLICES - 1 - head->slice;
    const bool of_this_run = head->run > (older ? 2 : 1);
    earlier[static_cast<size_t>(row) * KEPT_SLICES * SLICE_VECTORS + vector] =
        of_this_run ? record.slices()[place * SLICE_VECTORS + vector % SLICE_VECTORS] : make_uint4(0, 0, 0, 0);
}

// Keeps each row's new slice, half [rows][64*16*8], in place of the oldest.
extern "C" __global__ void __launch_bounds__(THREADS)
    push_slices(Records records, const int *places, const uint4 *newest) {
    const int row = blockIdx.x / BLOCKS_PER_SLICE;
    if (places[row] < 0) return;
    const int vector = blockIdx.x % BLOCKS_PER_SLICE * THREADS + threadIdx.x;
    const Record record(records, places[row]);
    const uint4 values = newest[static_cast<size_t>(row) * SLICE_VECTORS + vector];
    record.slices()[record.head()->slice * SLICE_VECTORS + vector] = values;
    if (!halves_are_finite(values)) record.head()->broken = 1;
}
