#include "common/base/mat.h"

static const struct { const char *name; unsigned char size; } types[DTYPES] = {
    [F32] = { "F32", 4 }, [BF16] = { "BF16", 2 }, [F16] = { "F16", 2 }, [F64] = { "F64", 8 },
    [I64] = { "I64", 8 }, [I32] = { "I32", 4 },   [I16] = { "I16", 2 }, [I8] = { "I8", 1 },
    [U64] = { "U64", 8 }, [U32] = { "U32", 4 },   [U16] = { "U16", 2 }, [U8] = { "U8", 1 },
    [BOOL] = { "BOOL", 1 },
};

size_t
dtype_size(enum dtype t)
{
    return types[t].size;
}

const char *
dtype_name(enum dtype t)
{
    return types[t].name;
}

int
dtype_find(const char *s, size_t n)
{
    for (int t = 0; t < DTYPES; t++)
        if (strlen(types[t].name) == n && !memcmp(types[t].name, s, n))
            return t;
    return -1;
}
