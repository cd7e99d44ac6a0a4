// Put before every source. The build gives REAL (float or double) and, where
// a kernel keeps one number an output in registers, OUTPUTS.

static constexpr int VECTOR = 16 / sizeof(REAL);
#define ROUND_UP(count, unit) (((count) + (unit) - 1) / (unit) * (unit))
#define WARP 32
#define ALL_LANES 0xffffffffu

// What one thread reads or writes in one 16-byte access.
struct __align__(16) Pack {
    REAL at[VECTOR];
};

// A NaN stays a NaN, as in Torch.
static __device__ __forceinline__ REAL relu(REAL x) {
    return x < 0 ? REAL(0) : x;
}

// The sum over a warp, the same in every lane.
static __device__ __forceinline__ double warp_sum(double value) {
    for (int step = WARP / 2; step > 0; step /= 2)
        value += __shfl_xor_sync(ALL_LANES, value, step);
    return value;
}

// The pack at row[first], or the row's last one beyond its end: rows are
// padded to whole packs that start on 16 bytes.
static __device__ __forceinline__ Pack load(const REAL* row, int first,
                                            int pitch) {
    return *(const Pack*)(row + min(first, pitch - VECTOR));
}
