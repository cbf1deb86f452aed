/* Preloaded into a daemon: writes down what it does to the files below one folder, in the order in
 * which it is done. One lock is held from before each operation until it is in the journal, so
 * what is in the journal before a sync was done before the sync began, and what a client is told
 * is told after the writes that stand before its mark.
 *
 * RECORDER_FOLDER is the folder, RECORDER_JOURNAL the file; without both nothing is done. The
 * form of an entry is that of journal.rs. What is done in another way (through a map, by a call
 * that is not here) is not seen: the test finds the difference between the journal and the
 * folder. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OPEN = 1, WRITE, SIZE, SYNC, RENAME, UNLINK, MKDIR, RMDIR, MARK, UNKNOWN };
enum { CREATED = 1, TRUNCATED = 2, FOLDER = 4, DURABLE = 8 };

/* 32 bytes; then the name, then the data. */
struct entry {
    uint32_t magic, kind;
    uint64_t file, offset;
    uint32_t name, data;
};
#define MAGIC 0x4c574f00u /* the flags are in its last byte */

enum { FILES = 4096 };
static struct {
    char watched, folder, durable, append;
    uint64_t file;
    char *path;
} files[FILES];

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static char folder[PATH_MAX];
static size_t folder_length;
static int journal = -1;
static pid_t owner;

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void) {
    const char *where = getenv("RECORDER_FOLDER"), *to = getenv("RECORDER_JOURNAL");
    if (!where || !to) return;
    folder_length = (size_t)snprintf(folder, sizeof folder, "%s", where);
    long number = syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (number < 0 || folder_length >= sizeof folder) abort();
    journal = (int)number;
    owner = getpid();
}

/* A child that has not yet run its own program has a copy of the lock: it may be taken for ever. */
static int recording(void) { return journal >= 0 && getpid() == owner; }

static void put(int kind, int flags, uint64_t file, uint64_t offset, const char *name,
                const struct iovec *data, int pieces, size_t length) {
    struct entry entry = {MAGIC | (unsigned)flags, (uint32_t)kind, file, offset,
                          (uint32_t)strlen(name), (uint32_t)length};
    struct iovec all[IOV_MAX];
    int used = 0;
    if (pieces + 2 > IOV_MAX) abort();
    all[used++] = (struct iovec){&entry, sizeof entry};
    all[used++] = (struct iovec){(void *)name, entry.name};
    size_t whole = sizeof entry + entry.name + length;
    for (int i = 0; i < pieces && length; i++) {
        size_t part = data[i].iov_len < length ? data[i].iov_len : length;
        all[used++] = (struct iovec){data[i].iov_base, part};
        length -= part;
    }
    /* In one piece, since the marks of the clients go to the same file. */
    if (syscall(SYS_writev, journal, all, used) != (long)whole) abort();
}

