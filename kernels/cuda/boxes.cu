// A certificate's interval bounds where the last two layers move.
//
// On the interval between s = places[k] and places[k + 1] every hidden unit
// is its chord plus a remainder in [low, 0]: low is 0 where the unit does not
// switch, else minus the chord at the switch. The remainder passes through
// the output weights of both ends; the chords' product bends by at most
// (a1 - a0)(h1 - h0) / 4.
//
// A warp has 32 samples, one interval and OUTPUTS of the outputs.

#define WARPS 8
#define SLOTS ROUND_UP(2 * OUTPUTS, VECTOR)  // both ends' weights a neuron
#define ROW (ROUND_UP(WARPS * SLOTS, 8 * VECTOR) + VECTOR)
#define CHUNK 32

// start, end (neurons, samples); a0, a1 (outputs, neurons); c0, c1 (outputs)
// or null; places (intervals + 1,); bounds (4, intervals, outputs, samples):
// outputs at the left and the right end, lo and hi.
extern "C" __global__ void __launch_bounds__(WARP * WARPS, 2)
    interval_boxes(const REAL* __restrict__ start,
                   const REAL* __restrict__ end, const REAL* __restrict__ a0,
                   const REAL* __restrict__ a1, const REAL* __restrict__ c0,
                   const REAL* __restrict__ c1,
                   const REAL* __restrict__ places, REAL* bounds, int neurons,
                   int samples, int intervals, int outputs) {
    __shared__ __align__(16) REAL tile[CHUNK * ROW];
    const int lane = threadIdx.x, warp = threadIdx.y, warps = blockDim.y;
    const int thread = warp * WARP + lane, threads = warps * WARP;
    const int sample = blockIdx.x * WARP + lane;
    const int groups = (outputs + OUTPUTS - 1) / OUTPUTS;
    const int job = blockIdx.y * warps + warp;
    const int k = job / groups, c_first = job % groups * OUTPUTS;
    const bool live = k < intervals && sample < samples;
    const REAL left = live ? places[k] : REAL(0);
    const REAL right = live ? places[k + 1] : REAL(0);

    REAL z0[OUTPUTS] = {}, z1[OUTPUTS] = {}, bend[OUTPUTS] = {};
    REAL middle0[OUTPUTS] = {}, middle1[OUTPUTS] = {};
    REAL spread0[OUTPUTS] = {}, spread1[OUTPUTS] = {};
    for (int first = 0; first < neurons; first += CHUNK) {
        const int count = min(CHUNK, neurons - first);
        __syncthreads();
        for (int i = thread; i < CHUNK * warps * OUTPUTS; i += threads) {
            const int n = i % CHUNK, c = i / CHUNK % OUTPUTS;
            const int w = i / CHUNK / OUTPUTS, j = blockIdx.y * warps + w;
            const int out = j % groups * OUTPUTS + c;
            REAL a = 0, b = 0;
            if (n < count && out < outputs && j / groups < intervals) {
                const size_t from = (size_t)out * neurons + first + n;
                const REAL move = a1[from] - a0[from];
                a = a0[from] + places[j / groups] * move;
                b = a0[from] + places[j / groups + 1] * move;
            }
            tile[n * ROW + w * SLOTS + 2 * c] = a;
            tile[n * ROW + w * SLOTS + 2 * c + 1] = b;
        }
        __syncthreads();
        for (int n = 0; live && n < count; n++) {
            const size_t at = (size_t)(first + n) * samples + sample;
            const REAL p = start[at], move = end[at] - p;
            const REAL p0 = p + left * move, p1 = p + right * move;
            const REAL h0 = relu(p0), h1 = relu(p1), rise = h1 - h0;
            REAL low = 0;
            if ((p0 < 0) != (p1 < 0)) low = -(h0 + p0 / (p0 - p1) * rise);
            const REAL* weights = tile + n * ROW + warp * SLOTS;
#pragma unroll
            for (int c = 0; c < OUTPUTS; c++) {
                const REAL a = weights[2 * c], b = weights[2 * c + 1];
                z0[c] += a * h0;
                z1[c] += b * h1;
                bend[c] += (b - a) * rise;
                middle0[c] += a * low;
                middle1[c] += b * low;
                spread0[c] += fabs(a) * low;
                spread1[c] += fabs(b) * low;
            }
        }
    }
    if (!live) return;
    const size_t plane = (size_t)intervals * outputs * samples;
#pragma unroll
    for (int c = 0; c < OUTPUTS; c++) {
        const int out = c_first + c;
        if (out >= outputs) continue;
        const REAL bias = c0 ? c0[out] : REAL(0);
        const REAL shift = c0 ? c1[out] - bias : REAL(0);
        const REAL bow = bend[c] / 4;
        const REAL low = min(middle0[c] + spread0[c], middle1[c] + spread1[c]);
        const REAL high = max(middle0[c] - spread0[c], middle1[c] - spread1[c]);
        REAL* to = bounds + ((size_t)k * outputs + out) * samples + sample;
        to[0] = z0[c] + bias + left * shift;
        to[plane] = z1[c] + bias + right * shift;
        to[2 * plane] = low / 2 - max(bow, REAL(0));
        to[3 * plane] = high / 2 - min(bow, REAL(0));
    }
}
