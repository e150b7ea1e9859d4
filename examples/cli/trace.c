/* trace.c: one self-contained page that shows a denoising run step by step. */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "denoise.h"

static const char page_head[] =
    "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n<title>Denoising "
    "trace</title>\n<style>\n"
    "body{font:18px/1.9 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;"
    "color:#222;background:#fff}\n"
    "#canvas span{padding:.1em .15em;border-radius:.2em;white-space:pre}\n"
    ".given{color:#777}.mask{background:#ddd;color:#999}.new{outline:2px solid #2a2}"
    ".remasked{background:#fc6}\n"
    "input{width:100%}pre{white-space:pre-wrap}\n</style>\n"
    "<h1>Denoising trace</h1><pre id=\"prompt\"></pre>\n"
    "<label>step <output id=\"k\"></output><input id=\"slider\" type=\"range\" min=\"0\"></label>\n"
    "<p id=\"canvas\"></p>\n<p><small>Colour: log-probability of the token when it was set, red is "
    "low. "
    "Outlined: set in this step. Orange: masked again in this step.</small></p>\n<script>\nconst "
    "data=";

static const char page_tail[] =
    ";\nconst slider=document.getElementById('slider'),canvas=document.getElementById('canvas');\n"
    "document.getElementById('prompt').textContent=data.prompt;\n"
    "slider.max=data.frames.length-1;slider.value=slider.max;\n"
    "function draw(){const f=data.frames[slider.value];canvas.textContent='';\n"
    " document.getElementById('k').textContent=slider.value+' of '+slider.max;\n"
    " for(const [text,kind,change,score] of f){const s=document.createElement('span');\n"
    "  s.textContent=kind=='mask'?' \\u2591\\u2591':text;s.className=kind;\n"
    "  if(change==1||change==3)s.classList.add('new');if(change==2)s.classList.add('remasked');\n"
    "  if(kind=='set'&&score!==null){const p=Math.exp(score);\n"
    "   s.style.background='hsl('+120*p+' 80% 88%)';s.title='log-probability '+score.toFixed(3);}\n"
    "  canvas.append(s);}}\nslider.oninput=draw;draw();\n</script>\n</html>\n";

static json_t *token_json(const struct cli_bundle *bundle, const struct frames *frames,
                          const struct frame *f, size_t i, int32_t mask)
{
    const bool given = frames->canvas->roles[i] == DIFFULM_ROLE_GIVEN;
    const bool masked = f->tokens[i] == mask;
    char *text = piece_text(bundle->tokenizer, f->tokens[i]);
    json_t *item = json_array();
    json_t *shown = json_string(text); /* NULL when a byte piece is not UTF-8 by itself */
    json_array_append_new(item, shown ? shown : json_string("\xef\xbf\xbd"));
    json_array_append_new(item, json_string(given ? "given" : masked ? "mask" : "set"));
    json_array_append_new(item, json_integer(f->change[i]));
    json_array_append_new(item,
                          isfinite(f->scores[i]) ? json_real((double)f->scores[i]) : json_null());
    free(text);
    return item;
}

static char *data_json(const struct cli_bundle *bundle, const struct frames *frames,
                       const char *prompt, int32_t mask)
{
    json_t *root = json_object(), *list = json_array();
    for (size_t k = 0; k < frames->count; k++) {
        json_t *frame = json_array();
        for (size_t i = 0; i < frames->canvas->tokens.count; i++)
            json_array_append_new(frame, token_json(bundle, frames, &frames->list[k], i, mask));
        json_array_append_new(list, frame);
    }
    json_object_set_new(root, "prompt", json_string(prompt));
    json_object_set_new(root, "frames", list);
    char *text = json_dumps(root, JSON_ENSURE_ASCII | JSON_COMPACT | JSON_REAL_PRECISION(6));
    json_decref(root);
    return text;
}

int trace_write(const char *command, const char *path, const struct cli_bundle *bundle,
                const struct frames *frames, const char *prompt, int32_t mask)
{
    char *data = data_json(bundle, frames, prompt, mask);
    FILE *file = fopen(path, "wb");
    if (!data || !file) {
        free(data);
        return cli_error(command, CLI_FAILED, "%s: %s", path, strerror(errno));
    }
    fputs(page_head, file);
    /* "</" would end the script; JSON allows the slash to be escaped. */
    for (const char *c = data; *c; c++)
        fputs(*c == '/' ? "\\/" : (char[]){*c, 0}, file);
    fputs(page_tail, file);
    free(data);
    const bool failed = ferror(file);
    return fclose(file) != 0 || failed
               ? cli_error(command, CLI_FAILED, "%s: could not be written", path)
               : 0;
}
