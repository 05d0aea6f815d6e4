#ifndef EMU_MACHINE_H
#define EMU_MACHINE_H
/* machine - the state behind emu.h: one block of fibers at a time. */
#include <stddef.h>
#include <vector>
#include "emu.h"
#include "exchange.h"

#ifdef EMU_TSAN
extern "C" {
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned);
void __tsan_switch_to_fiber(void *, unsigned);
void __tsan_acquire(void *);
void __tsan_release(void *);
}
enum { POOL = 4 };
#else
static inline void *__tsan_get_current_fiber(void) { return NULL; }
static inline void *__tsan_create_fiber(unsigned) { return NULL; }
static inline void __tsan_switch_to_fiber(void *, unsigned) {}
static inline void __tsan_acquire(void *) {}
static inline void __tsan_release(void *) {}
enum { POOL = 1 };
#endif

enum { MAX_WARPS = 32, STACK = 256 << 10, POISON = 0xff };
struct async { struct emu_copy copy; int group; };
struct lane {
    void *sp, *tsan;
    int parity;                /* which exchange buffer its next warp operation uses */
    int group;                 /* asynchronous copy group being filled */
    std::vector<async> copies; /* issued and not landed, oldest first */
    size_t landed;
};
struct warp {
    uint32_t ready, live, met; /* lanes that can run, have not returned, wait in the operation */
    int kind;
    struct exchange x[2];      /* two, so that one meeting per operation is enough */
    char sync;                 /* the address TSan knows the warp barrier by */
};

/* The machine: one block at a time. */
struct machine {
    std::vector<lane> lanes;
    std::vector<warp> warps;
    std::vector<int> rank;          /* EMU_AHEAD: warps, most eager first */
    std::vector<char *> stacks[POOL];
    std::vector<void *> tsan[POOL]; /* TSan's contexts, reused: making one is dear */
    const char *name;
    const std::function<void(void)> *body;
    char *smem;
    int block, threads, cur, at_barrier, done;
    void *main_sp, *main_tsan;
    char sync, start, end;          /* TSan: block barrier, launch, end of launch */
    enum emu_order order;
    uint32_t seed;
    struct emu_count count;
};
extern struct machine G;

/* Prints what went wrong, and where every thread is; status 3. */
__attribute__((noreturn)) void machine_die(const char *what);
/* The fiber to run next, or -1 if every one waits. */
int machine_pick(void);
void machine_resume(int next);
/* EMU_AHEAD: another order of eagerness. */
void machine_shuffle(void);
#endif
