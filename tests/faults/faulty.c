/* Calls of the C library that change files under one folder, counted, and one of them failed, or the process ended at it.

   Loaded before the C library by LD_PRELOAD; `faulty_arm` says what is waited for.  Nothing happens before.
   A fault waits for steps in turn: so many calls of some kinds on paths of a pattern; the last call is where it happens. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { OPEN = 1, WRITE = 2, SYNC = 4, NAME = 8, UNLINK = 16, MKDIR = 32, CLOSE = 64, TRUNCATE = 128, READ = 256 };
enum { COUNT, KILL, FAIL, INTERRUPT, VANISH };
static const char *const NAMES[] = {"open", "write", "sync", "name", "unlink", "mkdir", "close", "truncate", "read"};

#define FILES 1024
#define STEPS 8
#define LONG 8192
static struct { long count; int kinds; char pattern[256]; } steps[STEPS];
static int length, place, action, number, lasting, fired, halves, log_file = -1;
static char folder[LONG], away[LONG];
static char *paths[FILES]; /* of open files under the folder */

void faulty_arm(const char *where, const char *gone, int what, int error, int again, int log)
{
    snprintf(folder, sizeof folder, "%s", where);
    snprintf(away, sizeof away, "%s", gone);
    action = what, number = error, lasting = again, log_file = log, halves = error == ENOSPC || error == EDQUOT;
}

void faulty_step(long count, int kinds, const char *pattern)
{
    steps[length].count = count, steps[length].kinds = kinds;
    snprintf(steps[length].pattern, sizeof steps[length].pattern, "%s", pattern);
    length++;
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static int inside(const char *path)
{
    size_t n = strlen(folder);
    return n && path && !strncmp(path, folder, n) && (path[n] == '/' || !path[n]);
}

/* The whole path of a name that may be relative to an open folder, or to where the process is. */
static const char *whole(int at, const char *name, char *room)
{
    if (name[0] == '/') return name;
    if (at >= 0) {
        if (at >= FILES || !paths[at]) return "";
        snprintf(room, LONG, "%s/%s", paths[at], name);
    } else {
        char here[PATH_MAX];
        snprintf(room, LONG, "%s/%s", getcwd(here, sizeof here) ? here : "", name);
    }
    return room;
}

/* Whether a call fails; it is written down before. */
static int meets(int kind, const char *path)
{
    if (!inside(path)) return 0;
    if (log_file >= 0) {
        char line[2 * LONG];
        int n = snprintf(line, sizeof line, "%s %s\n", NAMES[__builtin_ctz(kind)], path + strlen(folder));
        syscall(SYS_write, log_file, line, n);
    }
    int hit = 0;
    if (place < length && (steps[place].kinds & kind) && !fnmatch(steps[place].pattern, path, 0) &&
        !--steps[place].count)
        hit = ++place == length;
    if (fired && lasting && length && (steps[length - 1].kinds & kind) && !fnmatch(steps[length - 1].pattern, path, 0))
        hit = 1;
    if (!hit) return 0;
    fired = 1;
    if (action == KILL) syscall(SYS_kill, getpid(), SIGKILL);
    if (action == INTERRUPT) syscall(SYS_kill, getpid(), SIGINT);
    if (action == VANISH) syscall(SYS_rename, folder, away);
    if (action != FAIL) return 0;
    errno = number;
    return 1;
}

static void remember(int file, const char *path)
{
    if (file >= 0 && file < FILES && inside(path)) paths[file] = strdup(path);
}

static int opened(int at, const char *name, int flags, mode_t mode)
{
    REAL(int, "openat64", int, const char *, int, ...);
    char room[LONG];
    const char *path = whole(at, name, room);
    struct stat found;
    int writes = (flags & (O_WRONLY | O_RDWR | O_CREAT)) || (inside(path) && !stat(path, &found) && S_ISDIR(found.st_mode));
    if (meets(writes ? OPEN : READ, path)) return -1;
    int file = real(at, name, flags, mode);
    if (writes) remember(file, path);
    return file;
}

#define OPENER(name, at, given) \
    int name(given const char *path, int flags, ...) \
    { \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        return opened(at, path, flags, mode); \
    }
#define NONE
#define ONE int at,
OPENER(open, AT_FDCWD, NONE)
OPENER(open64, AT_FDCWD, NONE)
OPENER(openat, at, ONE)
OPENER(openat64, at, ONE)

static const char *of(int file) { return file >= 0 && file < FILES && paths[file] ? paths[file] : ""; }

ssize_t write(int file, const void *data, size_t size)
{
    REAL(ssize_t, "write", int, const void *, size_t);
    int before = fired;
    if (meets(WRITE, of(file))) {
        if (halves && !before && size > 1) return real(file, data, size / 2); /* what there was room for */
        return -1;
    }
    return real(file, data, size);
}

#define ON_FILE(name, kind, given, passed) \
    int name given \
    { \
        REAL(int, #name, GIVEN_##name); \
        return meets(kind, of(file)) ? -1 : real passed; \
    }
#define GIVEN_fsync int
#define GIVEN_fdatasync int
#define GIVEN_ftruncate int, off_t
#define GIVEN_ftruncate64 int, off_t
ON_FILE(fsync, SYNC, (int file), (file))
ON_FILE(fdatasync, SYNC, (int file), (file))
ON_FILE(ftruncate, TRUNCATE, (int file, off_t size), (file, size))
ON_FILE(ftruncate64, TRUNCATE, (int file, off_t size), (file, size))

int close(int file)
{
    REAL(int, "close", int);
    char *path = file >= 0 && file < FILES ? paths[file] : NULL;
    int bad = path && meets(CLOSE, path);
    if (path) paths[file] = NULL;
    int result = real(file); /* a file is closed whatever is said of it */
    if (bad) errno = number;
    return bad ? -1 : result;
}

#define ON_NAMES(name) \
    int name(const char *from, const char *to) \
    { \
        REAL(int, #name, const char *, const char *); \
        char room[LONG]; \
        return meets(NAME, whole(-1, to, room)) ? -1 : real(from, to); \
    }
ON_NAMES(rename)
ON_NAMES(link)

int unlink(const char *name)
{
    REAL(int, "unlink", const char *);
    char room[LONG];
    return meets(UNLINK, whole(-1, name, room)) ? -1 : real(name);
}

int rmdir(const char *name)
{
    REAL(int, "rmdir", const char *);
    char room[LONG];
    return meets(UNLINK, whole(-1, name, room)) ? -1 : real(name);
}

int unlinkat(int at, const char *name, int flags)
{
    REAL(int, "unlinkat", int, const char *, int);
    char room[LONG];
    return meets(UNLINK, whole(at, name, room)) ? -1 : real(at, name, flags);
}

int mkdir(const char *name, mode_t mode)
{
    REAL(int, "mkdir", const char *, mode_t);
    char room[LONG];
    return meets(MKDIR, whole(-1, name, room)) ? -1 : real(name, mode);
}
