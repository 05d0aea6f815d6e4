#ifndef FORMATS_SCALING_H
#define FORMATS_SCALING_H
/*
 * scaling - a calibration: what metrics calibrate fits and clf-head applies to logits.
 *
 *     {"method":"temperature","temperature":T,"classes":C}   z' = z / T
 *     {"method":"platt","a":A,"b":B,"classes":2}             p(1) = 1 / (1 + e^-(A s + B)), s = z1 - z0
 *
 * A temperature does as well for the sigmoids of multi-label models as for a softmax.  T and A
 * are above 0, so that no calibration turns the order of scores round.
 */
enum scaling_kind { SCALING_TEMPERATURE, SCALING_PLATT };
struct scaling {
    enum scaling_kind kind;
    int classes;    /* of the model it was fitted for; Platt: 2 */
    double a, b;    /* temperature: a is T, b is 0 */
};
/* Reads path; anything wrong with it is die_data naming the file and the field. */
void scaling_load(struct scaling *s, const char *path);
/* Writes path (NULL or "-": standard output), complete or not at all. */
void scaling_save(const struct scaling *s, const char *path);
/*
 * logits [classes], one row, scaled in place; classes is s->classes, which the caller has
 * compared with its model.  Platt leaves z0 = 0, z1 = A s + B: softmax gives p(1).
 */
void scaling_apply(const struct scaling *s, double *logits, int classes);
#endif
