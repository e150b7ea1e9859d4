/* main.c: a market whose people's lines are written by a diffusion language model while the game goes on at 60 frames a second.
 *   game PAK [--budget MICROSECONDS] [--frames N] [--lines N] [--seed N] [--screenshot FILE.bmp] [--histogram FILE.json]
 * Space: someone says the next line. S: a screenshot. Escape: the end. */
#include <SDL.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cast.h"
#include "pack.h"
#include "scene.h"
#include "times.h"
#include "writer.h"

/* Frames between two steps of a line, between the first lines, and between a line and the next. First lines are a multiple of the
 * beat apart, so that the steps of all fall into the same frame until the budget pulls them apart. */
enum { BEAT = 8, FIRST = 16, PAUSE = 150 };

struct options {
    const char *pack, *screenshot, *histogram;
    long long frames, lines; /* 0: no end */
    struct writer_options writer;
};

struct game {
    struct options options;
    SDL_Window *window;
    SDL_Renderer *renderer;
    struct scene *scene;
    struct pack *pack;
    struct writer *writer;
    struct line line[WRITER_SPEAKERS];
    int64_t asking[CAST];  /* the frame in which it is asked next, -1: not yet known */
    unsigned prompt[CAST]; /* how often it was asked */
    int turn;              /* of the space key */
    long long lines;       /* finished */
    struct times busy, apart;
};

static int usage(void)
{
    fprintf(stderr, "usage: game PAK [--budget MICROSECONDS] [--frames N] [--lines N] [--seed N]\n"
                    "            [--screenshot FILE.bmp] [--histogram FILE.json]\n");
    return 2;
}

static int parse(int argc, char **argv, struct options *o)
{
    long long budget = 0, seed = 0;
    const struct {
        const char *name;
        long long *number;
        const char **text;
    } known[] = {{"--budget", &budget, NULL},
                 {"--frames", &o->frames, NULL},
                 {"--lines", &o->lines, NULL},
                 {"--seed", &seed, NULL},
                 {"--screenshot", NULL, &o->screenshot},
                 {"--histogram", NULL, &o->histogram}};
    const size_t count = sizeof known / sizeof *known;
    for (int i = 1; i < argc; i++) {
        size_t k = 0;
        while (k < count && strcmp(argv[i], known[k].name) != 0)
            k++;
        if (k == count && (argv[i][0] == '-' || o->pack))
            return 0;
        if (k == count) {
            o->pack = argv[i];
            continue;
        }
        if (++i == argc)
            return 0;
        char *end = NULL;
        if (known[k].text) {
            *known[k].text = argv[i];
            continue;
        }
        errno = 0;
        *known[k].number = strtoll(argv[i], &end, 10);
        if (errno || end == argv[i] || *end || *known[k].number < 0)
            return 0;
    }
    o->writer = (struct writer_options){.budget = budget, .beat = BEAT, .seed = (uint64_t)seed};
    return o->pack != NULL;
}

static int open_game(struct game *g)
{
    char message[512];
    g->pack = pack_open(g->options.pack, message, sizeof message);
    if (g->pack) {
        const struct diffulm_files files = pack_files(g->pack);
        g->writer = writer_create(&files, &g->options.writer, message, sizeof message);
    }
    if (!g->writer) {
        fprintf(stderr, "game: %s\n", message);
        return 0;
    }
    if (SDL_Init(SDL_INIT_VIDEO) == 0)
        g->window = SDL_CreateWindow("market", SDL_WINDOWPOS_CENTERED, SDL_WINDOWPOS_CENTERED,
                                     SCENE_WIDTH, SCENE_HEIGHT, 0);
    if (g->window)
        g->renderer = SDL_CreateRenderer(g->window, -1, SDL_RENDERER_TARGETTEXTURE);
    if (g->renderer)
        g->scene = scene_create(g->renderer);
    if (!g->scene)
        fprintf(stderr, "game: %s\n", SDL_GetError());
    return g->scene != NULL;
}

static void close_game(struct game *g)
{
    writer_destroy(g->writer);
    pack_close(g->pack);
    scene_destroy(g->scene);
    SDL_DestroyRenderer(g->renderer);
    SDL_DestroyWindow(g->window);
    SDL_Quit();
}

static int screenshot(struct game *g, const char *path)
{
    SDL_Surface *surface =
        SDL_CreateRGBSurfaceWithFormat(0, SCENE_WIDTH, SCENE_HEIGHT, 24, SDL_PIXELFORMAT_BGR24);
    const int done = surface &&
                     SDL_RenderReadPixels(g->renderer, NULL, SDL_PIXELFORMAT_BGR24, surface->pixels,
                                          surface->pitch) == 0 &&
                     SDL_SaveBMP(surface, path) == 0;
    SDL_FreeSurface(surface);
    if (!done)
        fprintf(stderr, "game: %s: %s\n", path, SDL_GetError());
    return done;
}

