#ifndef EMU_CARD_H
#define EMU_CARD_H
/* card - the state behind the emulation's cuda_runtime.h. */
#include <map>
#include <set>
#include "emu.h"

/* The card: its memory, its streams. */
struct card {
    std::map<char *, size_t> device, pinned;
    std::set<cudaStream_t> streams;
    size_t used, made;
    struct emu_turn *turn;
    enum cudaError_t last;
};
extern struct card C;

/* Notes the error, as the runtime does, and returns it. */
cudaError_t card_fail(cudaError_t e);
/* Bytes of the card's memory. */
size_t card_memory(void);
#endif