/* The path below the folder, "" for itself; NULL for one that is elsewhere. */
static const char *below(int at, const char *path, char *space) {
    char link[64], base[PATH_MAX] = "";
    if (path[0] != '/') {
        snprintf(link, sizeof link, at == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", at);
        ssize_t length = readlink(link, base, sizeof base - 1);
        if (length < 0) return NULL;
        base[length] = 0;
    }
    if (snprintf(space, PATH_MAX, "%s%s%s", base, base[0] ? "/" : "", path) >= PATH_MAX) return NULL;
    if (strncmp(space, folder, folder_length)) return NULL;
    if (space[folder_length] == 0) return space + folder_length;
    return space[folder_length] == '/' ? space + folder_length + 1 : NULL;
}

static void unknown(const char *what) { put(UNKNOWN, 0, 0, 0, what, NULL, 0, 0); }

static int watched(int fd) { return fd >= 0 && fd < FILES && files[fd].watched; }

static void forget(int fd) {
    if (!watched(fd)) return;
    free(files[fd].path);
    memset(&files[fd], 0, sizeof files[fd]);
}

static int open_recorded(int at, const char *path, int flags, mode_t mode) {
    if (!recording()) return (int)syscall(SYS_openat, at, path, flags, mode);
    char space[PATH_MAX];
    const char *name = below(at, path, space);
    if (!name) return (int)syscall(SYS_openat, at, path, flags, mode);
    struct stat about;
    pthread_mutex_lock(&order);
    int was_there = !fstatat(at, path, &about, 0);
    int fd = (int)syscall(SYS_openat, at, path, flags, mode);
    int failure = errno;
    if (fd >= 0 && fd < FILES && !fstat(fd, &about)) {
        forget(fd);
        files[fd].watched = 1;
        files[fd].folder = S_ISDIR(about.st_mode);
        files[fd].durable = (flags & O_DSYNC) != 0; /* O_SYNC has its bit, too */
        files[fd].append = (flags & O_APPEND) != 0;
        files[fd].file = about.st_ino;
        files[fd].path = strdup(name);
        int told = (was_there ? 0 : CREATED) | (files[fd].folder ? FOLDER : 0);
        if ((flags & O_TRUNC) && was_there) told |= TRUNCATED;
        put(OPEN, told, about.st_ino, 0, name, NULL, 0, 0);
    } else if (fd >= FILES) {
        unknown("a descriptor beyond the table");
    }
    pthread_mutex_unlock(&order);
    errno = failure;
    return fd;
}

#define MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | __O_TMPFILE)) { \
        va_list more; \
        va_start(more, flags); \
        mode = va_arg(more, mode_t); \
        va_end(more); \
    }

int open(const char *path, int flags, ...) {
    MODE(flags) return open_recorded(AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    MODE(flags) return open_recorded(AT_FDCWD, path, flags, mode);
}
int openat(int at, const char *path, int flags, ...) {
    MODE(flags) return open_recorded(at, path, flags, mode);
}
int openat64(int at, const char *path, int flags, ...) {
    MODE(flags) return open_recorded(at, path, flags, mode);
}

int close(int fd) {
    REAL(close);
    if (!recording() || !watched(fd)) return real(fd);
    pthread_mutex_lock(&order);
    forget(fd);
    int result = real(fd), failure = errno;
    pthread_mutex_unlock(&order);
    errno = failure;
    return result;
}

/* `offset` is -1 for a write where the file stands. */
static ssize_t write_recorded(int fd, const struct iovec *data, int pieces, off_t offset,
                              ssize_t (*carry_out)(int, const struct iovec *, int, off_t)) {
    if (!recording() || !watched(fd)) return carry_out(fd, data, pieces, offset);
    pthread_mutex_lock(&order);
    off_t at = offset;
    if (at < 0) at = lseek(fd, 0, files[fd].append ? SEEK_END : SEEK_CUR);
    ssize_t written = carry_out(fd, data, pieces, offset);
    int failure = errno;
    if (written > 0) {
        int flags = files[fd].durable ? DURABLE : 0;
        put(WRITE, flags, files[fd].file, (uint64_t)at, "", data, pieces, (size_t)written);
    }
    pthread_mutex_unlock(&order);
    errno = failure;
    return written;
}

static ssize_t really_write(int fd, const struct iovec *data, int pieces, off_t offset) {
    (void)pieces, (void)offset;
    return syscall(SYS_write, fd, data->iov_base, data->iov_len);
}
static ssize_t really_pwrite(int fd, const struct iovec *data, int pieces, off_t offset) {
    (void)pieces;
    return syscall(SYS_pwrite64, fd, data->iov_base, data->iov_len, offset);
}
static ssize_t really_writev(int fd, const struct iovec *data, int pieces, off_t offset) {
    (void)offset;
    return syscall(SYS_writev, fd, data, pieces);
}
static ssize_t really_pwritev(int fd, const struct iovec *data, int pieces, off_t offset) {
    return syscall(SYS_pwritev, fd, data, pieces, offset, 0);
}

ssize_t write(int fd, const void *data, size_t length) {
    struct iovec one = {(void *)data, length};
    return write_recorded(fd, &one, 1, -1, really_write);
}
ssize_t writev(int fd, const struct iovec *data, int pieces) {
    return write_recorded(fd, data, pieces, -1, really_writev);
}
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) {
    struct iovec one = {(void *)data, length};
    return write_recorded(fd, &one, 1, offset, really_pwrite);
}
ssize_t pwritev(int fd, const struct iovec *data, int pieces, off_t offset) {
    return write_recorded(fd, data, pieces, offset, really_pwritev);
}
/* Where addresses have 64 bits, both names mean the same. */
_Static_assert(sizeof(off_t) == 8 && sizeof(long) == 8, "for machines of 64 bits");
ssize_t pwrite64(int, const void *, size_t, off64_t) __attribute__((alias("pwrite")));
ssize_t pwritev64(int, const struct iovec *, int, off64_t) __attribute__((alias("pwritev")));

