#ifndef FORMATS_INPUT_H
#define FORMATS_INPUT_H
/*
 * input - records to look at: of a stream, or of .safetensors files, each of which is one
 * record.  All operands are of the one sort or of the other.
 */
#include "formats/record.h"
#include "formats/sequences.h"
#include "formats/stream.h"

struct input;
/* n paths; none, or "-", is standard input, a stream.  kinds: as stream_open's. */
struct input *input_open(int n, char *const *paths, const char *kinds);
struct stream_in *input_stream(const struct input *in);   /* NULL: .safetensors files */
const char *input_name(const struct input *in);           /* the file being read */
const struct record *input_head(const struct input *in);  /* the stream's head, or the file's metadata */
/* The next record and its sequences, both the input's own until the next call; NULL at the end. */
const struct record *input_next(struct input *in, const struct sequences **s);
int input_continues(const struct input *in);              /* group_continues of the record just read */
int64_t input_record(const struct input *in);             /* its number, from 1 */
void input_close(struct input *in);
/* die_data naming file and record */
_Noreturn void input_bad(const struct input *in, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#endif
