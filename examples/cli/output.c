/* output.c: the folder a run writes: made or taken over, swept, given the tokenizer's files. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "finetune.h"

/* "NAME.safetensors.partial.XXXXXX" or "NAME.json.partial.XXXXXX": what the library writes to before it takes
 * the name, and a kill leaves behind. */
static bool is_partial(const char *name)
{
    static const char *const kinds[] = {".safetensors", ".json"};
    static const char mark[] = ".partial.";
    const size_t length = strlen(name), tail = sizeof mark - 1 + 6;
    const char *end = length > tail ? name + length - tail : NULL;
    if (!end || strncmp(end, mark, sizeof mark - 1) != 0)
        return false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const size_t n = strlen(kinds[i]);
        if ((size_t)(end - name) > n && strncmp(end - n, kinds[i], n) == 0)
            return true;
    }
    return false;
}

static void sweep(const char *folder)
{
    char path[8192];
    struct stat status;
    DIR *files = opendir(folder);
    const struct dirent *file;
    while (files && (file = readdir(files))) {
        snprintf(path, sizeof path, "%s/%s", folder, file->d_name);
        if (is_partial(file->d_name) && lstat(path, &status) == 0 && S_ISREG(status.st_mode))
            unlink(path);
    }
    if (files)
        closedir(files);
}

/* Held until the process ends, however it does. File systems without locks are taken as they are. */
static int lock(const char *folder)
{
    const int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0)
        return cli_error(FINETUNE, CLI_FAILED, "%s: %s", folder, strerror(errno));
    if (flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        close(file);
        return cli_error(FINETUNE, CLI_FAILED,
                         "%s: another process is training into this folder: wait for it, or have "
                         "the recipe write to another",
                         folder);
    }
    return 0;
}

int output_open(struct run *run)
{
    static const char *const folders[] = {"", "checkpoints", "adapter", "last"};
    char path[4096];
    if (mkdir(run->recipe.output, 0777) != 0 && errno != EEXIST)
        return cli_error(FINETUNE, CLI_FAILED, "%s: %s", run->recipe.output, strerror(errno));
    const int code = lock(run->recipe.output);
    if (code != 0)
        return code;
    const bool there = checkpoints_newest(run->recipe.output, -1) >= 0;
    if (there && !run->resume)
        return cli_error(FINETUNE, CLI_FAILED,
                         "%s: holds checkpoints of an earlier run: go on with --resume, or remove "
                         "%s/checkpoints to start again",
                         run->recipe.output, run->recipe.output);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%s/%s", run->recipe.output, folders[i]);
        sweep(path);
    }
    snprintf(path, sizeof path, "%s/metrics.jsonl", run->recipe.output);
    run->metrics = fopen(path, there ? "a" : "w");
    return run->metrics ? 0 : cli_error(FINETUNE, CLI_FAILED, "%s: %s", path, strerror(errno));
}

static int copy_into(void *user, const char *path, const char *name)
{
    char to[4096];
    snprintf(to, sizeof to, "%s/%s", (const char *)user, name);
    return cli_copy_file(FINETUNE, path, to);
}

int output_copy_tokenizer(const struct run *run, const char *folder)
{
    return parts_each_tokenizer_file(parts_tokenizer(&run->recipe), copy_into, (void *)folder);
}
