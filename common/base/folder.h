#ifndef BASE_FOLDER_H
#define BASE_FOLDER_H
/* folder - directories as units: made durable, counted, exchanged, removed. */

/* A name is on disk only when the directory that holds it is: fsync, or die_sys. */
void folder_sync(const char *path);
void folder_sync_parent(const char *path);
int folder_entries(const char *path); /* without . and ..; -1: no such directory */
/*
 * `from` becomes `to`.  replaces: `to` is there; the two change places, in one step where
 * the file system can.  Else die_sys.
 */
void folder_swap(const char *from, const char *to, int replaces);
/*
 * Removes a directory, its files, and the files of its directories whose names begin with
 * `inner` (NULL: of none).  1 when it is gone; 0 when it held other directories.
 */
int folder_remove(const char *path, const char *inner);
#endif
