/* One safetensors file in memory, for safetensors.c and the fuzzer. */
#ifndef DATA_SAFETENSORS_IMPL_H
#define DATA_SAFETENSORS_IMPL_H

#include "data/json.h"
#include "data/tensor.h"

enum { SAFETENSORS_HEADER_MAX = 100000000 };

/* The tensor stands first: a tensor handed out is the address of its entry. */
struct safetensors_entry {
    struct tensor t; /* its name belongs to the header */
    size_t shard;
    size_t at; /* from the start of the file */
};

struct safetensors_part {
    struct json_doc *header;
    struct safetensors_entry *p; /* in name order */
    size_t n;
};

enum status safetensors_parse(struct safetensors_part *out, const unsigned char *bytes, size_t n,
                              const char *where, struct fault *f);
void safetensors_part_free(struct safetensors_part *part);

#endif
