// Loss and error at many points of a segment whose last two layers move.
//
//   h(t) = relu(P0 + t (P1 - P0))          (neurons, samples), never stored
//   z(t) = (a0 + t (a1 - a0)) h(t) + bias  (OUTPUTS, samples), in registers
//
// A warp has 32 VECTOR samples and POINTS points; the warps of a block share
// the samples, so that P0 and P1 are read from device memory once a block.
// Neurons are split over gridDim.z; the last block of a tile to finish adds
// the parts in a fixed order and goes on to losses and errors.

#define POINTS (OUTPUTS <= 10 ? 2 : 1)
#define WARPS 6
#define SLOTS ROUND_UP(POINTS * OUTPUTS, VECTOR)  // weights a warp a neuron
// rows shifted by 16 bytes against the 32 banks
#define ROW (ROUND_UP(WARPS * SLOTS, 8 * VECTOR) + VECTOR)
#define CHUNK (ROW * (int)sizeof(REAL) * 32 <= 48 * 1024 - 64 ? 32 : 16)

// The loss and whether the prediction is wrong, of one sample's outputs.
static __device__ double2 measure(const REAL* z, int label,
                                  const REAL* target) {
    REAL own = z[0], top = z[0], sum = 0, square = 0;
#pragma unroll
    for (int c = 1; c < OUTPUTS; c++) {
        own = c == label ? z[c] : own;
        top = z[c] > top ? z[c] : top;
    }
    if (isinf(top)) top = 0;
    bool wrong = OUTPUTS == 1 && (own > 0) != (label > 0);
#pragma unroll
    for (int c = 0; c < OUTPUTS; c++) {
        if (OUTPUTS > 1)
            wrong |= !(z[c] <= own) || (z[c] == own && c < label);
        const REAL d = target ? z[c] - target[c] : REAL(0);
        square += d * d;
        sum += target ? REAL(0) : exp(z[c] - top);
    }
    const double loss = target ? square : log(sum) + top - own;
    return make_double2(loss, wrong);
}

