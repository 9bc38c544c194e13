#include "data/h5out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/crc32c.h"
#include "data/file.h"
#include "data/h5table.h"
#include "data/h5type.h"

/* Every dataset starts on a page: mapped tensors are aligned for any use, and a page holds one. */
enum { ALIGNMENT = 4096, GROUP_MAX = 4 };

struct group {
    char *name;
    hid_t id;
};

struct h5out {
    const char *what;
    struct file_out file;
    hid_t id;
    struct group groups[GROUP_MAX];
    size_t group_count;
    struct tensor t; /* being written; owns its name; NULL name: none */
    hid_t set;
    uint64_t at;
    size_t done;
    uint32_t crc;
    size_t count; /* datasets that are whole */
};

/* A call of libhdf5 failed. errno, cleared before it, tells a full disk from the rest. */
static enum status h5_fault(struct h5out *o, struct fault *f)
{
    if (errno == ENOSPC || errno == EFBIG || errno == EDQUOT || errno == EIO)
        return file_fault(f, "write", o->file.path, errno);
    fault_set(f, ST_IO, "cannot write %s: libhdf5 failed", o->file.path);
    return fault_remedy(f, "check the disk and the folder, then try again");
}

static hid_t create_file(const char *temp)
{
    hid_t access = h5type_access(), create = H5Pcreate(H5P_FILE_CREATE), id = -1;
    if (access >= 0 && create >= 0 && H5Pset_alignment(access, 1, ALIGNMENT) >= 0 &&
        H5Pset_small_data_block_size(access, 0) >= 0 && H5Pset_obj_track_times(create, false) >= 0)
        id = H5Fcreate(temp, H5F_ACC_TRUNC, create, access);
    if (access >= 0)
        H5Pclose(access);
    if (create >= 0)
        H5Pclose(create);
    return id;
}

enum status h5out_create(struct h5out **out, const char *path, const char *what, struct fault *f)
{
    struct h5out *o = calloc(1, sizeof *o);
    if (!o)
        return fault_nomem(f, path, sizeof *o);
    o->what = what;
    o->id = o->set = -1;
    if (file_kind(path) == FILE_OTHER) {
        fault_set(f, ST_IO, "cannot write a %s to %s: it is not a regular file", what, path);
        fault_remedy(f, "give the path of a file on a disk");
        goto fail;
    }
    if (h5type_room(path, f) != ST_OK || file_out_open(&o->file, path, f) != ST_OK)
        goto fail;
    h5type_start();
    errno = 0;
    o->id = create_file(o->file.temp);
    if (o->id < 0) {
        h5_fault(o, f);
        goto fail;
    }
    *out = o;
    return ST_OK;
fail:
    h5out_close(&o);
    return f->code;
}

/* A fixed-length string, one byte longer than the text. */
enum status h5out_attr(struct h5out *o, const char *name, const char *value, struct fault *f)
{
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR), a = -1;
    errno = 0;
    if (type >= 0 && space >= 0 && H5Tset_size(type, strlen(value) + 1) >= 0 &&
        H5Tset_cset(type, H5T_CSET_UTF8) >= 0)
        a = H5Acreate2(o->id, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    bool ok = a >= 0 && H5Awrite(a, type, value) >= 0;
    if (a >= 0)
        ok = H5Aclose(a) >= 0 && ok;
    H5Sclose(space);
    H5Tclose(type);
    return ok ? ST_OK : h5_fault(o, f);
}

static enum status find_group(hid_t *id, struct h5out *o, const char *name, struct fault *f)
{
    for (size_t i = 0; i < o->group_count; i++) {
        if (strcmp(o->groups[i].name, name) == 0) {
            *id = o->groups[i].id;
            return ST_OK;
        }
    }
    if (o->group_count == GROUP_MAX)
        return fault_set(f, ST_RANGE, "%s: more than %d groups", o->file.path, GROUP_MAX);
    struct group *g = &o->groups[o->group_count];
    g->name = strdup(name);
    if (!g->name)
        return fault_nomem(f, name, strlen(name));
    hid_t create = H5Pcreate(H5P_GROUP_CREATE);
    errno = 0;
    g->id = create >= 0 && H5Pset_obj_track_times(create, false) >= 0
                ? H5Gcreate2(o->id, name, H5P_DEFAULT, create, H5P_DEFAULT)
                : -1;
    H5Pclose(create);
    if (g->id < 0) {
        free(g->name);
        return h5_fault(o, f);
    }
    o->group_count++;
    *id = g->id;
    return ST_OK;
}

static hid_t create_dataset(hid_t group, const struct tensor *t)
{
    hsize_t dims[TENSOR_DIMS_MAX];
    for (int i = 0; i < t->ndim; i++)
        dims[i] = (hsize_t)t->shape[i];
    hid_t type = h5type_make(t->dtype), create = H5Pcreate(H5P_DATASET_CREATE), set = -1;
    hid_t space = t->ndim > 0 ? H5Screate_simple(t->ndim, dims, NULL) : H5Screate(H5S_SCALAR);
    if (type >= 0 && create >= 0 && space >= 0 && H5Pset_layout(create, H5D_CONTIGUOUS) >= 0 &&
        H5Pset_alloc_time(create, H5D_ALLOC_TIME_EARLY) >= 0 &&
        H5Pset_fill_time(create, H5D_FILL_TIME_NEVER) >= 0 &&
        H5Pset_obj_track_times(create, false) >= 0)
        set = H5Dcreate2(group, t->name, type, space, H5P_DEFAULT, create, H5P_DEFAULT);
    H5Sclose(space);
    H5Pclose(create);
    H5Tclose(type);
    return set;
}

