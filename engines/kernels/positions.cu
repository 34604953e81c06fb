#include "record.cuh"

static_assert(POSITION_VALUES % THREADS == 0, "all threads have equally many values");

__device__ __forceinline__ bool is_finite(float value) {
    return (__float_as_uint(value) & 0x7f800000u) != 0x7f800000u;
}

__device__ __forceinline__ float value_of(int index, const float *pooled, const float *flow) {
    return index < POOLED_VALUES ? pooled[index] : flow[index - POOLED_VALUES];
}

// Adds a value to the running sums of values and squares; sign -1 takes it away again.
__device__ __forceinline__ void accumulate(double &sum, double &square, double value, double sign) {
    sum += sign * value;
    square += sign * (value * value);
}

// Takes each row's new position and gives the moments of its window. One block per row, a thread every 256th value.
//
// pooled float [rows][512] and flow float [rows][256] make a position; moments float [rows][1536], the means and then
// the variances over the positions that count, zeros where none does; valid_fraction float [rows], their share of the
// window. The sums are set anew from the ring once a lap, so that rounding cannot build up; streams do that at different
// frames, so that no step does it for all.
extern "C" __global__ void __launch_bounds__(THREADS)
    push_positions(Records records, const int *places, const float *pooled, const float *flow, float *moments,
                   float *valid_fraction, int window) {
    const int row = blockIdx.x, place = places[row];
    if (place < 0) return;
    const Record record(records, place);
    RecordHead *head = record.head();
    unsigned char *valid = record.valid(window);
    pooled += static_cast<size_t>(row) * POOLED_VALUES;
    flow += static_cast<size_t>(row) * FLOW_VALUES;
    moments += static_cast<size_t>(row) * 2 * POSITION_VALUES;

    const int cursor = head->position;
    const bool leaves = valid[cursor] != 0, whole = head->run > TEMPORAL_MARGIN && head->broken == 0;
    int counted = head->counted;
    bool finite = true;
    for (int index = threadIdx.x; index < POSITION_VALUES; index += THREADS)
        finite = finite && is_finite(value_of(index, pooled, flow));
    // Also the barrier between all threads' reading of the head and the one thread's writing of it.
    const bool enters = __syncthreads_or(!finite) == 0 && whole;
    counted += static_cast<int>(enters) - static_cast<int>(leaves);
    const double share = 1.0 / (counted > 0 ? counted : 1);

#pragma unroll 1
    for (int index = threadIdx.x; index < POSITION_VALUES; index += THREADS) {
        float *ring = record.positions() + index;
        double *sums = record.sums() + index;
        double sum = 0, square = 0;
        if (cursor == place % window) {
            // Without branches, so that the loads of several positions are under way at once.
#pragma unroll 4
            for (int other = 0; other < window; ++other) {
                const bool stays = other != cursor && valid[other] != 0;
                accumulate(sum, square, stays ? ring[other * POSITION_VALUES] : 0.0f, 1);
            }
        } else {
            sum = sums[0];
            square = sums[POSITION_VALUES];
            if (leaves) accumulate(sum, square, ring[cursor * POSITION_VALUES], -1);
        }
        if (enters) {
            const float value = value_of(index, pooled, flow);
            accumulate(sum, square, value, 1);
            ring[cursor * POSITION_VALUES] = value;
        }
        sums[0] = sum;
        sums[POSITION_VALUES] = square;

        const double mean = sum * share, variance = square * share - mean * mean;
        moments[index] = counted > 0 ? static_cast<float>(mean) : 0.0f;
        moments[index + POSITION_VALUES] = counted > 0 && variance > 0 ? static_cast<float>(variance) : 0.0f;
    }
    if (threadIdx.x == 0) {
        valid[cursor] = enters;
        head->counted = counted;
        valid_fraction[row] = static_cast<float>(static_cast<double>(counted) / window);
    }
}
