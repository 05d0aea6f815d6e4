#ifndef FORMATS_TOKENIZER_H
#define FORMATS_TOKENIZER_H
/*
 * tokenizer - a parsed tokenizer.json: what the file says, checked.
 *
 * Accepted: normalizer null or NFC (alone or a Sequence of one); pre_tokenizer ByteLevel
 * with add_prefix_space false, use_regex true; model BPE, no byte_fallback, no dropout, no
 * ignore_merges, no unk fusing; merges as strings or pairs; added tokens with all flags;
 * post_processor TemplateProcessing (or null); decoder ByteLevel.  Anything else is refused
 * naming the field: FILE: 'pre_tokenizer.type': 'Metaspace' is not supported. `truncation`,
 * `padding` and the template's type ids are ignored.  Limits: file <= 64 MiB, vocabulary
 * and merges <= 2^20, token <= 4 KiB.
 *
 * The file is mapped while it is read: until tokenizer_load returns nobody may shorten it.
 * The pieces' strings are not terminated.
 *
 * Added-token ids follow the reference: content looked up in the vocabulary, else the next
 * free id in file order; the id in the file is not trusted.  A pair of merges given twice
 * has its last rank; `merge` holds both.
 */
#include <stddef.h>
#include <stdint.h>
enum pattern { PATTERN_GPT2 }; /* common/bpe/pretok.h scans them */
struct piece { const char *s; uint32_t n; };             /* UTF-8 */
struct added_token {
    struct piece content;
    int id;
    unsigned char special, normalized, lstrip, rstrip, single_word;
    unsigned char shows_normal; /* once given as normalized: decodes as its normal form */
};
enum { TOKENIZER_PARTS = 16 };
struct template_part {
    int kind; /* 0: sequence A, 1: sequence B, 2: the special token `id` */
    int id;
};
struct tokenizer {
    struct piece *vocab;   /* by id, [vocabs]; byte-level characters; s NULL for a hole */
    int vocabs;            /* highest id + 1, added tokens included */
    struct { int left, right, result; } *merge;          /* by rank; ids */
    int merges;
    struct added_token *added;
    int addeds;
    int nfc;               /* 1: normalise to NFC */
    enum pattern pattern;  /* the pre-tokenizer's regular expression */
    int byte[256];         /* the model's token of each byte, -1: none (dropped, or unk) */
    int unk;               /* what stands for a byte without a token, or -1 */
    struct template_part single[TOKENIZER_PARTS], pair[TOKENIZER_PARTS];
    int singles, pairs;
    uint64_t fingerprint;  /* XXH64 of the parsed content, not of the file's bytes */
    void *memory;          /* private */
};
void tokenizer_load(struct tokenizer *t, const char *dir); /* DIR/tokenizer.json, or dies */
void tokenizer_free(struct tokenizer *t);
#endif