static void ask(struct game *g, int character)
{
    const unsigned next = g->prompt[character]++ % CAST_PROMPTS;
    writer_ask(g->writer, character, cast[character].prompt[next]);
    g->line[character].done = 0;
    g->asking[character] = -1;
}

/* 0 when the player leaves. */
static int listen(struct game *g, int64_t frame)
{
    SDL_Event event;
    while (SDL_PollEvent(&event)) {
        char path[64];
        if (event.type == SDL_QUIT)
            return 0;
        if (event.type != SDL_KEYDOWN || event.key.repeat)
            continue;
        switch (event.key.keysym.sym) {
        case SDLK_ESCAPE:
            return 0;
        case SDLK_SPACE:
            ask(g, g->turn);
            g->turn = (g->turn + 1) % CAST;
            break;
        case SDLK_s:
            snprintf(path, sizeof path, "game-%lld.bmp", (long long)frame);
            screenshot(g, path);
            break;
        default:
            break;
        }
    }
    return 1;
}

/* Who has paused long enough is asked; what was said to its end goes to standard output. */
static void direct(struct game *g, int64_t frame)
{
    for (int i = 0; i < CAST; i++) {
        const struct line *line = &g->line[i];
        if (g->asking[i] == frame)
            ask(g, i);
        else if (line->done && g->asking[i] < 0) {
            printf("%s\t%s\t%s\t%zu\n", cast[i].name, line->prompt, line->answer, line->changes);
            fflush(stdout);
            g->lines++;
            g->asking[i] = frame + PAUSE;
        }
    }
}

/* Sleeps to the frame's end; a frame that came late is not made up for. */
static Uint64 wait_until(Uint64 end)
{
    const Uint64 second = SDL_GetPerformanceFrequency();
    Uint64 now = SDL_GetPerformanceCounter();
    while (now < end) {
        const Uint64 milliseconds = (end - now) * 1000 / second;
        SDL_Delay(milliseconds ? (Uint32)milliseconds : 0);
        now = SDL_GetPerformanceCounter();
    }
    return now;
}

static int play(struct game *g)
{
    const struct options *o = &g->options;
    const Uint64 length = SDL_GetPerformanceFrequency() / FRAMES_PER_SECOND;
    Uint64 start = SDL_GetPerformanceCounter(), second = start;
    char status[96] = "", title[112];
    for (int64_t frame = 0;; frame++) {
        if (!listen(g, frame))
            return 1;
        direct(g, frame);
        scene_draw(g->scene, g->line, frame, status);
        const int last =
            (o->frames && frame + 1 >= o->frames) || (o->lines && g->lines >= o->lines);
        if (last && o->screenshot && !screenshot(g, o->screenshot))
            return 0;
        SDL_RenderPresent(g->renderer);
        if (writer_frame(g->writer, g->line) < 0) {
            fprintf(stderr, "game: %s\n", writer_message(g->writer));
            return 0;
        }
        const Uint64 busy = SDL_GetPerformanceCounter() - start;
        const Uint64 next = wait_until(start + length);
        times_add(&g->busy, (double)busy / (double)length);
        times_add(&g->apart, (double)(next - start) / (double)length);
        start = next;
        if (last)
            return 1;
        if (frame % FRAMES_PER_SECOND == FRAMES_PER_SECOND - 1) {
            struct writer_report report;
            writer_report(g->writer, &report);
            const double rate =
                (double)(length * FRAMES_PER_SECOND) * FRAMES_PER_SECOND / (double)(next - second);
            snprintf(status, sizeof status, "%.1f frames a second, written in %s", rate,
                     report.threaded ? "a thread" : "the frame loop");
            snprintf(title, sizeof title, "market: %s", status);
            SDL_SetWindowTitle(g->window, title);
            second = next;
        }
    }
}

int main(int argc, char **argv)
{
    static struct game g;
    if (!parse(argc, argv, &g.options))
        return usage();
    int good = open_game(&g);
    if (good) {
        for (int i = 0; i < CAST; i++)
            g.asking[i] = FIRST * i;
        good = play(&g);
    }
    if (good && g.options.histogram) {
        struct writer_report report;
        writer_report(g.writer, &report);
        good = times_save(g.options.histogram, &g.busy, &g.apart, &g.options.writer, &report);
        if (!good)
            fprintf(stderr, "game: %s: can't be written\n", g.options.histogram);
    }
    close_game(&g);
    return good ? 0 : 1;
}
