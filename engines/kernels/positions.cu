#include "record.cuh"

constexpr int POSITION_PAIRS = POSITION_VALUES / 2;
static_assert(POSITION_PAIRS == THREADS, "one thread per pair of values");

__device__ __forceinline__ bool is_finite(float value) {
    return (__float_as_uint(value) & 0x7f800000u) != 0x7f800000u;
}

// Adds a pair to the running sums of values and squares; sign -1 takes it away again.
__device__ __forceinline__ void accumulate(double2 &sum, double2 &square, float2 pair, double sign) {
    const double x = pair.x, y = pair.y;
    sum.x += sign * x;
    sum.y += sign * y;
    square.x += sign * (x * x);
    square.y += sign * (y * y);
}

// Takes each row's new position and gives the moments of its window. One block per row, one thread per two values.
//
// newest float [rows][512]; moments float [rows][1024], the means and then the variances over the positions that count,
// zeros where none does; valid_fraction float [rows], their share of the window. The sums are set anew from the ring
// once a lap, so that rounding cannot build up; streams do that at different frames, so that no step does it for all.
extern "C" __global__ void __launch_bounds__(THREADS)
    push_positions(Records records, const int *places, const float2 *newest, float2 *moments, float *valid_fraction,
                   int window) {
    const int row = blockIdx.x, place = places[row], pair = threadIdx.x;
    if (place < 0) return;
    const Record record(records, place);
    RecordHead *head = record.head();
    unsigned char *valid = record.valid(window);
    float2 *ring = record.positions() + pair;
    double2 *sums = record.sums() + pair;

    const int cursor = head->position;
    const bool leaves = valid[cursor] != 0, whole = head->run > TEMPORAL_MARGIN && head->broken == 0;
    int counted = head->counted;
    const float2 value = newest[static_cast<size_t>(row) * POSITION_PAIRS + pair];
    // Also the barrier between all threads' reading of the head and the one thread's writing of it.
    const bool enters = __syncthreads_or(!is_finite(value.x) || !is_finite(value.y)) == 0 && whole;
    counted += static_cast<int>(enters) - static_cast<int>(leaves);

    double2 sum = make_double2(0, 0), square = make_double2(0, 0);
    if (cursor == place % window) {
        // Without branches, so that the loads of several positions are under way at once.
#pragma unroll 2
        for (int other = 0; other < window; ++other) {
            const bool stays = other != cursor && valid[other] != 0;
            accumulate(sum, square, stays ? ring[other * POSITION_PAIRS] : make_float2(0, 0), 1);
        }
    } else {
        sum = sums[0];
        square = sums[POSITION_PAIRS];
        if (leaves) accumulate(sum, square, ring[cursor * POSITION_PAIRS], -1);
    }
    if (enters) {
        accumulate(sum, square, value, 1);
        ring[cursor * POSITION_PAIRS] = value;
    }
    sums[0] = sum;
    sums[POSITION_PAIRS] = square;

    const double share = 1.0 / (counted > 0 ? counted : 1);
    const double mean_x = sum.x * share, mean_y = sum.y * share;
    const double variance_x = square.x * share - mean_x * mean_x, variance_y = square.y * share - mean_y * mean_y;
    float2 *out = moments + static_cast<size_t>(row) * 2 * POSITION_PAIRS + pair;
    const bool any = counted > 0;
    out[0] = any ? make_float2(mean_x, mean_y) : make_float2(0, 0);
    out[POSITION_PAIRS] = any ? make_float2(variance_x > 0 ? variance_x : 0, variance_y > 0 ? variance_y : 0)
                              : make_float2(0, 0);
    if (pair == 0) {
        valid[cursor] = enters;
        head->counted = counted;
        valid_fraction[row] = static_cast<float>(static_cast<double>(counted) / window);
    }
}
