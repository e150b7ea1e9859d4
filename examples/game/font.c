/* font.c: text from the letters of font_table.c. */
#include "font.h"

#include <string.h>

SDL_Texture *font_create(SDL_Renderer *renderer)
{
    const int width = FONT_PER_BAND * FONT_ADVANCE, height = FONT_BANDS * FONT_HEIGHT;
    SDL_Surface *surface =
        SDL_CreateRGBSurfaceWithFormat(0, width, height, 32, SDL_PIXELFORMAT_ARGB8888);
    if (!surface)
        return NULL;
    for (int y = 0; y < height; y++) {
        Uint32 *const row = (Uint32 *)((char *)surface->pixels + y * surface->pitch);
        for (int x = 0; x < width - 1; x++)
            row[x] = font_art[y][x] == '#' ? 0xffffffff : 0;
    }
    SDL_Texture *font = SDL_CreateTextureFromSurface(renderer, surface);
    SDL_FreeSurface(surface);
    if (font)
        SDL_SetTextureBlendMode(font, SDL_BLENDMODE_BLEND);
    return font;
}

int font_next(const char **text)
{
    static const char *const others[] = {"ä", "ö", "ü", "Ä", "Ö", "Ü", "ß"};
    const char *t = *text;
    *text = t + 1;
    if (*t >= ' ' && *t <= '~')
        return *t - ' ';
    for (int i = 0; i < 7; i++)
        if (strncmp(t, others[i], 2) == 0) {
            *text = t + 2;
            return '~' - ' ' + 1 + i;
        }
    while (((unsigned char)**text & 0xc0) == 0x80)
        ++*text;
    return '?' - ' ';
}

int font_length(const char *text)
{
    int length = 0;
    for (; *text; length++)
        font_next(&text);
    return length;
}

void font_draw_glyph(SDL_Renderer *renderer, SDL_Texture *font, int glyph, int x, int y, int scale,
                     SDL_Color color)
{
    const SDL_Rect from = {glyph % FONT_PER_BAND * FONT_ADVANCE,
                           glyph / FONT_PER_BAND * FONT_HEIGHT, FONT_WIDTH, FONT_HEIGHT};
    const SDL_Rect to = {x, y, FONT_WIDTH * scale, FONT_HEIGHT * scale};
    SDL_SetTextureColorMod(font, color.r, color.g, color.b);
    SDL_RenderCopy(renderer, font, &from, &to);
}

void font_draw(SDL_Renderer *renderer, SDL_Texture *font, const char *text, int x, int y, int scale,
               SDL_Color color)
{
    for (; *text; x += FONT_ADVANCE * scale)
        font_draw_glyph(renderer, font, font_next(&text), x, y, scale, color);
}
