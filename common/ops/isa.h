#ifndef OPS_ISA_H
#define OPS_ISA_H
/*
 * isa - what the processor can multiply with, by CPU feature, never by vendor.
 *
 * Each level has all that the levels below have.  MBERT_CPU=generic|avx512|bf16|amx lowers the level (avx2, which bpe-tok knows,
 * is generic here); a level the processor lacks, or any other word, is die_usage.
 */
enum isa {
    ISA_GENERIC, /* OpenBLAS, f32 only */
    ISA_AVX512,  /* F, BW, VL, DQ: f32 products */
    ISA_BF16,    /* and vdpbf16ps, vpdpbusd */
    ISA_AMX      /* and tdpbf16ps, tdpbssd on tiles */
};
enum isa isa_pick(void);
const char *isa_name(enum isa isa);
/* Asks the system for the tile registers; 0: this process may not have them. */
int isa_amx_permit(void);
#endif
