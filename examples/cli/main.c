/* main.c: the `diffulm` program: picks the command. */
#include <string.h>

#include "cli.h"

const struct cli_command cli_commands[] = {
    {"generate", "", "Answers a prompt, one denoising step at a time.", cli_generate},
    {"infill", "", "Fills the gaps of a text.", cli_infill},
    {"evaluate", "", "Scores a model on a file of prompts and answers.", cli_evaluate},
    {"score", "", "Bounds the perplexity of a model on a file of prompts and answers.", cli_score},
    {"finetune", "", "Trains a model by a recipe.", cli_finetune},
    {"recipe", "", "Checks a recipe before training, or lists its keys.", cli_recipe},
    {"report", "", "Draws the curves of training runs as one page.", cli_report},
    {"prune", "", "Keeps of a vocabulary what a task's texts use.", cli_prune},
    {"quantize", "", "Writes a model with its matrices in 8 bits.", cli_quantize},
    {"tokenize", "", "Shows the tokens of a text.", cli_tokenize},
    {"detokenize", "", "Turns token ids into text.", cli_detokenize},
    {"inspect", "", "Shows what a model is.", cli_inspect},
    {0}};

static const struct {
    int code;
    const char *meaning;
} exit_codes[] = {{CLI_OK, "done"},
                  {CLI_FAILED, "failed"},
                  {CLI_USAGE, "wrong command line or recipe"},
                  {CLI_CANCELLED, "cancelled"}};
#define EXIT_CODES (sizeof exit_codes / sizeof *exit_codes)

static void usage(FILE *out)
{
    fprintf(out, "usage: diffulm COMMAND [options] ...\n\n");
    for (const struct cli_command *c = cli_commands; c->name; c++)
        fprintf(out, "  %-11s %s\n", c->name, c->summary);
    fprintf(out, "\n`diffulm COMMAND --help` lists the options of a command.\nExit codes:");
    for (size_t i = 0; i < EXIT_CODES; i++)
        fprintf(out, "%s %d %s", i ? "," : "", exit_codes[i].code, exit_codes[i].meaning);
    fprintf(out, ".\n");
}

/* What the manual and the shells' completions are made from, in lines of JSON: first the program, then its
 * commands, each by itself as --describe makes it. */
static void describe(void)
{
    printf("{\"version\":\"%s\",\"exit_codes\":{", diffulm_version());
    for (size_t i = 0; i < EXIT_CODES; i++)
        printf("%s\"%d\":\"%s\"", i ? "," : "", exit_codes[i].code, exit_codes[i].meaning);
    printf("}}\n");
    for (const struct cli_command *c = cli_commands; c->name; c++)
        c->run(1, (char *[]){"--describe", NULL});
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        usage(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        usage(stdout);
        return CLI_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("diffulm %s\n", diffulm_version());
        return CLI_OK;
    }
    if (strcmp(argv[1], "--describe") == 0) {
        describe();
        return CLI_OK;
    }
    for (const struct cli_command *c = cli_commands; c->name; c++)
        if (strcmp(argv[1], c->name) == 0)
            return c->run(argc - 2, argv + 2);
    fprintf(stderr, "diffulm: unknown command %s\n", argv[1]);
    usage(stderr);
    return CLI_USAGE;
}
