/* pack.h: a game's archive: files behind a table of their names, written by pack.py. All numbers are little-endian:
 *
 *   8 bytes    "diffpak1"
 *   uint32     count
 *   count *    { char name[48], padded with zeros; uint64 offset, from the archive's start; uint64 size }
 *   the files
 */
#ifndef GAME_PACK_H
#define GAME_PACK_H

#include <diffulm/files.h>

#define PACK_MAGIC "diffpak1"
#define PACK_NAME 48
#define PACK_FILES 256 /* more are refused */

struct pack;

/* Reads and checks the table. NULL on failure; the message names the archive and what is wrong with it. */
struct pack *pack_open(const char *path, char *message, size_t capacity);
void pack_close(struct pack *pack); /* NULL is allowed */

/* The archive as the library reads it, from one thread at a time. Open until the last handle that came from it is gone. */
struct diffulm_files pack_files(struct pack *pack);

/* What the read callback returns, and the library's message then has. */
#define PACK_PAST_END 2
#define PACK_UNREADABLE 3

#endif
