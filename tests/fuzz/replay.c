/* replay.c: feeds every file of the folders or files named to a fuzz target, without libFuzzer. */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        return 1;
    }
    const long size = ftell(file);
    rewind(file);
    /* Exactly as large as the file, so that a sanitizer sees one byte too many. */
    uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
    const size_t got = data && size > 0 ? fread(data, 1, (size_t)size, file) : 0;
    fclose(file);
    if (!data || size < 0 || got != (size_t)size) {
        free(data);
        fprintf(stderr, "%s: cannot be read\n", path);
        return 1;
    }
    printf("%s\n", path);
    fflush(stdout);
    LLVMFuzzerTestOneInput(data, got);
    for (size_t i = 1; i <= 16 && i <= got; i++) {
        memset(data + got - i, 0xff, 1);
        LLVMFuzzerTestOneInput(data, got);
    }
    free(data);
    return 0;
}

static int replay_folder(const char *path)
{
    struct dirent **entries;
    const int count = scandir(path, &entries, NULL, alphasort);
    int failed = count < 3;
    if (failed)
        fprintf(stderr, "%s: no seeds\n", path);
    for (int i = 0; i < count; i++) {
        char name[4096];
        const int length = snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.')
            failed |= length < (int)sizeof name ? replay_file(name) : 1;
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return failed;
}

int main(int argc, char **argv)
{
    int failed = argc < 2;
    if (failed)
        fprintf(stderr, "usage: %s FOLDER-OR-FILE...\n", argv[0]);
    for (int i = 1; i < argc; i++) {
        struct stat info;
        const int folder = stat(argv[i], &info) == 0 && S_ISDIR(info.st_mode);
        failed |= folder ? replay_folder(argv[i]) : replay_file(argv[i]);
    }
    return failed;
}
