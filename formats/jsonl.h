#ifndef FORMATS_JSONL_H
#define FORMATS_JSONL_H
/*
 * jsonl - one JSON value a line, from a source (plain or zstd).  Lines end in LF (CR LF
 * accepted); U+2028 and the like are text.  Blank lines are skipped but counted as lines.
 * The default line limit is 16 MiB.
 */
#include <stdint.h>
#include "formats/json.h"
#include "formats/source.h"
enum { JSONL_MAX_LINE = 16 << 20 };
struct jsonl { struct source *in; struct json *json; int64_t row; const char *text; size_t n; };
void jsonl_open(struct jsonl *j, const char *path);
/*
 * 1: *v is the value of the line (row counts lines from 0, blank ones too); 0: end;
 * -1: *why says what is wrong with this line (go on to skip it); -2: the source is damaged
 * (*why too; nothing follows).
 */
int jsonl_next(struct jsonl *j, struct json_value *v, const char **why);
int jsonl_blank(const char *s, size_t n); /* a line of blanks, which is no value */
void jsonl_close(struct jsonl *j);
/* die_data("FILE:LINE: MESSAGE"), LINE the 1-based number of the current line. */
_Noreturn void jsonl_bad(const struct jsonl *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#endif
