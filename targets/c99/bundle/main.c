/* Steps the network through the samples beside it and compares every spike time and potential with the closed form's. */
#include <stdio.h>
#include <string.h>

#include "network.h"
#include "samples.h"

static struct network state;
static int32_t values[SAMPLE_VALUES];

/* Writes a spike's code to the neuron's first free plane; adds up messages that are not spikes. */
static void record(void *context, int32_t node, int32_t t, const void *message)
{
    const struct compared *c = &sample_compared[node];
    int32_t *found = values + c->offset;
    (void)context;
    for (int32_t n = 0; n < c->size; n++) {
        if (c->planes > 0) {
            const int32_t sign = ((const int8_t *)message)[n];
            int32_t plane = 0;
            while (sign != 0 && plane < c->planes && found[plane * c->size + n] != 0)
                plane++;
            if (sign != 0 && plane < c->planes)
                found[plane * c->size + n] = sign * (t - c->start + 1);
        } else {
            const int64_t limit = ((int64_t)1 << (c->bits - 1)) - 1;
            const int64_t sum = (int64_t)found[n] + ((const int32_t *)message)[n];
            found[n] = (int32_t)(sum > limit ? limit : sum < -limit ? -limit : sum);
        }
    }
}

static uint64_t hash(const struct compared *c)
{
    uint64_t h = 0;
    for (int32_t n = 0; n < c->size * (c->planes > 0 ? c->planes : 1); n++)
        h = h * SAMPLE_HASH_FACTOR + (uint64_t)(int64_t)values[c->offset + n];
    return h;
}

int main(void)
{
    int32_t different = 0;
    memset(&state, 0x5a, sizeof state); /* results must not depend on initial memory */
    for (int32_t i = 0; i < SAMPLES; i++) {
        memset(values, 0, sizeof values);
        for (int32_t t = 0; t < NETWORK_STEPS; t++)
            network_step(&state, t, sample_input + i * NETWORK_INPUTS, record, 0);
        for (int32_t n = 0; n < SAMPLE_NODES; n++)
            if (hash(&sample_compared[n]) != sample_hash[i * SAMPLE_NODES + n]) {
                printf("sample %d: '%s' differs\n", (int)i, sample_compared[n].name);
                different++;
                break; /* nodes that read it differ as well */
            }
    }
    if (different > 0) {
        printf("DIFFERENT: %d of %d samples\n", (int)different, SAMPLES);
        return 1;
    }
    printf("identical: %d spike times and potentials in each of %d samples\n", SAMPLE_VALUES, SAMPLES);
    return 0;
}
