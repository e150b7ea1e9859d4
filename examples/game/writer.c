/* writer.c: sessions, and when they take their steps. The mutex guards everything but the sessions, which belong to whoever
 * runs `work`: the frame loop until the thread is started, the thread from then on. It is never held during a step. */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#endif
#include "writer.h"

#include <SDL.h>
#include <diffulm/diffulm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Takes tokens back, and in another order for each seed, which is good to watch. */
#define POLICY "reparam-uncond-stochastic1.0-cosine"
#define STEPS 10
#define WARM_UP "Translate into German: The old man sees a small dog."

struct speaker {
    const char *asked; /* the prompt of a line to be opened */
    int64_t due;       /* the frame of the next piece of work, -1: there is none */
    diffulm_session *session;
    size_t row, begin; /* where the answer begins */
};

struct writer {
    struct writer_options options;
    diffulm_model *model;
    diffulm_tokenizer *tokenizer;
    diffulm_length_head *length_head;
    diffulm_sampler *sampler;
    int32_t mask_id, bos_id, eos_id, pad_id;
    SDL_mutex *mutex;
    SDL_cond *wake;
    SDL_Thread *thread;
    int64_t frame;
    int quit;
    struct speaker speaker[WRITER_SPEAKERS];
    struct line line[WRITER_SPEAKERS];
    diffulm_session *stepping; /* in a step now */
    struct writer_report report;
    int failed;
    char message[512];
};

/* The thread's own time: that other programs used the core says nothing about a step. */
static double cpu_microseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

/* A token as a reader wants it: U+2581 is the tokenizer's space, and special tokens are nothing. */
static void cell_text(const struct writer *w, int32_t token, char *out)
{
    size_t length = 0, n = 0;
    const char *piece = diffulm_tokenizer_piece(w->tokenizer, token, &length);
    if (!piece || token == w->bos_id || token == w->eos_id || token == w->pad_id)
        length = 0;
    for (size_t i = 0; i < length && n + 1 < CELL_TEXT; i++) {
        const int space = length - i >= 3 && memcmp(piece + i, "\xe2\x96\x81", 3) == 0;
        out[n++] = space ? ' ' : piece[i];
        i += space ? 2 : 0;
    }
    out[n] = 0;
}

/* Opens a session on the prompt. The length head's look at it costs about as much as a step. */
static diffulm_status open_line(struct writer *w, struct speaker *s, const char *prompt,
                                size_t *cells)
{
    struct diffulm_session_options so = DIFFULM_SESSION_OPTIONS_INIT;
    struct diffulm_text_options to = DIFFULM_TEXT_OPTIONS_INIT;
    int32_t tokens[1024];
    size_t length;
    so.seed = w->options.seed;
    to.length_head = w->length_head;
    diffulm_session_destroy(s->session);
    s->session = NULL;
    diffulm_status rc = diffulm_session_create(w->model, w->sampler, &so, &s->session);
    if (rc == DIFFULM_OK)
        rc = diffulm_session_add_text(s->session, w->tokenizer, prompt, strlen(prompt), &to,
                                      &s->row);
    if (rc == DIFFULM_OK)
        rc = diffulm_session_tokens(s->session, s->row, tokens, 1024, &length);
    if (rc != DIFFULM_OK)
        return rc < 0 ? rc : DIFFULM_E_LIMIT;
    for (s->begin = 0; s->begin < length && tokens[s->begin] != w->mask_id;)
        s->begin++;
    for (*cells = 0; s->begin + *cells < length && tokens[s->begin + *cells] == w->mask_id;)
        ++*cells;
    return DIFFULM_AGAIN;
}

static void show_opened(struct writer *w, struct line *line, const char *prompt, size_t cells)
{
    line->prompt = prompt;
    line->cells = cells < LINE_CELLS ? cells : LINE_CELLS;
    line->changes = 0;
    line->done = 0;
    for (size_t i = 0; i < line->cells; i++)
        line->cell[i] = (struct cell){.masked = 1, .frame = w->frame};
}

static void show_changes(struct writer *w, const struct speaker *s, struct line *line,
                         const struct diffulm_step_report *report)
{
    line->changes += report->change_count;
    for (size_t i = 0; i < report->change_count; i++) {
        const struct diffulm_change *c = &report->changes[i];
        if (c->position < s->begin || c->position - s->begin >= line->cells)
            continue;
        struct cell *cell = &line->cell[c->position - s->begin];
        cell->masked = c->token == w->mask_id;
        cell->change = c->kind;
        cell->frame = w->frame;
        cell->text[0] = 0;
        if (!cell->masked)
            cell_text(w, c->token, cell->text);
    }
}