// start, end (neurons, pitch), of which `samples` count; a0, a1 (OUTPUTS,
// neurons); c0, c1 (OUTPUTS) or null; places (points,); labels (samples,);
// targets (samples, OUTPUTS) for the square loss or null; parts (gridDim.z,
// points, OUTPUTS, pitch); tickets (gridDim.y * gridDim.x), zero before and after; sums (2, points,
// gridDim.x): losses and errors, added over a block's samples.
extern "C" __global__ void __launch_bounds__(WARP * WARPS, OUTPUTS <= 16 ? 2 : 1)
    segment_losses(const REAL* __restrict__ start,
                   const REAL* __restrict__ end, const REAL* __restrict__ a0,
                   const REAL* __restrict__ a1, const REAL* __restrict__ c0,
                   const REAL* __restrict__ c1,
                   const REAL* __restrict__ places,
                   const long long* __restrict__ labels,
                   const REAL* __restrict__ targets, REAL* parts,
                   int* tickets, double* sums, int neurons, int samples,
                   int points, int pitch) {
    __shared__ __align__(16) REAL tile[CHUNK * ROW];
    __shared__ int last;
    const int lane = threadIdx.x, warp = threadIdx.y, warps = blockDim.y;
    const int thread = warp * WARP + lane, threads = warps * WARP;
    const int sample = (blockIdx.x * WARP + lane) * VECTOR;
    const int first_point = blockIdx.y * warps * POINTS;
    const int point = first_point + warp * POINTS;
    const int share = ROUND_UP((neurons + gridDim.z - 1) / gridDim.z, CHUNK);
    const int begin = blockIdx.z * share;
    const int stop = min(begin + share, neurons);

    REAL t[POINTS], z[POINTS][VECTOR][OUTPUTS];
#pragma unroll
    for (int p = 0; p < POINTS; p++) {
        t[p] = point + p < points ? places[point + p] : REAL(0);
#pragma unroll
        for (int s = 0; s < VECTOR; s++)
#pragma unroll
            for (int c = 0; c < OUTPUTS; c++) z[p][s][c] = 0;
    }
    for (int first = begin; first < stop; first += CHUNK) {
        __syncthreads();
        // output weights of CHUNK neurons at all points of the block
        for (int i = thread; i < CHUNK * OUTPUTS; i += threads) {
            const int n = i % CHUNK, c = i / CHUNK;
            const bool live = first + n < stop;
            const size_t from = (size_t)c * neurons + first + n;
            const REAL a = live ? a0[from] : REAL(0);
            const REAL move = live ? a1[from] - a : REAL(0);
            for (int q = 0; q < warps * POINTS; q++) {
                const int at = first_point + q;
                const REAL s = at < points ? places[at] : REAL(0);
                tile[n * ROW + q / POINTS * SLOTS + q % POINTS * OUTPUTS + c] =
                    a + s * move;
            }
        }
        __syncthreads();
        const int count = min(CHUNK, stop - first);
#pragma unroll 2
        for (int n = 0; n < count; n++) {
            const size_t row = (size_t)(first + n) * pitch;
            const Pack p0 = load(start + row, sample, pitch);
            const Pack p1 = load(end + row, sample, pitch);
            REAL h[POINTS][VECTOR];
#pragma unroll
            for (int s = 0; s < VECTOR; s++) {
                const REAL move = p1.at[s] - p0.at[s];
#pragma unroll
                for (int p = 0; p < POINTS; p++)
                    h[p][s] = relu(p0.at[s] + t[p] * move);
            }
            const REAL* weights = tile + n * ROW + warp * SLOTS;
#pragma unroll
            for (int k = 0; k < SLOTS; k += VECTOR) {
                const Pack w = *(const Pack*)(weights + k);
#pragma unroll
                for (int e = 0; e < VECTOR; e++) {
                    const int p = (k + e) / OUTPUTS, c = (k + e) % OUTPUTS;
                    if (p < POINTS)
#pragma unroll
                        for (int s = 0; s < VECTOR; s++)
                            z[p][s][c] += w.at[e] * h[p][s];
                }
            }
        }
    }
    // the block's part of the outputs; the last block reads them all
#pragma unroll
    for (int p = 0; p < POINTS; p++)
#pragma unroll
        for (int c = 0; c < OUTPUTS; c++) {
            if (point + p >= points || sample >= pitch) continue;
            Pack own;
#pragma unroll
            for (int s = 0; s < VECTOR; s++) own.at[s] = z[p][s][c];
            const size_t row = (size_t)blockIdx.z * points + point + p;
            *(Pack*)(parts + (row * OUTPUTS + c) * pitch + sample) = own;
        }
    __threadfence();
    __syncthreads();
    if (thread == 0) {
        int* ticket = tickets + blockIdx.y * gridDim.x + blockIdx.x;
        last = atomicAdd(ticket, 1) == (int)gridDim.z - 1;
        if (last) *ticket = 0;
    }
    __syncthreads();
    if (!last) return;
    __threadfence();
    const int from = blockIdx.x * WARP * VECTOR;
    const int to = min(from + WARP * VECTOR, samples);
    for (int at = point; at < min(point + POINTS, points); at++) {
        double loss = 0, wrong = 0;
        for (int b = from + lane; b < to; b += WARP) {
            REAL sum[OUTPUTS];
#pragma unroll
            for (int c = 0; c < OUTPUTS; c++)
                sum[c] = c0 ? c0[c] + places[at] * (c1[c] - c0[c]) : REAL(0);
            for (int part = 0; part < gridDim.z; part++) {
                const size_t row = ((size_t)part * points + at) * OUTPUTS;
#pragma unroll
                for (int c = 0; c < OUTPUTS; c++)
                    sum[c] += parts[(row + c) * pitch + b];
            }
            const REAL* target = targets ? targets + (size_t)b * OUTPUTS : 0;
            const double2 found = measure(sum, labels[b], target);
            loss += found.x;
            wrong += found.y;
        }
        loss = warp_sum(loss);
        wrong = warp_sum(wrong);
        if (lane == 0) {
            sums[(size_t)at * gridDim.x + blockIdx.x] = loss;
            sums[(size_t)(points + at) * gridDim.x + blockIdx.x] = wrong;
        }
    }
}
