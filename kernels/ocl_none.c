#include "kernels/device.h"

enum status ocl_open(kern *k, int index, const struct kern_options *o, struct fault *f)
{
    (void)k, (void)index, (void)o;
    fault_set(f, ST_NODEVICE, "this program was built without OpenCL");
    return fault_remedy(f, "use --device cpu, or build with OCL=1");
}

struct kern_cache ocl_cache_state(const char *dir)
{
    (void)dir;
    return (struct kern_cache){0};
}

enum status ocl_list(struct kern_info **out, size_t *count, struct fault *f)
{
    (void)out, (void)count;
    return fault_set(f, ST_NODEVICE, "this program was built without OpenCL");
}
