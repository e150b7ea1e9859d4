/* times.h: how long frames took, as ratios to the 1/60 second that each has. */
#ifndef GAME_TIMES_H
#define GAME_TIMES_H

#include "writer.h"

#define FRAMES_PER_SECOND 60

enum { TIMES_PER_FRAME = 100, TIMES_BINS = 5 * TIMES_PER_FRAME };

/* bin[i]: frames of i … i + 1 hundredths of 1/60 second; the last one has all that are longer. */
struct times {
    int64_t bin[TIMES_BINS], frames;
    double longest; /* ratio */
};

void times_add(struct times *times, double ratio);

/* JSON: the histograms of `busy` (drawing and steps) and of `apart` (from one frame to the next) in tenths of a frame, with
 * medians, maxima and the share that is good, which is less than a frame busy and less than a frame and a half apart; and
 * what the writer reports. 0 when the file can't be written. */
int times_save(const char *path, const struct times *busy, const struct times *apart,
               const struct writer_options *options, const struct writer_report *report);

#endif
