#ifndef BPE_LAYOUT_H
#define BPE_LAYOUT_H
/*
 * layout - private to batch.h: texts one after the other, each with a zero byte behind it,
 * and the masks of all.  Those that are not in normal form move behind the others.
 */
#include "common/base/mem.h"
#include "common/bpe/events.h"
#include "common/bpe/nfc.h"
#include "common/bpe/scan.h"
struct layout { /* struct layout t = { .b = bpe }; */
    const struct bpe *b;
    unsigned char *text;
    size_t n, cap;
    struct scan_masks mask;
    uint64_t *masks;
    size_t words;         /* that the masks have room for */
    struct events events;
    size_t gap[2];        /* bytes between texts that stayed and texts that moved */
    struct nfc nfc;
    struct buf form;
};
void layout_add(struct layout *t, const char *s, size_t n);
/* Classes, normal forms, cuts and events of all texts; returns how many words they are. */
size_t layout_finish(struct layout *t);
void layout_reset(struct layout *t);
void layout_free(struct layout *t);
#endif
