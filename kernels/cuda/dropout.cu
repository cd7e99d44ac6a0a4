// Outputs of many dropout networks that drop units of the last hidden layer:
//   outputs[t, c, b] = sum over k of weights[kept[t, k], c] units[kept[t, k], b]
// The scale is in the weights. A warp has one draw and 32 * PACKS * VECTOR
// samples; the warps of a block have other draws of the same samples, which
// they therefore find in the cache. Dropped units cost nothing.

#define PACKS (OUTPUTS <= 10 ? 2 : 1)
#define WARPS 6
#define SLOTS ROUND_UP(OUTPUTS, VECTOR)

// units (neurons, pitch); weights (neurons, SLOTS), zeros beyond OUTPUTS;
// kept (draws, count); outputs (draws, OUTPUTS, pitch).
extern "C" __global__ void __launch_bounds__(WARP * WARPS, OUTPUTS <= 16 ? 2 : 1)
    kept_outputs(const REAL* __restrict__ units,
                 const REAL* __restrict__ weights,
                 const int* __restrict__ kept, REAL* outputs, int pitch,
                 int draws, int count) {
    const int draw = blockIdx.y * WARPS + threadIdx.y;
    const int sample = (blockIdx.x * PACKS * WARP + threadIdx.x) * VECTOR;
    if (draw >= draws) return;
    const int* own = kept + (size_t)draw * count;
    REAL z[PACKS][VECTOR][OUTPUTS] = {};
#pragma unroll 2
    for (int k = 0; k < count; k++) {
        const size_t n = own[k];
        Pack unit[PACKS];
#pragma unroll
        for (int q = 0; q < PACKS; q++)
            unit[q] = load(units + n * pitch, sample + q * WARP * VECTOR, pitch);
#pragma unroll
        for (int c = 0; c < SLOTS; c += VECTOR) {
            const Pack w = *(const Pack*)(weights + n * SLOTS + c);
#pragma unroll
            for (int e = 0; e < VECTOR; e++)
                if (c + e < OUTPUTS)
#pragma unroll
                    for (int q = 0; q < PACKS; q++)
#pragma unroll
                        for (int s = 0; s < VECTOR; s++)
                            z[q][s][c + e] += w.at[e] * unit[q].at[s];
        }
    }
#pragma unroll
    for (int q = 0; q < PACKS; q++)
#pragma unroll
        for (int c = 0; c < OUTPUTS; c++) {
            Pack sum;
#pragma unroll
            for (int s = 0; s < VECTOR; s++) sum.at[s] = z[q][s][c];
            const int at = sample + q * WARP * VECTOR;
            REAL* row = outputs + ((size_t)draw * OUTPUTS + c) * pitch;
            if (at < pitch) *(Pack*)(row + at) = sum;
        }
}
