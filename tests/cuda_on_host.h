// What the kernels use of CUDA, for a C++ compiler: the threads of a block are fibers on one core.
//
// Each fiber runs until __syncthreads or its end; then the next one does. A barrier that only some
// threads of a block reach is an error here, where a GPU might hang or go on. Blocks run one after
// the other, in the order of their numbers.
#include <setjmp.h>
#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

#define __global__
#define __device__ static
#define __forceinline__ inline
#define __shared__ static
#define __restrict__
#define __launch_bounds__(...)

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};
static dim3 gridDim, blockDim, blockIdx, threadIdx;

struct int4 {
    int x, y, z, w;
};

template <class T> static T min(T a, T b) { return b < a ? b : a; }
template <class T> static T max(T a, T b) { return a < b ? b : a; }
template <class T> static T __ldcg(const T* address) { return *address; }
template <class T> static void __stcg(T* address, T value) { *address = value; }
template <class T> static T atomicAdd(T* address, T value) {
    T old = *address;
    *address = old + value;
    return old;
}
static void __threadfence() {}
static float rsqrtf(float x) { return 1 / std::sqrt(x); }
static double rsqrt(double x) { return 1 / std::sqrt(x); }
static float __fdividef(float a, float b) { return a / b; }
static unsigned __float_as_uint(float x) {
    unsigned bits;
    std::memcpy(&bits, &x, 4);
    return bits;
}
static float __uint_as_float(unsigned bits) {
    float x;
    std::memcpy(&x, &bits, 4);
    return x;
}
using std::fabs;
using std::fma;
using std::isnan;
using std::log;
using std::sqrt;

namespace host {

static const size_t STACK = 64 * 1024;

struct Fiber {
    ucontext_t start;
    jmp_buf place;  // where it goes on; _setjmp, unlike swapcontext, makes no system call
    bool started, done;
};

static ucontext_t beginning;
static jmp_buf scheduler;
static std::vector<Fiber*> fibers;
static Fiber* current;
static void (*body)(void*);
static void* arguments;

static void pause() {
    if (!_setjmp(current->place)) _longjmp(scheduler, 1);
}

static void enter() {
    for (;;) {  // once for every block
        body(arguments);
        current->done = true;
        pause();
    }
}

static void go_on(Fiber* fiber) {
    current = fiber;
    if (_setjmp(scheduler)) return;
    if (fiber->started) _longjmp(fiber->place, 1);
    fiber->started = true;
    swapcontext(&beginning, &fiber->start);
}

// False if some threads ended while others wait at a barrier.
static bool run_block(unsigned threads) {
    while (fibers.size() < threads) {
        Fiber* fiber = new Fiber();
        getcontext(&fiber->start);
        fiber->start.uc_stack.ss_sp = std::malloc(STACK);
        fiber->start.uc_stack.ss_size = STACK;
        fiber->start.uc_link = nullptr;
        makecontext(&fiber->start, enter, 0);
        fibers.push_back(fiber);
    }
    for (unsigned t = 0; t < threads; t++) fibers[t]->done = false;
    for (unsigned ended = 0; ended == 0;) {
        for (unsigned t = 0; t < threads; t++) {
            threadIdx.x = t;
            go_on(fibers[t]);
            ended += fibers[t]->done;
        }
        if (ended != 0 && ended != threads) return false;
    }
    return true;
}

template <class... A, size_t... I>
static void call(void (*kernel)(A...), void** given, std::index_sequence<I...>) {
    kernel(*static_cast<A*>(given[I])...);
}

template <class... A> struct Call {
    void (*kernel)(A...);
    void** given;
    static void run(void* self) {
        Call* one = static_cast<Call*>(self);
        call(one->kernel, one->given, std::index_sequence_for<A...>());
    }
};

// What NumPy calls the element type of an array, or the type of a number; any for a kernel's own.
template <class T> struct Name { static constexpr const char* text = "any"; };
template <> struct Name<float> { static constexpr const char* text = "float32"; };
template <> struct Name<double> { static constexpr const char* text = "float64"; };
template <> struct Name<unsigned short> { static constexpr const char* text = "uint16"; };
template <> struct Name<int> { static constexpr const char* text = "int32"; };
template <> struct Name<long long> { static constexpr const char* text = "int64"; };
template <> struct Name<unsigned char> { static constexpr const char* text = "uint8"; };
template <> struct Name<bool> { static constexpr const char* text = "bool"; };

template <class T> const char* name_of() {
    return Name<std::remove_const_t<std::remove_pointer_t<T>>>::text;
}

// 0 if all went well; i if argument i, from 1, has another type; -1 for a barrier missed; -2 for
// another number of arguments.
template <class... A>
static int launch(void (*kernel)(A...), unsigned x, unsigned y, unsigned threads, void** given,
                  const char** names, int count) {
    if (count != sizeof...(A)) return -2;
    const char* wanted[] = {name_of<A>()...};
    for (int i = 0; i < count; i++)
        if (std::strcmp(wanted[i], "any") && std::strcmp(wanted[i], names[i])) return i + 1;
    Call<A...> one{kernel, given};
    body = Call<A...>::run;
    arguments = &one;
    gridDim = dim3{x, y, 1};
    blockDim = dim3{threads, 1, 1};
    for (blockIdx.y = 0; blockIdx.y < y; blockIdx.y++)
        for (blockIdx.x = 0; blockIdx.x < x; blockIdx.x++)
            if (!run_block(threads)) return -1;
    return 0;
}

}  // namespace host

static void __syncthreads() { host::pause(); }
