/*
 * kernel_amx - bf16 and int8 products on tiles: 32 x 32 sums in four tiles of 16 x 16, two
 * tiles of a, two of the panel.  A step is 16 words: four loads and four products, which
 * take 64 cycles when what is loaded lies in the first cache.  So the panel's part shall
 * stay there (depth), and a, which streams, is loaded with the hint that keeps it out.
 *
 * The instructions are written out: gcc 12's intrinsics neither order the loads after
 * ordinary stores nor see more than eight bytes of the configuration.
 */
#if defined __AMX_TILE__ && defined __AMX_BF16__ && defined __AMX_INT8__
#include "common/ops/kernel.h"

enum { STEP = 16, TILE = 16, ROWS = 32, PANEL_BYTES = PANEL * 4, STEP_BYTES = STEP * 4,
       DEPTH = 288 };

struct tiles { /* as ldtilecfg reads it */
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
};

#define LOAD(t, p, stride)                                                                 \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t                                       \
                     :: "r"(p), "r"((ptrdiff_t)(stride)) : "memory")
#define LOAD_ONCE(t, p, stride)                                                            \
    __asm__ volatile("tileloaddt1 (%0,%1,1), %%tmm" #t                                     \
                     :: "r"(p), "r"((ptrdiff_t)(stride)) : "memory")
#define STORE(t, p, stride)                                                                \
    __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)"                                   \
                     :: "r"(p), "r"((ptrdiff_t)(stride)) : "memory")
#define ZERO(t) __asm__ volatile("tilezero %%tmm" #t ::)
#define DOT(op, c, a, b) __asm__ volatile(op " %%tmm" #b ", %%tmm" #a ", %%tmm" #c ::)

/* Tiles 0, 1, 4 have `upper` rows; 2, 3, 5 `lower`; 6 and 7, the panel's, all 16. */
static void
configure(int upper, int lower)
{
    struct tiles t = { .palette = 1 };
    for (int i = 0; i < 8; i++) {
        const int rows = i >= 6 ? TILE : i == 2 || i == 3 || i == 5 ? lower : upper;
        t.rows[i] = (uint8_t)rows;
        t.bytes[i] = rows ? STEP_BYTES : 0;
    }
    __asm__ volatile("ldtilecfg %0" ::"m"(t));
}

static void
begin(void)
{
    configure(TILE, TILE);
}

/* Tiles of the height that `rows` need: to set them up costs as much as some steps. */
static inline void
shape(int rows, struct meanwhile *m)
{
    const int want = rows == TILE || rows == ROWS ? 0 : rows;
    if (want == m->shape)
        return;
    if (want)
        configure(rows < TILE ? rows : TILE, rows < TILE ? 0 : rows - TILE);
    else
        begin();
    m->shape = want;
}

static void
end(void)
{
    __asm__ volatile("tilerelease" ::: "memory");
}

/* `each` rows of the tile before are finished beside each step, so that none are left over. */
static inline void
beside(struct meanwhile *m, int each)
{
    for (int i = 0; i < m->fetch_lines && m->fetch < m->fetch_end; i++, m->fetch += 64)
        __builtin_prefetch(m->fetch, 0, 2);
    if (m->done < m->rows) {
        const int to = m->done + each < m->rows ? m->done + each : m->rows;
        m->finish(m->arg, m->done, to);
        m->done = to;
    }
}

static inline int
share(const struct meanwhile *m, int words)
{
    const int steps = words / STEP;
    return (m->rows - m->done + steps - 1) / steps;
}

#define START(lower)                                                                       \
    char *const c0 = (char *)c, *const c2 = c0 + TILE * ldc * 4;                           \
    if (add) {                                                                             \
        LOAD(0, c0, ldc * 4);                                                              \
        LOAD(1, c0 + 64, ldc * 4);                                                         \
        if (lower) {                                                                       \
            LOAD(2, c2, ldc * 4);                                                          \
            LOAD(3, c2 + 64, ldc * 4);                                                     \
        }                                                                                  \
    } else {                                                                               \
        ZERO(0);                                                                           \
        ZERO(1);                                                                           \
        if (lower) {                                                                       \
            ZERO(2);                                                                       \
            ZERO(3);                                                                       \
        }                                                                                  \
    }

#define FINISH(lower)                                                                      \
    STORE(0, c0, ldc * 4);                                                                 \
    STORE(1, c0 + 64, ldc * 4);                                                            \
    if (lower) {                                                                           \
        STORE(2, c2, ldc * 4);                                                             \
        STORE(3, c2 + 64, ldc * 4);                                                        \
    }

/* `lower` is a constant where this is expanded: no step asks. */
#define TILES(name, op, lower)                                                             \
    static void name(float *c, ptrdiff_t ldc, const char *a, ptrdiff_t lda,                \
                     const char *b, int words, int add, struct meanwhile *m)               \
    {                                                                                      \
        const int each = share(m, words);                                                  \
        START(lower)                                                                       \
        for (; words > 0; words -= STEP, a += STEP_BYTES, b += STEP * PANEL_BYTES) {       \
            LOAD_ONCE(4, a, lda);                                                          \
            LOAD(6, b, PANEL_BYTES);                                                       \
            DOT(op, 0, 4, 6);                                                              \
            LOAD(7, b + 64, PANEL_BYTES);                                                  \
            DOT(op, 1, 4, 7);                                                              \
            if (lower) {                                                                   \
                LOAD_ONCE(5, a + TILE * lda, lda);                                         \
                DOT(op, 2, 5, 6);                                                          \
                DOT(op, 3, 5, 7);                                                          \
            }                                                                              \
            beside(m, each);                                                               \
        }                                                                                  \
        FINISH(lower)                                                                      \
    }

#define MUL(name, op)                                                                      \
    TILES(name##_both, op, 1)                                                              \
    TILES(name##_upper, op, 0)                                                             \
    static void name(float *c, ptrdiff_t ldc, int rows, const void *a, ptrdiff_t lda,      \
                     const uint32_t *panel, int words, int add, struct meanwhile *m)       \
    {                                                                                      \
        struct meanwhile idle = { .rows = 0 }, *const given = m;                           \
        m = m ? m : &idle;                                                                 \
        shape(rows, m);                                                                    \
        if (rows > TILE)                                                                   \
            name##_both(c, ldc, a, lda, (const char *)panel, words, add, m);               \
        else                                                                               \
            name##_upper(c, ldc, a, lda, (const char *)panel, words, add, m);              \
        if (!given)                                                                        \
            shape(ROWS, m);                                                                \
    }

MUL(mul_bf16, "tdpbf16ps")
MUL(mul_i8, "tdpbusd")

const struct kernel kernel_amx_bf16 = { "amx", BF16, STEP, ROWS, DEPTH, mul_bf16, begin, end };
const struct kernel kernel_amx_i8 = { "amx", I8, STEP, ROWS, DEPTH, mul_i8, begin, end };
#else
typedef int kernel_amx_unused;
#endif