/* Whose turn it is: the one who has been due the longest. */
static int next_speaker(const struct writer *w)
{
    int next = -1;
    for (int i = 0; i < WRITER_SPEAKERS; i++)
        if (w->speaker[i].due >= 0 && w->speaker[i].due <= w->frame &&
            (next < 0 || w->speaker[i].due < w->speaker[next].due))
            next = i;
    return next;
}

static void fail(struct writer *w, diffulm_status rc)
{
    const char *const message = diffulm_error_message();
    snprintf(w->message, sizeof w->message, "%s", *message ? message : diffulm_status_name(rc));
    w->failed = 1;
}

/* One piece of work: opens a line or takes a step of one. 0 when nothing is due. Called with the mutex held, which it gives
 * up while the model works. *time: microseconds of CPU. */
static int work(struct writer *w, double *time)
{
    struct diffulm_step_report report = {.struct_size = sizeof report};
    const int i = w->failed || w->quit ? -1 : next_speaker(w);
    if (i < 0)
        return 0;
    struct speaker *s = &w->speaker[i];
    struct line *line = &w->line[i];
    const char *const prompt = s->asked;
    char answer[LINE_TEXT] = "";
    size_t cells = 0, length;
    diffulm_status rc;
    s->asked = NULL;
    w->stepping = prompt ? NULL : s->session;
    SDL_UnlockMutex(w->mutex);
    const double start = cpu_microseconds();
    rc = prompt ? open_line(w, s, prompt, &cells) : diffulm_session_step(s->session, &report);
    if (rc == DIFFULM_DONE && diffulm_session_text(s->session, w->tokenizer, s->row, 0, answer,
                                                   sizeof answer, &length) != DIFFULM_OK)
        rc = DIFFULM_E_LIMIT;
    *time = cpu_microseconds() - start;
    SDL_LockMutex(w->mutex);
    w->stepping = NULL;
    w->report.longest_piece = SDL_max(w->report.longest_piece, *time);
    if (rc < 0) {
        if (!w->quit)
            fail(w, rc);
        return 1;
    }
    if (prompt)
        show_opened(w, line, prompt, cells);
    else if (!s->asked) /* else the player has passed on while it was written */
        show_changes(w, s, line, &report);
    if (!s->asked)
        s->due = rc == DIFFULM_DONE ? -1 : w->frame + w->options.beat;
    if (rc == DIFFULM_DONE && !s->asked) {
        line->done = 1;
        memcpy(line->answer, answer, sizeof answer);
    }
    line->version++;
    return 1;
}

static int write_in_thread(void *user)
{
    struct writer *w = user;
    double time;
    SDL_LockMutex(w->mutex);
    while (!w->quit)
        if (work(w, &time))
            w->report.thread_pieces++;
        else if (!w->quit)
            SDL_CondWait(w->wake, w->mutex); /* for the next frame */
    SDL_UnlockMutex(w->mutex);
    return 0;
}

/* From here on the sessions are the thread's: its creation hands them over. */
static void start_thread(struct writer *w)
{
    w->report.threaded = 1;
    w->thread = SDL_CreateThread(write_in_thread, "writer", w);
    if (!w->thread) {
        snprintf(w->message, sizeof w->message, "%s", SDL_GetError());
        w->failed = 1;
    }
}

static int open_model(struct writer *w, const struct diffulm_files *files)
{
    struct diffulm_runtime_options ro = DIFFULM_RUNTIME_OPTIONS_INIT;
    struct diffulm_model_options mo = DIFFULM_MODEL_OPTIONS_INIT;
    struct diffulm_sampler_options so = DIFFULM_SAMPLER_OPTIONS_INIT;
    struct diffulm_model_info info = {.struct_size = sizeof info};
    /* The other cores are the game's, and the thread's own time is then all that a step takes. */
    ro.threads = 1;
    so.steps = STEPS;
    const int opened =
        diffulm_runtime_create(&ro, &mo.runtime) == DIFFULM_OK &&
        diffulm_model_open_files(files, &mo, &w->model) == DIFFULM_OK &&
        diffulm_tokenizer_open_files(files, NULL, &w->tokenizer) == DIFFULM_OK &&
        diffulm_length_head_open_files(w->model, files, &w->length_head) == DIFFULM_OK &&
        diffulm_sampler_create(POLICY, &so, &w->sampler) == DIFFULM_OK &&
        diffulm_model_get_info(w->model, &info) == DIFFULM_OK;
    if (!opened)
        snprintf(w->message, sizeof w->message, "%s", diffulm_error_message());
    diffulm_runtime_unref(mo.runtime);
    w->mask_id = info.mask_id;
    w->bos_id = info.bos_id;
    w->eos_id = info.eos_id;
    w->pad_id = info.pad_id;
    return opened;
}

