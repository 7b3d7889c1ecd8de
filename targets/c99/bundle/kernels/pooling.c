#include "pooling.h"

/* Where value j of field n lies in the operand; -1 if that is outside. */
static int32_t value_of(const struct max_pool *p, int32_t n, int32_t j)
{
    const int32_t x = n % p->out_width, y = n / p->out_width % p->out_height, c = n / p->out_width / p->out_height;
    const int32_t right = x * p->stride_x - p->padding_x + j % p->kernel_x * p->dilation_x;
    const int32_t down = y * p->stride_y - p->padding_y + j / p->kernel_x * p->dilation_y;
    const int inside = right >= 0 && right < p->width && down >= 0 && down < p->height;
    return inside ? (c * p->height + down) * p->width + right : -1;
}

/* The message that a field sends on: + before silence before -. */
static int8_t decide(const struct max_pool *p, int32_t n, const int8_t *z, int8_t *behind)
{
    const int32_t values = p->kernel_y * p->kernel_x;
    int8_t most = -2; /* below every message */
    for (int32_t j = 0; j < values; j++) {
        const int32_t at = value_of(p, n, j);
        if (at >= 0 && !behind[j] && z[at] > most)
            most = z[at];
    }
    for (int32_t j = 0; j < values; j++) {
        const int32_t at = value_of(p, n, j);
        if (at >= 0 && z[at] < most)
            behind[j] = 1;
    }
    return most;
}

int max_pool_step(const struct max_pool *p, int32_t t, const int8_t *z, int8_t *behind, int8_t *waiting, int8_t *spikes)
{
    const int32_t size = p->channels * p->out_height * p->out_width, values = p->kernel_y * p->kernel_x;
    int any = 0;
    for (int32_t n = 0; n < size; n++) {
        if (t >= p->start) {
            spikes[n] = waiting[n];
            any |= spikes[n];
        }
        waiting[n] = z ? decide(p, n, z, behind + n * values) : 0;
    }
    return any != 0;
}

enum { LIVE, WON, OUT };

/* Advances a group's race by a step's spikes z; returns how many of its places are taken afterwards. */
static int32_t race(const struct winners *p, int32_t taken, const int8_t *z, int8_t *stands)
{
    for (int8_t said = 1; said >= -1; said--) {
        int32_t alike = 0;
        for (int32_t j = 0; j < p->group; j++)
            alike += stands[j] == LIVE && z[j] == said;
        const int decided = alike >= p->count - taken;
        for (int32_t j = 0; j < p->group; j++) {
            if (stands[j] != LIVE)
                continue;
            if (decided && z[j] < said)
                stands[j] = OUT;
            else if (!decided && z[j] == said)
                stands[j] = WON;
        }
        if (decided)
            break;
        taken += alike;
    }
    return taken;
}

int winners_step(const struct winners *p, int32_t t, const int8_t *z, int8_t *stands, int32_t *taken, int8_t *spikes)
{
    for (int32_t n = 0; n < p->groups; n++) {
        if (z && t < p->start)
            taken[n] = race(p, taken[n], z + n * p->group, stands + n * p->group);
        if (t != p->start)
            continue;
        for (int32_t j = n * p->group; j < (n + 1) * p->group; j++) {
            spikes[j] = stands[j] == WON || (stands[j] == LIVE && taken[n] < p->count);
            taken[n] += stands[j] == LIVE;
        }
    }
    return t == p->start;
}
