#include "half.cuh"
#include "record.cuh"

constexpr int BLOCKS_PER_MAP = MAP_VECTORS / THREADS;
constexpr int LANES = 32;
static_assert(MAP_VALUES / CHANNELS == LANES * VECTOR, "a warp holds one channel");

// Takes each row's new map; gives its three newest differences in time order and the newest one's motion energy.
//
// newest half [rows][128][256]; differences half [rows][3][128][256], oldest first; energy float [rows][128], mean of
// |newest difference| over the channel's 256 places. A difference that would reach over a break is zero.
// One thread holds 8 neighbouring values of all frames, one warp a channel; the new map replaces the oldest.
extern "C" __global__ void __launch_bounds__(THREADS)
    difference_maps(Records records, const int *places, const uint4 *newest, uint4 *differences, float *energy) {
    const int row = blockIdx.x / BLOCKS_PER_MAP;
    if (places[row] < 0) return;
    const int vector = blockIdx.x % BLOCKS_PER_MAP * THREADS + threadIdx.x;
    const Record record(records, places[row]);
    RecordHead *head = record.head();
    const int run = head->run, oldest = head->map;
    const int middle = oldest + 1 < KEPT_MAPS ? oldest + 1 : 0, latest = oldest > 0 ? oldest - 1 : KEPT_MAPS - 1;
    uint4 *maps = record.maps() + vector;

    const uint4 zero = make_uint4(0, 0, 0, 0);
    const uint4 now = newest[static_cast<size_t>(row) * MAP_VECTORS + vector];
    // What lies before the run's first frame is never read: it may be another stream's, or memory never written.
    const uint4 back1 = run > 1 ? maps[latest * MAP_VECTORS] : now;
    const uint4 back2 = run > 2 ? maps[middle * MAP_VECTORS] : back1;
    const uint4 back3 = run > 3 ? maps[oldest * MAP_VECTORS] : back2;
    const uint4 moved = run > 1 ? subtract_halves(now, back1) : zero;
    uint4 *out = differences + static_cast<size_t>(row) * KEPT_MAPS * MAP_VECTORS + vector;
    out[0] = run > 3 ? subtract_halves(back2, back3) : zero;
    out[MAP_VECTORS] = run > 2 ? subtract_halves(back1, back2) : zero;
    out[2 * MAP_VECTORS] = moved;
    maps[oldest * MAP_VECTORS] = now;
    // Two finite values may differ by more than a half can hold.
    if (!halves_are_finite(now) || !halves_are_finite(moved)) head->broken = 1;

    float sum = magnitude_of_halves(moved.x) + magnitude_of_halves(moved.y) + magnitude_of_halves(moved.z) +
                magnitude_of_halves(moved.w);
    for (int offset = LANES / 2; offset > 0; offset /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, offset);
    if (threadIdx.x % LANES == 0) energy[row * CHANNELS + vector / LANES] = sum / (LANES * VECTOR);
}
