/* writer.h: the lines that the characters say, written by the model a denoising step at a time, each character in a session of
 * its own. Two ways of keeping the frame rate:
 *
 *   budget > 0   the frame loop itself takes steps, in writer_frame, until the budget is used up. A step is never divided,
 *                so a frame takes the budget and one step at most. When one step alone is longer than the budget, the rest is
 *                written in a thread.
 *   budget 0     a thread takes the steps; the frame loop only picks up what changed.
 */
#ifndef GAME_WRITER_H
#define GAME_WRITER_H

#include <diffulm/files.h>

enum { WRITER_SPEAKERS = 8, LINE_CELLS = 128, LINE_TEXT = 1024, CELL_TEXT = 24 };

/* One position of a line. */
struct cell {
    char text[CELL_TEXT]; /* of its token; begins with a space where a word does */
    int masked;
    int32_t change; /* DIFFULM_CHANGE_… of the last step that touched it, 0: none yet */
    int64_t frame;  /* when that was */
};

/* A line as far as it is written. */
struct line {
    uint64_t version; /* counts changes */
    const char *prompt;
    struct cell cell[LINE_CELLS];
    size_t cells;
    size_t changes; /* positions revealed, taken back or revised, of all its steps */
    int done;
    char answer[LINE_TEXT]; /* once done */
};

struct writer_options {
    int64_t budget; /* microseconds of a frame; 0: a thread */
    int beat;       /* frames between two steps of a line, so that they can be watched */
    uint64_t seed;
};

struct writer_report {
    int threaded;          /* where the steps are taken now */
    int64_t frame_pieces;  /* steps, and openings of lines, in the frame loop */
    int64_t thread_pieces; /* … in the thread */
    double longest_frame;  /* microseconds of CPU that they took in one frame */
    double latest_start;   /* … before the last of the frame began: at most the budget */
    double longest_piece;  /* … and one of them, wherever */
};

struct writer;

/* NULL on failure, with the reason in the message. Ends with a line that nobody sees: what a first step allocates is not
 * paid in a frame. */
struct writer *writer_create(const struct diffulm_files *files,
                             const struct writer_options *options, char *message, size_t capacity);
void writer_destroy(struct writer *writer); /* NULL is allowed */

/* A speaker begins a new line, instead of the one it is at. The prompt is kept by address. */
void writer_ask(struct writer *writer, int speaker, const char *prompt);

/* Once a frame, at its end: takes steps if the budget is the frame loop's, and brings lines[WRITER_SPEAKERS] up to date. 0, or
 * -1 when the model failed, with the reason in writer_message(). */
int writer_frame(struct writer *writer, struct line *lines);
const char *writer_message(const struct writer *writer);
void writer_report(struct writer *writer, struct writer_report *out);

#endif
