// Two pieces of a mean-field step, between its batched matrix products.

// The loss and its derivative by the outputs, one block a trial.
// outputs, gradient (trials, classes, samples); value (trials,); labels
// (samples,), or (trials, samples) where label_stride is samples; targets
// (samples, classes) or (trials, ...) likewise, and then the square loss.
extern "C" __global__ void __launch_bounds__(256)
    loss_gradient(const REAL* __restrict__ outputs,
                  const long long* __restrict__ labels,
                  const REAL* __restrict__ targets, REAL* gradient,
                  REAL* value, int classes, int samples, int stride) {
    __shared__ double sums[256 / WARP];
    const size_t trial = blockIdx.x, base = trial * classes * samples;
    const REAL scale = REAL(1) / samples;
    double loss = 0;
    for (int b = threadIdx.x; b < samples; b += blockDim.x) {
        const REAL* z = outputs + base + b;
        REAL* to = gradient + base + b;
        if (targets) {
            const REAL* y = targets + trial * stride + (size_t)b * classes;
            for (int c = 0; c < classes; c++) {
                const REAL d = z[(size_t)c * samples] - y[c];
                loss += d * d;
                to[(size_t)c * samples] = 2 * scale * d;
            }
            continue;
        }
        const int label = labels[trial * stride + b];
        REAL top = z[0], sum = 0;
        for (int c = 1; c < classes; c++) {
            const REAL other = z[(size_t)c * samples];
            top = other > top ? other : top;
        }
        for (int c = 0; c < classes; c++)
            sum += exp(z[(size_t)c * samples] - top);
        for (int c = 0; c < classes; c++) {
            const REAL share = exp(z[(size_t)c * samples] - top) / sum;
            to[(size_t)c * samples] = (share - (c == label)) * scale;
        }
        loss += log(sum) + top - z[(size_t)label * samples];
    }
    loss = warp_sum(loss);
    if (threadIdx.x % WARP == 0) sums[threadIdx.x / WARP] = loss;
    __syncthreads();
    if (threadIdx.x == 0) {
        double all = 0;
        for (int w = 0; w < blockDim.x / WARP; w++) all += sums[w];
        value[trial] = all / samples;
    }
}

// Back through the output layer and the last ReLU in one pass:
//   below[b, n] = h[b, n] > 0 ? sum over c of above[c, b] w[c, n] : 0.
// A thread keeps the weights of WIDE neurons and goes through SAMPLES
// samples. above (trials, OUTPUTS, samples); w (trials, OUTPUTS, neurons);
// h, below (trials, samples, neurons).
#ifdef OUTPUTS
#define SAMPLES 32
#define THREADS 128
#define SLOTS ROUND_UP(OUTPUTS, VECTOR)

// WIDE neurons that are read and written at once.
template <int WIDE>
struct __align__(WIDE * sizeof(REAL)) Piece {
    REAL at[WIDE];
};

template <int WIDE>
static __device__ __forceinline__ void project(
    const REAL* above, const REAL* __restrict__ w, const REAL* __restrict__ h,
    REAL* __restrict__ below, int neurons, int count) {
    const int neuron = (blockIdx.x * THREADS + threadIdx.x) * WIDE;
    if (neuron >= neurons) return;
    Piece<WIDE> weights[OUTPUTS];
#pragma unroll
    for (int c = 0; c < OUTPUTS; c++)
        weights[c] = *(const Piece<WIDE>*)(w + (size_t)c * neurons + neuron);
#pragma unroll 4
    for (int b = 0; b < count; b++) {
        const size_t at = (size_t)b * neurons + neuron;
        const Piece<WIDE> on = *(const Piece<WIDE>*)(h + at);
        Piece<WIDE> sum = {};
#pragma unroll
        for (int c = 0; c < OUTPUTS; c++)
#pragma unroll
            for (int e = 0; e < WIDE; e++)
                sum.at[e] += above[b * SLOTS + c] * weights[c].at[e];
#pragma unroll
        for (int e = 0; e < WIDE; e++)
            if (on.at[e] <= 0) sum.at[e] = 0;
        *(Piece<WIDE>*)(below + at) = sum;
    }
}

// vectors: rows of h, below and w start on 16 bytes, and a block has THREADS
// * VECTOR neurons; otherwise it has THREADS.
extern "C" __global__ void __launch_bounds__(THREADS, OUTPUTS <= 16 ? 3 : 2)
    back_project(const REAL* __restrict__ above, const REAL* __restrict__ w,
                 const REAL* __restrict__ h, REAL* __restrict__ below,
                 int neurons, int samples, int vectors) {
    __shared__ __align__(16) REAL tile[SAMPLES * SLOTS];
    const size_t trial = blockIdx.z;
    const int first = blockIdx.y * SAMPLES;
    const int count = min(SAMPLES, samples - first);
    for (int i = threadIdx.x; i < SAMPLES * OUTPUTS; i += THREADS) {
        const int b = i % SAMPLES, c = i / SAMPLES;
        const size_t row = (trial * OUTPUTS + c) * samples;
        tile[b * SLOTS + c] = b < count ? above[row + first + b] : REAL(0);
    }
    __syncthreads();
    const size_t rows = (trial * samples + first) * neurons;
    w += trial * OUTPUTS * neurons;
    if (vectors)
        project<VECTOR>(tile, w, h + rows, below + rows, neurons, count);
    else
        project<1>(tile, w, h + rows, below + rows, neurons, count);
}
#endif
