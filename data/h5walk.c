#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "data/file.h"
#include "data/h5table.h"
#include "data/h5type.h"

enum { WALK_SECONDS = 10, NAME_LEN_MAX = 1000, ATTR_LEN_MAX = 4096 };

static const size_t TABLE_MAX = 64 << 20, CHILD_MEMORY = 512 << 20;

/* ---- in the child: libhdf5 ------------------------------------------------------------------ */

struct walk {
    struct text out;
    const char *group;
    const char *why; /* the first thing that is wrong */
    char said[NAME_LEN_MAX + 100];
    struct fault f;
};

static herr_t wrong(struct walk *w, const char *name, const char *what)
{
    if (!w->why) {
        snprintf(w->said, sizeof w->said, "%s %.200s", name, what);
        w->why = w->said;
    }
    return -1;
}

/* The checksum attribute; 0 if it is not there as written by us. */
static int read_crc(uint32_t *crc, hid_t set)
{
    hid_t a = H5Aopen(set, "crc32c", H5P_DEFAULT);
    if (a < 0)
        return 0;
    hid_t space = H5Aget_space(a), type = H5Aget_type(a);
    int ok = H5Sget_simple_extent_npoints(space) == 1 && H5Tequal(type, H5T_STD_U32LE) > 0 &&
             H5Aread(a, H5T_NATIVE_UINT32, crc) >= 0;
    H5Tclose(type);
    H5Sclose(space);
    H5Aclose(a);
    return ok;
}

/* Dimensions and type; NULL or what is wrong. */
static const char *read_shape(struct tensor *t, hid_t set)
{
    hsize_t dims[TENSOR_DIMS_MAX];
    hid_t space = H5Dget_space(set), type = H5Dget_type(set);
    const char *why = NULL;
    int ndim = H5Sget_simple_extent_ndims(space);
    if (type < 0 || !h5type_find(&t->dtype, type))
        why = "has an element type that is not known";
    else if (H5Sis_simple(space) <= 0 || H5Sget_simple_extent_type(space) == H5S_NULL || ndim < 0 ||
             ndim > TENSOR_DIMS_MAX || H5Sget_simple_extent_dims(space, dims, NULL) != ndim)
        why = "has a shape that is not readable";
    H5Tclose(type);
    H5Sclose(space);
    if (why)
        return why;
    t->ndim = ndim;
    for (int i = 0; i < ndim; i++) {
        if (dims[i] > INT64_MAX)
            return "has a shape that is not readable";
        t->shape[i] = (int64_t)dims[i];
    }
    return NULL;
}

static const char *read_dataset(struct h5table_entry *e, hid_t set, struct fault *f)
{
    hid_t plist = H5Dget_create_plist(set);
    int plain = plist >= 0 && H5Pget_layout(plist) == H5D_CONTIGUOUS &&
                H5Pget_external_count(plist) == 0 && H5Pget_nfilters(plist) == 0;
    H5Pclose(plist);
    if (!plain)
        return "is not stored in one plain piece";
    const char *why = read_shape(&e->t, set);
    if (why)
        return why;
    if (tensor_measure(&e->t, "", f) != ST_OK)
        return "has a shape that is too large";
    haddr_t at = H5Dget_offset(set);
    if (e->t.bytes == 0)
        at = 0;
    if (at == HADDR_UNDEF || (e->t.bytes > 0 && H5Dget_storage_size(set) != e->t.bytes))
        return "has no place in the file";
    e->at = at;
    return read_crc(&e->crc, set) ? NULL : "has no checksum";
}

static herr_t visit_dataset(hid_t group, const char *name, const H5L_info_t *link, void *arg)
{
    struct walk *w = arg;
    struct h5table_entry e = {.group = w->group, .t.name = name};
    if (link->type != H5L_TYPE_HARD || strlen(name) > NAME_LEN_MAX)
        return wrong(w, name, "is a link to somewhere else");
    hid_t set = H5Dopen2(group, name, H5P_DEFAULT);
    if (set < 0)
        return wrong(w, name, "is not a readable dataset");
    const char *why = read_dataset(&e, set, &w->f);
    H5Dclose(set);
    if (why)
        return wrong(w, name, why);
    if (h5table_put_entry(&w->out, &e, &w->f) != ST_OK || w->out.n > TABLE_MAX)
        return wrong(w, name, "is one dataset too many");
    return 0;
}

static herr_t visit_group(hid_t root, const char *name, const H5L_info_t *link, void *arg)
{
    struct walk *w = arg;
    if (link->type != H5L_TYPE_HARD || strlen(name) > NAME_LEN_MAX)
        return wrong(w, name, "is a link to somewhere else");
    hid_t group = H5Gopen2(root, name, H5P_DEFAULT);
    if (group < 0)
        return wrong(w, name, "is not a readable group");
    w->group = name;
    herr_t r = H5Literate(group, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, visit_dataset, w);
    H5Gclose(group);
    return r < 0 ? wrong(w, name, "is not a readable group") : 0;
}

