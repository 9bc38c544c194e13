#include "data/h5type.h"

#include <stdbool.h>
#include <stdlib.h>

void h5type_start(void)
{
    H5dont_atexit();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

enum status h5type_room(const char *path, struct fault *f)
{
    /* About three times what opening was seen to take; volatile, so that the pair is not left
     * out. */
    const size_t room = (size_t)6 << 20;
    void *volatile p = malloc(room);
    if (!p)
        return fault_nomem(f, path, room);
    free(p);
    return ST_OK;
}

/* sign 1, `exponent` bits, `mantissa` bits with an implied leading one. */
static hid_t custom_float(size_t size, size_t exponent, size_t mantissa, size_t bias)
{
    hid_t t = H5Tcopy(H5T_IEEE_F32LE);
    if (t < 0)
        return t;
    if (H5Tset_fields(t, exponent + mantissa, mantissa, exponent, 0, mantissa) < 0 ||
        H5Tset_size(t, size) < 0 || H5Tset_ebias(t, bias) < 0) {
        H5Tclose(t);
        return -1;
    }
    return t;
}

static hid_t boolean(void)
{
    hid_t t = H5Tenum_create(H5T_STD_I8LE);
    signed char off = 0, on = 1;
    if (t < 0)
        return t;
    if (H5Tenum_insert(t, "FALSE", &off) < 0 || H5Tenum_insert(t, "TRUE", &on) < 0) {
        H5Tclose(t);
        return -1;
    }
    return t;
}

hid_t h5type_make(enum dtype t)
{
    switch (t) {
    case DT_F32: return H5Tcopy(H5T_IEEE_F32LE);
    case DT_F64: return H5Tcopy(H5T_IEEE_F64LE);
    case DT_F16: return custom_float(2, 5, 10, 15);
    case DT_BF16: return custom_float(2, 8, 7, 127);
    case DT_F8E4M3: return custom_float(1, 4, 3, 7);
    case DT_F8E5M2: return custom_float(1, 5, 2, 15);
    case DT_I8: return H5Tcopy(H5T_STD_I8LE);
    case DT_I16: return H5Tcopy(H5T_STD_I16LE);
    case DT_I32: return H5Tcopy(H5T_STD_I32LE);
    case DT_I64: return H5Tcopy(H5T_STD_I64LE);
    case DT_U8: return H5Tcopy(H5T_STD_U8LE);
    case DT_U16: return H5Tcopy(H5T_STD_U16LE);
    case DT_U32: return H5Tcopy(H5T_STD_U32LE);
    case DT_U64: return H5Tcopy(H5T_STD_U64LE);
    case DT_BOOL: return boolean();
    case DT_COUNT: break;
    }
    return -1;
}

int h5type_find(enum dtype *out, hid_t type)
{
    for (int t = 0; t < DT_COUNT; t++) {
        hid_t ours = h5type_make((enum dtype)t);
        bool same = ours >= 0 && H5Tequal(ours, type) > 0;
        if (ours >= 0)
            H5Tclose(ours);
        if (same) {
            *out = (enum dtype)t;
            return 1;
        }
    }
    return 0;
}

hid_t h5type_access(void)
{
    hid_t p = H5Pcreate(H5P_FILE_ACCESS);
    if (p < 0)
        return p;
    bool ok = H5Pset_libver_bounds(p, H5F_LIBVER_V110, H5F_LIBVER_V110) >= 0;
#if H5_VERSION_GE(1, 10, 7)
    ok = ok && H5Pset_file_locking(p, false, true) >= 0;
#else
    ok = ok && setenv("HDF5_USE_FILE_LOCKING", "FALSE", 1) == 0;
#endif
    if (ok)
        return p;
    H5Pclose(p);
    return -1;
}
