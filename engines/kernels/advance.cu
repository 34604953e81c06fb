#include "record.cuh"

__device__ __forceinline__ int next_place(int place, int count) { return place + 1 < count ? place + 1 : 0; }

// Begins a step: lengthens or restarts each row's run and moves its rings on. One thread per row.
//
// It comes first and alone writes what the other kernels of the step read by many blocks at once.
extern "C" __global__ void __launch_bounds__(THREADS)
    advance_runs(Records records, const int *places, const unsigned char *continues, int window, int rows) {
    const int row = blockIdx.x * THREADS + threadIdx.x;
    if (row >= rows || places[row] < 0) return;
    RecordHead *head = Record(records, places[row]).head();
    const bool follows = continues[row] != 0 && head->run > 0 && head->broken == 0;
    head->run = follows ? min(head->run, 0x7ffffffe) + 1 : 1;
    head->broken = 0;
    head->map = next_place(head->map, KEPT_MAPS);
    head->slice = next_place(head->slice, KEPT_SLICES);
    head->position = next_place(head->position, window);
}
