/* Every fuzzer, once. See scripts/run-fuzz for how one is written and where its corpus stands. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#define FUZZ_MAP(X) \
    X(json) X(safetensors) X(adapter_config) X(h5table) X(tokenizer) X(jinja) X(dataset) X(config)

#define X(name) int fuzz_##name(const uint8_t *bytes, size_t n);
FUZZ_MAP(X)
#undef X

#ifdef FUZZ_MAIN
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
#endif

#endif
