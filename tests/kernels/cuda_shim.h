// Runs a CUDA source on the host, to test its arithmetic without a GPU.
//
// A block's threads are fibers of one thread. They run one after another
// until each stands at a barrier (or has returned); in which order is the
// caller's choice, so that a missing barrier shows as a result that depends
// on it. Shared memory is filled with NaN before every block. Blocks run one
// after another, in the order or the reverse.
#pragma once
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <algorithm>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __restrict__
#define __shared__ static __attribute__((section("shared_memory")))
#define __ldg(pointer) (*(pointer))

using std::max;
using std::min;

struct uint3 { unsigned x, y, z; };
struct double2 { double x, y; };
static double2 make_double2(double x, double y) { return {x, y}; }

extern char __start_shared_memory[] __attribute__((weak));
extern char __stop_shared_memory[] __attribute__((weak));

static uint3 threadIdx, blockIdx, blockDim, gridDim;

namespace shim {

enum State { READY, AT_BLOCK, AT_WARP, DONE };
const size_t STACK = 64 * 1024;

struct Fiber {
    ucontext_t context;
    State state;
    uint3 index;
};

static std::vector<Fiber> fibers;
static std::vector<double> mailbox;  // what each lane last offered
static std::vector<char> stacks;
static ucontext_t scheduler;
static size_t current;
static void (*entry)();

static void wait(State state) {
    fibers[current].state = state;
    swapcontext(&fibers[current].context, &scheduler);
}

static void body() {
    entry();
    fibers[current].state = DONE;
    swapcontext(&fibers[current].context, &scheduler);
}

static void start(size_t count) {
    fibers.resize(count);
    mailbox.assign((count + 31) / 32 * 32, 0);
    if (stacks.size() < count * STACK) stacks.resize(count * STACK);
    for (size_t i = 0; i < count; i++) {
        Fiber& fiber = fibers[i];
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = stacks.data() + i * STACK;
        fiber.context.uc_stack.ss_size = STACK;
        fiber.context.uc_link = &scheduler;
        makecontext(&fiber.context, body, 0);
        fiber.state = READY;
        fiber.index = {unsigned(i % blockDim.x),
                       unsigned(i / blockDim.x % blockDim.y),
                       unsigned(i / blockDim.x / blockDim.y)};
    }
}

// Lets through the fibers [first, last) that all wait at `state`.
static bool release(size_t first, size_t last, State state) {
    size_t waiting = 0, done = 0;
    for (size_t i = first; i < last; i++) {
        waiting += fibers[i].state == state;
        done += fibers[i].state == DONE;
    }
    if (!waiting || waiting + done < last - first) return false;
    for (size_t i = first; i < last; i++)
        if (fibers[i].state == state) fibers[i].state = READY;
    return true;
}

static int block(bool backwards) {
    const size_t count = size_t(blockDim.x) * blockDim.y * blockDim.z;
    if (__start_shared_memory)
        memset(__start_shared_memory, 0xff,
               __stop_shared_memory - __start_shared_memory);
    start(count);
    for (;;) {
        bool ran = false;
        for (size_t k = 0; k < count; k++) {
            current = backwards ? count - 1 - k : k;
            if (fibers[current].state != READY) continue;
            threadIdx = fibers[current].index;
            swapcontext(&scheduler, &fibers[current].context);
            ran = true;
        }
        for (size_t w = 0; w < count; w += 32)
            ran |= release(w, std::min(w + 32, count), AT_WARP);
        ran |= release(0, count, AT_BLOCK);
        if (!ran) break;
    }
    for (const Fiber& fiber : fibers)
        if (fiber.state != DONE) return 1;  // a barrier not all reach
    return 0;
}

static int grid(void (*kernel)(), const unsigned* sizes, int backwards) {
    entry = kernel;
    gridDim = {sizes[0], sizes[1], sizes[2]};
    blockDim = {sizes[3], sizes[4], sizes[5]};
    const size_t count = size_t(sizes[0]) * sizes[1] * sizes[2];
    for (size_t k = 0; k < count; k++) {
        const size_t i = backwards ? count - 1 - k : k;
        blockIdx = {unsigned(i % sizes[0]), unsigned(i / sizes[0] % sizes[1]),
                    unsigned(i / sizes[0] / sizes[1])};
        if (int fault = block(backwards)) return fault;
    }
    return 0;
}

// Calls `kernel` with the arguments that `pointers` point to, as
// cuLaunchKernel does.
template <auto kernel, class... Types, size_t... I>
void call(void (*)(Types...), void** pointers, std::index_sequence<I...>) {
    kernel(*(Types*)pointers[I]...);
}

template <class... Types>
constexpr size_t arity(void (*)(Types...)) {
    return sizeof...(Types);
}

static void** arguments;

template <auto kernel>
void with_arguments() {
    call<kernel>(kernel, arguments,
                 std::make_index_sequence<arity(kernel)>());
}

}  // namespace shim

static void __syncthreads() { shim::wait(shim::AT_BLOCK); }
static void __threadfence() {}

static int atomicAdd(int* at, int value) {
    const int before = *at;
    *at += value;
    return before;
}

static double __shfl_xor_sync(unsigned, double value, int mask) {
    shim::mailbox[shim::current] = value;
    shim::wait(shim::AT_WARP);
    const size_t lane = shim::current % 32;
    const double other =
        shim::mailbox[shim::current - lane + (lane ^ size_t(mask))];
    shim::wait(shim::AT_WARP);
    return other;
}

#define HOST(kernel)                                                   \
    extern "C" int host_##kernel(const unsigned* sizes, void** given,  \
                                 int count, int backwards) {           \
        if (count != int(shim::arity(kernel))) return 2;               \
        shim::arguments = given;                                       \
        return shim::grid(shim::with_arguments<kernel>, sizes, backwards); \
    }
