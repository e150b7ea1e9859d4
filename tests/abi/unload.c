/* unload.c: the library stays when a host closes it, for OpenMP's threads go on waiting in it.
 *   unload LIBRARY */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    void *handle = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    if (!handle || dlclose(handle)) {
        fprintf(stderr, "unload: %s\n", argc == 2 ? dlerror() : "expected a library");
        return 2;
    }
    if (!dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD)) {
        fprintf(stderr, "unload: %s is gone after dlclose\n", argv[1]);
        return 1;
    }
    return 0;
}
