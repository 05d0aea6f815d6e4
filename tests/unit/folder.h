#ifndef UNIT_FOLDER_H
#define UNIT_FOLDER_H
/* folder - a directory for the files of one test program, made when first asked for. */
#include <stdlib.h>
#include <unistd.h>

static inline char *
folder(void)
{
    static char dir[] = "/tmp/mbert-unit.XXXXXX";
    static int made;

    if (!made)
        assert_non_null(mkdtemp(dir));
    made = 1;
    return dir;
}

/* The teardown of a program that has emptied it. */
static inline int
folder_gone(void **state)
{
    (void)state;
    return rmdir(folder());
}
#endif
