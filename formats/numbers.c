#include "formats/numbers.h"
#include "common/base/half.h"

int64_t
numbers_count(const struct tensor *t)
{
    return (int64_t)(t->bytes / dtype_size(t->type));
}

/* The elements need not be aligned, hence the copies. */
#define READ(type)                               \
    do {                                         \
        type v;                                  \
        for (int i = 0; i < n; i++) {            \
            memcpy(&v, p + (size_t)i * size, size); \
            out[i] = (double)v;                  \
        }                                        \
    } while (0)

static void
halves(const char *p, enum dtype type, int n, double *out)
{
    for (int i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, p + (size_t)i * sizeof h, sizeof h);
        out[i] = (double)(type == BF16 ? half_from_bf16(h) : half_from_f16(h));
    }
}

void
numbers_read(const struct tensor *t, int64_t at, int n, double *out)
{
    const size_t size = dtype_size(t->type);
    const char *p = (const char *)t->data + (size_t)at * size;
    switch (t->type) {
    case F32: READ(float); break;
    case F64: READ(double); break;
    case BF16: case F16: halves(p, t->type, n, out); break;
    case I64: READ(int64_t); break;
    case I32: READ(int32_t); break;
    case I16: READ(int16_t); break;
    case I8: READ(int8_t); break;
    case U64: READ(uint64_t); break;
    case U32: READ(uint32_t); break;
    case U16: READ(uint16_t); break;
    case U8: case BOOL: READ(uint8_t); break;
    case DTYPES: break;
    }
}
