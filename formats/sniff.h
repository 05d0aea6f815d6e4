#ifndef FORMATS_SNIFF_H
#define FORMATS_SNIFF_H
/*
 * sniff - what a file holds, told from its first bytes, compressed or not.  Pipes and
 * standard input cannot be read twice: they count as streams.
 */
enum content { CONTENT_EMPTY, CONTENT_TEXT, CONTENT_STREAM, CONTENT_SAFETENSORS };
enum content sniff(const char *path); /* die_sys when it cannot be opened */
#endif
