#ifndef FORMATS_WRAP_H
#define FORMATS_WRAP_H
/*
 * wrap - a stream made of a plain .safetensors file.
 *
 * kind says which tensors must be there:
 *     tokens, batch   input_ids [T] (any integer type; U16 when every id fits, else I32), cu_seqlens I32
 *     pooled, logits, scores   a tensor of that name, F32 [B,..] ([T,..] with cu_seqlens)
 *     hidden          final_hidden or hidden.N, F32 or BF16 [T,D], and cu_seqlens I32
 * row I64 [B] is numbered from 0 when it is missing.  Metadata that a head has (labels,
 * tokenizer, model, ...) is taken over.  tokens are cut into records as bpe-tok cuts them;
 * every other kind is one record.
 */
#define WRAP_KINDS "tokens|batch|pooled|hidden|logits|scores"
void wrap_run(int kind, const char *from, const char *to, const char *tool); /* kind: index in WRAP_KINDS */
#endif
