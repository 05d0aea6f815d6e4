#include "formats/check.h"
#include <unistd.h>
#include "common/base/die.h"
#include "formats/input.h"

/* Bad data is what was asked about: the answer is no. */
static void
answer(void *arg, int status, const char *message)
{
    (void)arg;
    (void)message;
    if (status == EXIT_DATA)
        _exit(EXIT_NO);
}

static void
check_file(int n, char *const *path)
{
    struct input *in = input_open(n, path, NULL);
    const struct sequences *s;
    while (input_next(in, &s))
        for (int i = 0; i < s->record->tensors; i++)
            if (s->n >= 0 && input_stream(in) &&
                sequences_part(s, &s->record->tensor[i]) == PART_WHOLE)
                warn("'%s', record %lld: tensor '%s' has neither a row a sequence nor a "
                     "row a token",
                     input_name(in), (long long)input_record(in),
                     s->record->tensor[i].name);
    input_close(in);
}

void
check_run(int n, char *const *paths)
{
    die_hook(answer, NULL);
    if (!n)
        check_file(0, paths);
    for (int i = 0; i < n; i++)
        check_file(1, paths + i);
    die_unhook(answer, NULL);
}
