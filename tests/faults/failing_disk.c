/* A disk that fails on request: LD_PRELOAD puts these calls before those of the C library.

   disk_fail(call, where, number, skip) lets a call ("write", "sync", "name", "any") fail with this errno on files whose
   path matches `where`, after so many that succeed, until disk_heal(), which returns how many failed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static char failing[16], pattern[PATH_MAX];
static volatile int number, skipped, failed;

void disk_fail(const char *call, const char *where, int error, int skip) {
    snprintf(failing, sizeof failing, "%s", call);
    snprintf(pattern, sizeof pattern, "%s", where);
    failed = 0, skipped = skip, number = error;
}

int disk_heal(void) {
    number = 0;
    return failed;
}

static int fails(const char *call, const char *path) {
    if (!number || (strcmp(failing, call) && strcmp(failing, "any")) || fnmatch(pattern, path, 0)) return 0;
    if (__sync_fetch_and_sub(&skipped, 1) > 0) return 0;
    __sync_fetch_and_add(&failed, 1);
    errno = number;
    return 1;
}

static int fails_on(const char *call, int file) {
    char link[64], path[PATH_MAX];
    if (!number) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return fails(call, path);
}

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define ON_FILE(call, type, name, parameters, arguments) \
    type name parameters { REAL(name); return fails_on(call, file) ? -1 : real arguments; }
#define ON_PATH(call, type, name, parameters, arguments) \
    type name parameters { REAL(name); return fails(call, path) ? -1 : real arguments; }

ON_FILE("write", ssize_t, write, (int file, const void *data, size_t size), (file, data, size))
ON_FILE("write", ssize_t, pwrite, (int file, const void *data, size_t size, off_t at), (file, data, size, at))
ON_FILE("write", ssize_t, pwrite64, (int file, const void *data, size_t size, off64_t at), (file, data, size, at))
ON_FILE("write", ssize_t, writev, (int file, const struct iovec *data, int count), (file, data, count))
ON_FILE("write", int, ftruncate, (int file, off_t size), (file, size))
ON_FILE("write", int, ftruncate64, (int file, off64_t size), (file, size))
ON_FILE("sync", int, fsync, (int file), (file))
ON_FILE("sync", int, fdatasync, (int file), (file))
size_t fwrite(const void *data, size_t size, size_t count, FILE *stream) {
    REAL(fwrite);
    return fails_on("write", fileno(stream)) ? 0 : real(data, size, count, stream);
}

ON_PATH("name", int, rename, (const char *from, const char *path), (from, path))
ON_PATH("name", int, unlink, (const char *path), (path))
ON_PATH("name", int, mkdir, (const char *path, mode_t mode), (path, mode))

#define OPENS(name) \
    int name(const char *path, int flags, ...) { \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, int); va_end(rest); \
        REAL(name); \
        return (flags & (O_WRONLY | O_RDWR | O_CREAT)) && fails("name", path) ? -1 : real(path, flags, mode); \
    }
OPENS(open)
OPENS(open64)