/* Writes the checksum when the last byte is there. */
static enum status finish_dataset(struct h5out *o, struct fault *f)
{
    if (!o->t.name || o->done < o->t.bytes)
        return ST_OK;
    hid_t space = H5Screate(H5S_SCALAR);
    errno = 0;
    hid_t a = H5Acreate2(o->set, "crc32c", H5T_STD_U32LE, space, H5P_DEFAULT, H5P_DEFAULT);
    bool ok = a >= 0 && H5Awrite(a, H5T_NATIVE_UINT32, &o->crc) >= 0;
    if (a >= 0)
        ok = H5Aclose(a) >= 0 && ok;
    H5Sclose(space);
    ok = H5Dclose(o->set) >= 0 && ok;
    o->set = -1;
    free((void *)(uintptr_t)o->t.name);
    o->t.name = NULL;
    o->count++;
    return ok ? ST_OK : h5_fault(o, f);
}

enum status h5out_begin(struct h5out *o, const char *group, const struct tensor *t, struct fault *f)
{
    hid_t id = -1;
    struct tensor copy = *t;
    if (o->t.name)
        return fault_set(f, ST_USAGE, "%s: %.120s was not written whole", o->file.path, o->t.name);
    if (!*t->name || strcmp(t->name, ".") == 0 || strchr(t->name, '/') || strlen(t->name) > 1000 ||
        !utf8_valid(t->name, strlen(t->name), NULL))
        return fault_set(f, ST_FORMAT, "%s: a dataset cannot have the name \"%.120s\"",
                         o->file.path, t->name);
    if (tensor_measure(&copy, o->file.path, f) != ST_OK || find_group(&id, o, group, f) != ST_OK)
        return f->code;
    if (H5Lexists(id, t->name, H5P_DEFAULT) > 0)
        return fault_set(f, ST_FORMAT, "%s: two datasets have the name %.120s", o->file.path,
                         t->name);
    copy.name = strdup(t->name);
    if (!copy.name)
        return fault_nomem(f, t->name, strlen(t->name));
    errno = 0;
    o->set = create_dataset(id, &copy);
    haddr_t at = o->set >= 0 ? H5Dget_offset(o->set) : HADDR_UNDEF;
    if (o->set < 0 || (at == HADDR_UNDEF && copy.bytes > 0)) {
        free((void *)(uintptr_t)copy.name);
        return h5_fault(o, f);
    }
    o->t = copy;
    o->at = at;
    o->done = 0;
    o->crc = 0;
    return finish_dataset(o, f);
}

enum status h5out_append(struct h5out *o, const void *bytes, size_t n, struct fault *f)
{
    if (n == 0)
        return ST_OK;
    if (!o->t.name || n > o->t.bytes - o->done)
        return fault_set(f, ST_USAGE, "%s: more bytes than the dataset holds", o->file.path);
    if (file_out_pwrite(&o->file, bytes, n, o->at + o->done, f) != ST_OK)
        return f->code;
    o->crc = crc32c(o->crc, bytes, n);
    o->done += n;
    return finish_dataset(o, f);
}

/* Every id but the file's is closed here or was before. */
static herr_t close_ids(struct h5out *o)
{
    herr_t r = 0;
    if (o->set >= 0 && H5Dclose(o->set) < 0)
        r = -1;
    o->set = -1;
    for (size_t i = 0; i < o->group_count; i++) {
        if (H5Gclose(o->groups[i].id) < 0)
            r = -1;
        free(o->groups[i].name);
    }
    o->group_count = 0;
    return r;
}

/* The file as it stands in the system, before the rename: is everything there? */
static enum status check_written(struct h5out *o, struct fault *f)
{
    struct stat st;
    struct text said = {0};
    struct h5table t = {0};
    if (fstat(o->file.fd, &st) != 0)
        return file_fault(f, "write", o->file.path, errno);
    h5walk_describe(&said, o->file.temp);
    enum status s =
        h5table_parse(&t, said.p, said.n, (uint64_t)st.st_size, o->file.path, o->what, f);
    text_free(&said);
    if (s == ST_FORMAT || (s == ST_OK && t.n != o->count)) {
        fault_set(f, ST_IO, "cannot write %s: what was written cannot be read back", o->file.path);
        s = fault_remedy(f, "check the disk and its free space, then try again");
    }
    h5table_free(&t);
    return s;
}

enum status h5out_commit(struct h5out *o, struct fault *f)
{
    if (o->t.name)
        return fault_set(f, ST_USAGE, "%s: %.120s was not written whole", o->file.path, o->t.name);
    errno = 0;
    if (close_ids(o) < 0 || H5Fflush(o->id, H5F_SCOPE_GLOBAL) < 0)
        return h5_fault(o, f);
    hid_t id = o->id;
    o->id = -1;
    if (H5Fclose(id) < 0)
        return h5_fault(o, f);
    if (check_written(o, f) != ST_OK)
        return f->code;
    return file_out_commit(&o->file, f);
}

void h5out_close(struct h5out **out)
{
    struct h5out *o = *out;
    if (!o)
        return;
    close_ids(o);
    if (o->id >= 0) {
        /* Gives back the room of the data, so that libhdf5 can let go of its metadata. */
        if (ftruncate(o->file.fd, 0) == 0)
            H5Fflush(o->id, H5F_SCOPE_GLOBAL);
        H5Fclose(o->id);
    }
    file_out_abort(&o->file);
    free((void *)(uintptr_t)o->t.name);
    free(o);
    *out = NULL;
}