int ftruncate(int fd, off_t size) {
    if (!recording() || !watched(fd)) return (int)syscall(SYS_ftruncate, fd, size);
    pthread_mutex_lock(&order);
    int result = (int)syscall(SYS_ftruncate, fd, size), failure = errno;
    if (!result) put(SIZE, 0, files[fd].file, (uint64_t)size, "", NULL, 0, 0);
    pthread_mutex_unlock(&order);
    errno = failure;
    return result;
}
int ftruncate64(int, off64_t) __attribute__((alias("ftruncate")));

static int sync_recorded(int fd, long number) {
    if (!recording() || !watched(fd)) return (int)syscall(number, fd);
    pthread_mutex_lock(&order);
    int result = (int)syscall(number, fd), failure = errno;
    if (!result) {
        int is_folder = files[fd].folder;
        const char *name = is_folder ? files[fd].path : "";
        put(SYNC, is_folder ? FOLDER : 0, files[fd].file, 0, name, NULL, 0, 0);
    }
    pthread_mutex_unlock(&order);
    errno = failure;
    return result;
}
int fsync(int fd) { return sync_recorded(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_recorded(fd, SYS_fdatasync); }

/* An operation on a name; for a new name, `after` is the second one. */
static int name_recorded(int kind, int at, const char *path, const char *after, long number,
                         long a, long b, long c, long d, long e) {
    char space[PATH_MAX], more[PATH_MAX];
    const char *name = recording() ? below(at, path, space) : NULL;
    if (!name) return (int)syscall(number, a, b, c, d, e);
    pthread_mutex_lock(&order);
    int result = (int)syscall(number, a, b, c, d, e), failure = errno;
    if (!result) {
        const char *to = after ? below((int)c, after, more) : "";
        struct iovec target = {(void *)to, to ? strlen(to) : 0};
        if (!to) unknown("a rename out of the folder");
        else put(kind, 0, 0, 0, name, &target, 1, target.iov_len);
    }
    pthread_mutex_unlock(&order);
    errno = failure;
    return result;
}

int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
    return name_recorded(flags ? UNKNOWN : RENAME, from_at, from, to, SYS_renameat2, from_at,
                         (long)from, to_at, (long)to, flags);
}
int renameat(int from_at, const char *from, int to_at, const char *to) {
    return renameat2(from_at, from, to_at, to, 0);
}
int rename(const char *from, const char *to) {
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}
int unlinkat(int at, const char *path, int flags) {
    int kind = flags & AT_REMOVEDIR ? RMDIR : UNLINK;
    return name_recorded(kind, at, path, NULL, SYS_unlinkat, at, (long)path, flags, 0, 0);
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
int mkdirat(int at, const char *path, mode_t mode) {
    return name_recorded(MKDIR, at, path, NULL, SYS_mkdirat, at, (long)path, mode, 0, 0);
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }
