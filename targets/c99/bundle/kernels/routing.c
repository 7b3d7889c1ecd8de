#include "routing.h"

static int32_t source(const struct route *p, int32_t i)
{
    if (p->index)
        return p->index[i];
    int32_t at = p->offset;
    for (int32_t d = p->dimensions - 1; d >= 0; d--) {
        at += i % p->shape[d] * p->stride[d];
        i /= p->shape[d];
    }
    return at;
}

int route_spikes_step(const struct route *p, int32_t t, const int8_t *in, int8_t *out)
{
    (void)t; /* wiring takes no time */
    if (!in)
        return 0;
    for (int32_t i = 0; i < p->size; i++) {
        const int32_t at = source(p, i);
        out[i] = (int8_t)(at < 0 ? 0 : in[at]);
    }
    return 1;
}

int route_numbers_step(const struct route *p, int32_t t, const int32_t *in, int32_t *out)
{
    (void)t;
    if (!in)
        return 0;
    for (int32_t i = 0; i < p->size; i++) {
        const int32_t at = source(p, i);
        out[i] = at < 0 ? 0 : in[at];
    }
    return 1;
}
