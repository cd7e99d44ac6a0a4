// Put before every source. The build gives REAL (float or double) and, where
// a kernel keeps one number an output in registers, OUTPUTS.

#define VECTOR (16 / (int)sizeof(REAL))
#define ROUND_UP(count, unit) (((count) + (unit) - 1) / (unit) * (unit))
#define WARP 32
#define ALL_LANES 0xffffffffu

// What one thread reads or writes in one 16-byte access.
struct __align__(16) Pack {
    REAL at[VECTOR];
};

// A NaN stays a NaN, as in Torch.
static __device__ __forceinline__ REAL relu(REAL x) { return x < 0 ? REAL(0) : x; }

// The sum over a warp, the same in every lane.
static __device__ __forceinline__ double warp_sum(double value) {
    for (int step = WARP / 2; step > 0; step /= 2)
        value += __shfl_xor_sync(ALL_LANES, value, step);
    return value;
}

// VECTOR numbers from row[first] on, zeros beyond row[count - 1]. `vectors`:
// every row starts on 16 bytes, so that a pack is wholly inside or outside.
static __device__ __forceinline__ Pack load(const REAL* row, int first, int count,
                            bool vectors) {
    Pack pack;
    if (vectors && first < count) return *(const Pack*)(row + first);
#pragma unroll
    for (int e = 0; e < VECTOR; e++)
        pack.at[e] = first + e < count ? row[first + e] : REAL(0);
    return pack;
}

static __device__ __forceinline__ void store(REAL* row, int first, int count, bool vectors,
                             const Pack& pack) {
    if (vectors && first < count) {
        *(Pack*)(row + first) = pack;
        return;
    }
#pragma unroll
    for (int e = 0; e < VECTOR; e++)
        if (first + e < count) row[first + e] = pack.at[e];
}
