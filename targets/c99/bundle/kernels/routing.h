/* Wiring: value i of the output is value index_i of the input, 0 where index_i is -1. */
#ifndef ROUTING_H
#define ROUTING_H

#include "integers.h"

struct route {
    int32_t size;
    const int32_t *index;
};
int route_spikes_step(const struct route *p, int32_t t, const int8_t *in, int8_t *out);
int route_numbers_step(const struct route *p, int32_t t, const int32_t *in, int32_t *out);

#endif
