#ifndef BPE_LABEL_H
#define BPE_LABEL_H
/*
 * label - what a line's label means: a class, a set of classes, a number, or (tag.h) classes
 * of its tokens.
 *
 * Names are those of --labels, else of the model's id2label.  The task is the one asked for,
 * else what the config says, else what the first label looks like: an array is multi-label,
 * a number with a fraction is regression, anything else single-label.
 */
#include "formats/json.h"
enum task { TASK_AUTO, TASK_SINGLE, TASK_MULTI, TASK_REGRESSION, TASK_TOKEN };
enum { LABEL_NONE = -100 };
struct labels { enum task task; char **name; int n; };
/* --labels a,b: names between commas, none empty or twice, or die_usage. */
void labels_parse(struct labels *l, const char *list);
void labels_free(struct labels *l);
const char *task_name(enum task task); /* "single", "multi", "regression", "token"; NULL for auto */
int label_find(const struct labels *l, const char *name, size_t n); /* its id, or -1 */
/* A class by number or by name: NULL and *id, or a message in why[256]. */
const char *label_class(const struct labels *l, struct json_value v, int *id, char *why);
/*
 * Reads v, of any task but token.  single: *id; multi: hot[n] of 0 and 1; regression: *value.  Settles l->task when it
 * was auto.  null is no label: returns NULL with *given 0.  Else NULL, or a message in why[256].
 */
const char *label_read(struct labels *l, struct json_value v, int *given, int *id, float *value,
                       float *hot, char *why);
#endif