/* Writes a line to its end, and forgets it. */
static void warm_up(struct writer *w)
{
    double time;
    writer_ask(w, 0, WARM_UP);
    SDL_LockMutex(w->mutex);
    while (work(w, &time))
        w->frame += w->options.beat;
    SDL_UnlockMutex(w->mutex);
    w->frame = 0;
    w->line[0] = (struct line){0};
    w->report = (struct writer_report){0};
}

struct writer *writer_create(const struct diffulm_files *files,
                             const struct writer_options *options, char *message, size_t capacity)
{
    struct writer *w = calloc(1, sizeof *w);
    snprintf(message, capacity, "out of memory");
    if (!w)
        return NULL;
    w->options = *options;
    for (int i = 0; i < WRITER_SPEAKERS; i++)
        w->speaker[i].due = -1;
    w->mutex = SDL_CreateMutex();
    w->wake = SDL_CreateCond();
    if (w->mutex && w->wake && open_model(w, files)) {
        warm_up(w);
        if (!w->failed && options->budget == 0)
            start_thread(w);
        if (!w->failed)
            return w;
    }
    if (w->message[0])
        snprintf(message, capacity, "%s", w->message);
    writer_destroy(w);
    return NULL;
}

void writer_destroy(struct writer *w)
{
    if (!w)
        return;
    if (w->thread) {
        SDL_LockMutex(w->mutex);
        w->quit = 1;
        diffulm_session_cancel(w->stepping); /* a large model's step ends within a layer */
        SDL_CondSignal(w->wake);
        SDL_UnlockMutex(w->mutex);
        SDL_WaitThread(w->thread, NULL);
    }
    for (int i = 0; i < WRITER_SPEAKERS; i++)
        diffulm_session_destroy(w->speaker[i].session);
    diffulm_sampler_unref(w->sampler);
    diffulm_length_head_unref(w->length_head);
    diffulm_tokenizer_unref(w->tokenizer);
    diffulm_model_unref(w->model);
    SDL_DestroyCond(w->wake);
    SDL_DestroyMutex(w->mutex);
    free(w);
}

void writer_ask(struct writer *w, int speaker, const char *prompt)
{
    SDL_LockMutex(w->mutex);
    w->speaker[speaker].asked = prompt;
    w->speaker[speaker].due = w->frame;
    w->line[speaker].done = 0;
    w->line[speaker].version++;
    SDL_UnlockMutex(w->mutex);
}

/* As diffulm_session_run_for does it for one session: at least one step, then more while there is time. */
static void work_in_frame(struct writer *w)
{
    const Uint64 start = SDL_GetPerformanceCounter();
    const double ticks = 1e-6 * (double)SDL_GetPerformanceFrequency();
    double frame = 0, time = 0;
    while (work(w, &time)) {
        w->report.frame_pieces++;
        w->report.latest_start = SDL_max(w->report.latest_start, frame);
        frame += time;
        if ((double)(SDL_GetPerformanceCounter() - start) / ticks >= (double)w->options.budget)
            break;
    }
    w->report.longest_frame = SDL_max(w->report.longest_frame, frame);
}

int writer_frame(struct writer *w, struct line *lines)
{
    SDL_LockMutex(w->mutex);
    w->frame++;
    if (w->thread)
        SDL_CondSignal(w->wake);
    else
        work_in_frame(w);
    for (int i = 0; i < WRITER_SPEAKERS; i++)
        if (lines[i].version != w->line[i].version)
            lines[i] = w->line[i];
    if (!w->failed && !w->thread && w->report.longest_piece > (double)w->options.budget)
        start_thread(w);
    const int failed = w->failed;
    SDL_UnlockMutex(w->mutex);
    return failed ? -1 : 0;
}

const char *writer_message(const struct writer *w)
{
    return w->message;
}

void writer_report(struct writer *w, struct writer_report *out)
{
    SDL_LockMutex(w->mutex);
    *out = w->report;
    SDL_UnlockMutex(w->mutex);
}
