/* exchange.cpp - what a warp computes when its lanes meet.  Compiled without sanitizers. */
#include "exchange.h"
#include <string.h>

static float
widen(uint32_t half)
{
    const uint32_t u = half << 16;
    float f;
    memcpy(&f, &u, 4);
    return f;
}

/*
 * PTX m16n8k16: lane l = 4g + t holds a0..a3 = (g, 2t) (g+8, 2t) (g, 2t+8) (g+8, 2t+8), b0 b1
 * = (2t, g) (2t+8, g), c0..c3 = (g, 2t) (g, 2t+1) (g+8, 2t) (g+8, 2t+1).
 */
void
exchange_mma(struct exchange *x)
{
    float a[16][16], b[16][8], c[16][8] = {};
    for (int l = 0; l < WARP; l++)
        for (int i = 0; i < 6; i++)
            for (int e = 0; e < 2; e++) {
                const int g = l / 4, k = l % 4 * 2 + e;
                const float v = widen(x->in[l][i] >> 16 * e & 0xffff);
                if (i < 4)
                    a[g + i % 2 * 8][k + i / 2 * 8] = v;
                else
                    b[k + (i - 4) * 8][g] = v;
            }
    for (int r = 0; r < 16; r++)
        for (int k = 0; k < 16; k++)
            for (int n = 0; n < 8; n++)
                c[r][n] += a[r][k] * b[k][n];
    for (int l = 0; l < WARP; l++)
        for (int i = 0; i < 4; i++)
            memcpy(&x->out[l][i], &c[l / 4 + i / 2 * 8][l % 4 * 2 + i % 2], 4);
}

/*
 * Lane l gives row l % 8 of matrix l / 8 and receives of each matrix the pair at row l / 4,
 * columns 2 (l % 4); transposed: rows and columns exchanged.  Eight rows in the same bank
 * group are read one after another: conflicts.
 */
int
exchange_ldmatrix(struct exchange *x, bool trans)
{
    int conflicts = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t groups = 0;
        for (int r = 0; r < 8; r++)
            groups |= 1u << x->at[i * 8 + r] / 16 % 8;
        conflicts += 8 - __builtin_popcount(groups);
        for (int l = 0; l < WARP; l++) {
            uint32_t pair = 0;
            for (int e = 0; e < 2; e++) {
                const int row = trans ? l % 4 * 2 + e : l / 4,
                          col = trans ? l / 4 : l % 4 * 2 + e;
                pair |= (x->in[i * 8 + row][col / 2] >> col % 2 * 16 & 0xffff) << 16 * e;
            }
            x->out[l][i] = pair;
        }
    }
    return conflicts;
}

void
exchange_ballot(struct exchange *x)
{
    uint32_t said = 0;
    for (int l = 0; l < WARP; l++)
        said |= x->in[l][0] << l;
    for (int l = 0; l < WARP; l++)
        x->out[l][0] = said;
}
