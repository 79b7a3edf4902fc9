// What the kernels use of CUDA, for a C++ compiler: the threads of a block are fibers on one core.
//
// Each fiber runs until __syncthreads or its end; then the next one does. A barrier that only some
// threads of a block reach is an error here, where a GPU might hang or go on. Blocks run one after
// the other, in the order of their numbers.
//
// That order hides races, so ThreadSanitizer (Serebryany et al. 2009; compile with
// -fsanitize=thread) is told what a GPU promises instead: every fiber is a thread, those of a block
// have happened before one another where a barrier is between them, and nothing else has, least of
// all between blocks. It then reports accesses that could meet, whenever they ran; of each place it
// remembers the last four.
#include <pthread.h>
#include <setjmp.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <utility>

#define __global__
#define __device__ static
#define __restrict__
#define __launch_bounds__(...)

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#define __shared__ static thread_local  // a block runs on a thread of its own: see `run_block`
#define UNWATCHED __attribute__((no_sanitize("thread")))
#define WATCHED(call) call
#else
#define __shared__ static
#define UNWATCHED
#define WATCHED(call)
#endif

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};
static dim3 gridDim, blockDim, blockIdx, threadIdx;

struct int4 {
    int x, y, z, w;
};

template <class T> static T min(T a, T b) { return b < a ? b : a; }
template <class T> static T max(T a, T b) { return a < b ? b : a; }
// Single words of the second-level cache arrive whole.
static int __ldcg(const int* address) { return __atomic_load_n(address, __ATOMIC_RELAXED); }
static void __stcg(int* address, int value) { __atomic_store_n(address, value, __ATOMIC_RELAXED); }
static int4 __ldcg(const int4* address) {
    return int4{__ldcg(&address->x), __ldcg(&address->y), __ldcg(&address->z), __ldcg(&address->w)};
}
static void __stcg(int4* address, int4 value) {
    __stcg(&address->x, value.x);
    __stcg(&address->y, value.y);
    __stcg(&address->z, value.z);
    __stcg(&address->w, value.w);
}
static int atomicAdd(int* address, int value) {
    return __atomic_fetch_add(address, value, __ATOMIC_RELAXED);
}
static void __threadfence() {}
using std::log;
using std::sqrt;

namespace host {

static const size_t STACK = 64 * 1024;

struct Fiber {
    ucontext_t start;
    jmp_buf place;  // where it goes on; _setjmp, unlike swapcontext, makes no system call
    bool started, done;
    void* thread;           // that ThreadSanitizer takes it for
    unsigned char meeting;  // where it waits next
};

// A block, and the places where its threads meet: two barriers in turn, and the end. With one
// barrier for all, who is late at it would learn what others did after it.
struct Block {
    unsigned threads;
    void* thread;
    char* meetings[3];
    bool whole;  // no thread ended while others waited at a barrier
    volatile bool over;
};

static ucontext_t beginning;
static jmp_buf scheduler;
static Fiber* current;
static Block* block;
static char* end_of_grid;
static void** watched_threads;  // of the grid: what is known of one ends with it
static size_t watched_count;
static void (*body)(void*);
static void* arguments;

UNWATCHED static void pause() {
    if (_setjmp(current->place)) return;
    WATCHED(__tsan_switch_to_fiber(block->thread, __tsan_switch_to_fiber_no_sync));
    _longjmp(scheduler, 1);
}

UNWATCHED static void enter() {
    body(arguments);
    WATCHED(__tsan_release(block->meetings[2]));
    current->done = true;
    pause();
}

UNWATCHED static void go_on(Fiber* fiber) {
    current = fiber;
    if (_setjmp(scheduler)) return;
    WATCHED(__tsan_switch_to_fiber(fiber->thread, __tsan_switch_to_fiber_no_sync));
    if (fiber->started) _longjmp(fiber->place, 1);
    fiber->started = true;
    swapcontext(&beginning, &fiber->start);
}

UNWATCHED static void* run_block(void*) {
    // Shared memory is allocated as a whole when some of it is touched: by no fiber, but for all.
    WATCHED(static thread_local volatile char touched; touched = 1);
    WATCHED(block->thread = __tsan_get_current_fiber());
    for (char*& meeting : block->meetings) meeting = static_cast<char*>(std::malloc(1));
    const unsigned threads = block->threads;
    Fiber* fibers = static_cast<Fiber*>(std::calloc(threads, sizeof(Fiber)));
    char* stacks = static_cast<char*>(std::malloc(threads * STACK));
    for (unsigned t = 0; t < threads; t++) {
        getcontext(&fibers[t].start);
        fibers[t].start.uc_stack.ss_sp = stacks + t * STACK;
        fibers[t].start.uc_stack.ss_size = STACK;
        fibers[t].start.uc_link = nullptr;
        makecontext(&fibers[t].start, enter, 0);
        WATCHED(fibers[t].thread = watched_threads[watched_count++] = __tsan_create_fiber(0));
    }
    unsigned ended = 0;
    while (ended == 0) {
        for (unsigned t = 0; t < threads; t++) {
            threadIdx.x = t;
            go_on(fibers + t);
            ended += fibers[t].done;
        }
    }
    block->whole = ended == threads;
    WATCHED(__tsan_acquire(block->meetings[2]));
    for (char* meeting : block->meetings) std::free(meeting);
    std::free(stacks);
    std::free(fibers);
    WATCHED(__tsan_release(end_of_grid));
    block->over = true;
    return nullptr;
}

// Whoever joined a block's thread would know what the block did, and so would the next block.
UNWATCHED static bool run_alone(unsigned x, unsigned y, unsigned threads) {
    Block one = {};
    one.threads = threads;
    block = &one;
    blockIdx = dim3{x, y};
#ifdef __SANITIZE_THREAD__
    pthread_t thread;
    pthread_create(&thread, nullptr, run_block, nullptr);
    pthread_detach(thread);
    while (!one.over) usleep(10);
#else
    run_block(nullptr);
#endif
    return one.whole;
}

UNWATCHED static void begin_grid(size_t threads) {
    end_of_grid = static_cast<char*>(std::malloc(1));
    WATCHED(watched_threads = static_cast<void**>(std::malloc(threads * sizeof(void*))));
}

UNWATCHED static void end_grid() {
    WATCHED(__tsan_acquire(end_of_grid));
    std::free(end_of_grid);
    WATCHED(while (watched_count) __tsan_destroy_fiber(watched_threads[--watched_count]));
    std::free(watched_threads);
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
    begin_grid(size_t(x) * y * threads);
    bool whole = true;
    for (unsigned j = 0; j < y && whole; j++)
        for (unsigned i = 0; i < x && whole; i++) whole = run_alone(i, j, threads);
    end_grid();
    return whole ? 0 : -1;
}

}  // namespace host

UNWATCHED static void __syncthreads() {
    WATCHED(char* meeting = host::block->meetings[host::current->meeting ^= 1]);
    WATCHED(__tsan_release(meeting));
    host::pause();
    WATCHED(__tsan_acquire(meeting));
}
