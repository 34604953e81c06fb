#include "record.cuh"

constexpr int GRID = 8;
constexpr int CELLS = GRID * GRID;
constexpr int CELL_SIDE = PICTURE_SIDE / GRID;
constexpr int FRAME_SIDE = 2 * PICTURE_SIDE;
constexpr int THREADS_PER_CELL = THREADS / CELLS;
constexpr int ROWS_PER_THREAD = CELL_SIDE / THREADS_PER_CELL;
constexpr int MEDIAN = CELLS / 2 - 1;
constexpr float GRADIENT_FLOOR = 4e-5f;
constexpr float UNIT = 0.1f;
constexpr float MOST_MOVED = 20.0f;
static_assert(FLOW_VALUES == 4 * CELLS, "two displacements of each cell, each told twice");

// What a window's least squares are made of: means of products of gradients and change.
struct Products {
    float xx, xy, yy, xt, yt;
};

__device__ __forceinline__ void add(Products &sum, const Products &other, float weight) {
    sum.xx += weight * other.xx;
    sum.xy += weight * other.xy;
    sum.yy += weight * other.yy;
    sum.xt += weight * other.xt;
    sum.yt += weight * other.yt;
}

// Mean of 2x2 pixels of a frame, 0 to 1.
__device__ __forceinline__ float halved(const uchar2 *frame, int x, int y) {
    const uchar2 upper = frame[(2 * y) * PICTURE_SIDE + x], lower = frame[(2 * y + 1) * PICTURE_SIDE + x];
    return static_cast<float>(upper.x + upper.y + lower.x + lower.y) * (1.0f / 1020.0f);
}

// Slope at one place of a row or column of the sum of two pictures, `step` values apart: that of their mean.
__device__ __forceinline__ float slope(const float *both, int place, int step) {
    if (place == 0) return 0.5f * (both[step] - both[0]);
    if (place == PICTURE_SIDE - 1) return 0.5f * (both[0] - both[-step]);
    return 0.25f * (both[step] - both[-step]);
}

// The products at one place of the picture.
__device__ __forceinline__ Products products_at(const float *both, const float *change, int x, int y) {
    const int at = y * PICTURE_SIDE + x;
    const float across = slope(both + at, x, 1), down = slope(both + at, y, PICTURE_SIDE), changed = change[at];
    return {across * across, across * down, down * down, across * changed, down * changed};
}

// Displacement of a window in multiples of UNIT, across and down; it is bounded.
__device__ __forceinline__ float2 displacement(const Products &window) {
    const float xx = window.xx + GRADIENT_FLOOR, yy = window.yy + GRADIENT_FLOOR, xy = window.xy;
    const float determinant = (xx * yy - xy * xy) * UNIT;
    const float across = (xy * window.yt - yy * window.xt) / determinant;
    const float down = (xy * window.xt - xx * window.yt) / determinant;
    return make_float2(fminf(fmaxf(across, -MOST_MOVED), MOST_MOVED), fminf(fmaxf(down, -MOST_MOVED), MOST_MOVED));
}

// Whether `value`, the one of cell `place`, is the median of all.
__device__ __forceinline__ bool is_median(const float *values, float value, int place) {
    int before = 0;
#pragma unroll 4
    for (int other = 0; other < CELLS; ++other)
        before += values[other] < value || (values[other] == value && other < place);
    return before == MEDIAN;
}

// Flow of each row's frame since the one before, as engines/optical_flow.py has it. One block per row, four threads per cell.
//
// frames u8 [rows][128][128]; flow float [rows][4][64], zeros where the frame does not follow on. The record keeps the
// halved frame.
extern "C" __global__ void __launch_bounds__(THREADS)
    measure_flow(Records records, const int *places, const uchar2 *frames, float *flow) {
    __shared__ float both[PICTURE_VALUES], change[PICTURE_VALUES];
    __shared__ Products cells[CELLS];
    __shared__ float moved[2][CELLS], median[2];
    const int row = blockIdx.x;
    if (places[row] < 0) return;
    const Record record(records, places[row]);
    const bool follows = record.head()->run > 1;
    const uchar2 *frame = frames + static_cast<size_t>(row) * FRAME_SIDE * PICTURE_SIDE;
    float *picture = record.picture();
#pragma unroll 1
    for (int at = threadIdx.x; at < PICTURE_VALUES; at += THREADS) {
        const float now = halved(frame, at % PICTURE_SIDE, at / PICTURE_SIDE), before = follows ? picture[at] : now;
        picture[at] = now;
        both[at] = now + before;
        change[at] = now - before;
    }
    __syncthreads();

    const int cell = threadIdx.x / THREADS_PER_CELL, part = threadIdx.x % THREADS_PER_CELL;
    const int left = cell % GRID * CELL_SIDE, top = cell / GRID * CELL_SIDE + part * ROWS_PER_THREAD;
    Products sum = {0, 0, 0, 0, 0};
#pragma unroll 1
    for (int y = top; y < top + ROWS_PER_THREAD; ++y)
#pragma unroll 1
        for (int x = left; x < left + CELL_SIDE; ++x) add(sum, products_at(both, change, x, y), 1);
    for (int offset = THREADS_PER_CELL / 2; offset > 0; offset /= 2) {
        const Products other = {
            __shfl_xor_sync(0xffffffffu, sum.xx, offset), __shfl_xor_sync(0xffffffffu, sum.xy, offset),
            __shfl_xor_sync(0xffffffffu, sum.yy, offset), __shfl_xor_sync(0xffffffffu, sum.xt, offset),
            __shfl_xor_sync(0xffffffffu, sum.yt, offset)};
        add(sum, other, 1);
    }
    if (part == 0) cells[cell] = sum;
    __syncthreads();

    float2 own = make_float2(0, 0);
    if (threadIdx.x < CELLS) {
        const int x = threadIdx.x % GRID, y = threadIdx.x / GRID;
        Products window = {0, 0, 0, 0, 0};
        int count = 0;
#pragma unroll 1
        for (int near_y = max(y - 1, 0); near_y <= min(y + 1, GRID - 1); ++near_y)
#pragma unroll 1
            for (int near_x = max(x - 1, 0); near_x <= min(x + 1, GRID - 1); ++near_x, ++count)
                add(window, cells[near_y * GRID + near_x], 1);
        Products mean = {0, 0, 0, 0, 0};
        add(mean, window, 1.0f / (count * CELL_SIDE * CELL_SIDE));
        own = displacement(mean);
        moved[0][threadIdx.x] = own.x;
        moved[1][threadIdx.x] = own.y;
    }
    __syncthreads();
    if (threadIdx.x < CELLS) {
        if (is_median(moved[0], own.x, threadIdx.x)) median[0] = own.x;
        if (is_median(moved[1], own.y, threadIdx.x)) median[1] = own.y;
    }
    __syncthreads();
    if (threadIdx.x < CELLS) {
        float *out = flow + static_cast<size_t>(row) * FLOW_VALUES + threadIdx.x;
        out[0] = fabsf(own.x);
        out[CELLS] = fabsf(own.y);
        out[2 * CELLS] = fabsf(own.x - median[0]);
        out[3 * CELLS] = fabsf(own.y - median[1]);
    }
}
