/* The floor under public key recovery: what libsecp256k1 itself takes, with no Python in between.
 *
 * It opens the shared object that a Python package ships and calls the same three functions a
 * binding must call for "signature in, 64-byte public key out". Types are declared here as plain
 * bytes of the sizes the library documents, so that no header of its is needed.
 *
 * Returns the seconds taken, or -1, -2, -3: see `FAILURES` in runners/floor.py.
 */
#define _POSIX_C_SOURCE 199309L
#include <dlfcn.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

typedef struct { unsigned char bytes[65]; } recoverable;
typedef struct { unsigned char bytes[64]; } public_key;

typedef void *(*create_fn)(unsigned int flags);
typedef void (*destroy_fn)(void *context);
typedef int (*parse_fn)(const void *, recoverable *, const unsigned char *, int);
typedef int (*recover_fn)(const void *, public_key *, const recoverable *, const unsigned char *);
typedef int (*serialize_fn)(const void *, unsigned char *, size_t *, const public_key *, unsigned);

enum { CONTEXT_NONE = 1, UNCOMPRESSED = 2, KEY = 64 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

double recover_loop(const char *library, const unsigned char *digest, const unsigned char *pairs,
                    const unsigned char *ids, int count, int rounds, unsigned char *keys) {
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (!handle) return -1.0;
    create_fn create = (create_fn)dlsym(handle, "secp256k1_context_create");
    destroy_fn destroy = (destroy_fn)dlsym(handle, "secp256k1_context_destroy");
    parse_fn parse =
        (parse_fn)dlsym(handle, "secp256k1_ecdsa_recoverable_signature_parse_compact");
    recover_fn recover = (recover_fn)dlsym(handle, "secp256k1_ecdsa_recover");
    serialize_fn serialize = (serialize_fn)dlsym(handle, "secp256k1_ec_pubkey_serialize");
    if (!create || !destroy || !parse || !recover || !serialize) return -2.0;

    void *context = create(CONTEXT_NONE);
    double start = now(), seconds;
    int good = 1;
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < count; i++) {
            recoverable signature;
            public_key key;
            unsigned char out[1 + KEY];
            size_t size = sizeof out;
            good &= parse(context, &signature, pairs + KEY * i, ids[i]) &&
                    recover(context, &key, &signature, digest) &&
                    serialize(context, out, &size, &key, UNCOMPRESSED);
            memcpy(keys + KEY * i, out + 1, KEY);
        }
    }
    seconds = now() - start;
    destroy(context);
    dlclose(handle);
    return good ? seconds : -3.0;
}
