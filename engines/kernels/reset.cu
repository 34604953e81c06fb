#include "record.cuh"

// Empties records for streams that begin. One block per row.
//
// Maps, slices and positions stay as they are: nothing reads them before the new stream has written them.
extern "C" __global__ void __launch_bounds__(THREADS) reset_records(Records records, const int *places, int window) {
    const int place = places[blockIdx.x];
    if (place < 0) return;
    const Record record(records, place);
    for (int index = threadIdx.x; index < 2 * POSITION_VALUES; index += THREADS) record.sums()[index] = 0;
    for (int index = threadIdx.x; index < window; index += THREADS) record.valid(window)[index] = 0;
    if (threadIdx.x < sizeof(RecordHead) / sizeof(int)) reinterpret_cast<int *>(record.head())[threadIdx.x] = 0;
}