static void read_attr(struct walk *w, hid_t file, const char *name)
{
    char value[ATTR_LEN_MAX + 1] = {0};
    if (H5Aexists(file, name) <= 0)
        return;
    hid_t a = H5Aopen(file, name, H5P_DEFAULT);
    hid_t type = H5Aget_type(a), space = H5Aget_space(a);
    if (H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) != 0 ||
        H5Tget_size(type) > ATTR_LEN_MAX || H5Sget_simple_extent_npoints(space) != 1 ||
        H5Aread(a, type, value) < 0 || h5table_put_attr(&w->out, name, value, &w->f) != ST_OK)
        wrong(w, name, "is not a readable attribute");
    H5Sclose(space);
    H5Tclose(type);
    H5Aclose(a);
}

static void walk_file(struct walk *w, const char *path)
{
    static const char *const attrs[] = {"format", "version", "family", "source", "created_by"};
    hid_t access = h5type_access();
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, access);
    H5Pclose(access);
    if (file < 0) {
        wrong(w, "HDF5", "cannot open it");
        return;
    }
    for (size_t i = 0; i < sizeof attrs / sizeof *attrs; i++)
        read_attr(w, file, attrs[i]);
    if (H5Literate(file, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, visit_group, w) < 0)
        wrong(w, "its root", "is not readable");
    H5Fclose(file);
}

/* Time and memory are bounded; a crash leaves no core file and says nothing on the terminal. */
static void confine(void)
{
    static const int fatal[] = {SIGSEGV, SIGBUS,  SIGABRT, SIGFPE, SIGILL,
                                SIGALRM, SIGXCPU, SIGPIPE, SIGTERM};
    struct rlimit none = {0}, cpu = {WALK_SECONDS, WALK_SECONDS}, memory;
    sigset_t all;
    int nowhere = open("/dev/null", O_RDWR);
    if (nowhere >= 0) {
        dup2(nowhere, 1);
        dup2(nowhere, 2);
        if (nowhere > 2)
            close(nowhere); /* it may be the last descriptor that we may have */
    }
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
        signal(fatal[i], SIG_DFL);
    sigfillset(&all);
    sigprocmask(SIG_UNBLOCK, &all, NULL);
    setrlimit(RLIMIT_CORE, &none);
    setrlimit(RLIMIT_CPU, &cpu);
    FILE *statm = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;
    if (statm && fscanf(statm, "%lu", &pages) == 1) {
        memory.rlim_cur = pages * (size_t)sysconf(_SC_PAGESIZE) + CHILD_MEMORY;
        memory.rlim_max = memory.rlim_cur;
        setrlimit(RLIMIT_AS, &memory);
    }
    if (statm)
        fclose(statm);
    alarm(WALK_SECONDS);
}

void h5walk_describe(struct text *out, const char *path)
{
    struct walk w = {0};
    h5type_start();
    walk_file(&w, path);
    if (w.why) {
        w.out.n = 0;
        h5table_put_failure(&w.out, w.why, &w.f);
    } else {
        h5table_put_end(&w.out, &w.f);
    }
    *out = w.out;
}

static _Noreturn void child(const char *path, int pipe)
{
    struct text out = {0};
    confine();
    h5walk_describe(&out, path);
    for (size_t i = 0; i < out.n;) {
        ssize_t put = write(pipe, out.p + i, out.n - i);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            _exit(1);
        i += (size_t)put;
    }
    _exit(0);
}

/* ---- in the parent: only bytes --------------------------------------------------------------- */

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Until the child closes the pipe, says too much or is too slow. */
static enum status drain(struct text *to, int fd, struct fault *f)
{
    int64_t end = now_ms() + 1000 * (WALK_SECONDS + 2);
    char chunk[1 << 14];
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = end - now_ms();
        if (left <= 0 || to->n > TABLE_MAX + sizeof chunk)
            return ST_OK; /* without its end the table is refused */
        if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
            return ST_OK;
        if (!(p.revents & (POLLIN | POLLHUP)))
            continue;
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return ST_OK;
        if (text_add(to, chunk, (size_t)got, f) != ST_OK)
            return f->code;
    }
}

static enum status ask_child(struct text *to, const char *path, struct fault *f)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0)
        return file_fault(f, "look into", path, errno);
    pid_t pid = fork();
    if (pid < 0) {
        file_fault(f, "look into", path, errno);
        close(fds[0]);
        close(fds[1]);
        return f->code;
    }
    if (pid == 0) {
        close(fds[0]);
        child(path, fds[1]);
    }
    close(fds[1]);
    enum status s = drain(to, fds[0], f);
    close(fds[0]);
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    return s;
}

static enum status check_signature(const char *path, const char *what, struct fault *f)
{
    static const char signature[8] = "\211HDF\r\n\032\n";
    char head[8] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return file_fault(f, "read", path, errno);
    ssize_t got = pread(fd, head, 8, 0);
    close(fd);
    if (got == 8 && memcmp(head, signature, 8) == 0)
        return ST_OK;
    return h5table_refuse(f, path, what, got == 0 ? "it is empty" : "it is not an HDF5 file");
}

enum status h5table_read(struct h5table *out, const char *path, uint64_t size, const char *what,
                         struct fault *f)
{
    struct text t = {0};
    enum status s = check_signature(path, what, f);
    if (s == ST_OK)
        s = h5type_room(path, f);
    if (s == ST_OK)
        s = ask_child(&t, path, f);
    if (s == ST_OK)
        s = t.n == 0 ? h5table_refuse(f, path, what, "its structure is damaged")
                     : h5table_parse(out, t.p, t.n, size, path, what, f);
    text_free(&t);
    return s;
}
