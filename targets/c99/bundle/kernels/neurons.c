#include "neurons.h"

/* A neuron's threshold from a table that many share; endless entries stay endless. */
static int64_t threshold(int32_t entry, int32_t mantissa, int32_t n)
{
    return entry == INT32_MAX || entry == INT32_MIN ? entry : shift((int64_t)entry * mantissa, n);
}

/* Thresholds of one phase neuron come from these. */
struct own {
    int32_t kind, mantissa, shift;
};

static int64_t entry(const struct phase_neuron *p, const struct own *own, const int32_t *table, int32_t k)
{
    int64_t e = threshold(table[own->kind * p->steps + k], own->mantissa, own->shift);
    return e > INT32_MAX ? INT32_MAX : e < INT32_MIN ? INT32_MIN : e;
}

static int64_t positive(const struct phase_neuron *p, const struct own *own, int32_t k)
{
    const int64_t pos = entry(p, own, p->pos, k);
    return pos < 1 && p->pos[own->kind * p->steps + k] > 0 ? 1 : pos; /* rounding must not let a silent neuron fire */
}

static int64_t negative(const struct phase_neuron *p, const struct own *own, int32_t k)
{
    const int64_t hi = entry(p, own, p->hi, k);
    return hi > -1 && p->hi[own->kind * p->steps + k] < 0 ? -1 : hi;
}

static int first_spike(const struct phase_neuron *p, const struct own *own, int32_t v, int32_t k)
{
    if (v >= positive(p, own, k))
        return 1;
    return v <= negative(p, own, k) && v >= entry(p, own, p->lo, k) ? -1 : 0;
}

static int further_spike(const struct phase_neuron *p, const struct own *own, int32_t v, int32_t row, int32_t k)
{
    if (!p->after) {
        const int64_t pos = positive(p, own, k);
        return v >= pos ? 1 : v <= -pos ? -1 : 0;
    }
    int64_t e[4]; /* above, below, lo, hi */
    for (int32_t i = 0; i < 4; i++)
        e[i] = threshold(p->after[((own->kind * p->rows + row) * 4 + i) * p->steps + k], own->mantissa, own->shift);
    return v >= e[0] || v <= e[1] ? 1 : v >= e[2] && v <= e[3] ? -1 : 0;
}

int phase_neuron_step(const struct phase_neuron *p, int32_t t, const int32_t *message, int32_t *v, int32_t *row,
                      int8_t *fired, int8_t *spikes)
{
    const int32_t k = t - p->start;
    int any = 0;
    integrate(v, message, p->size, p->bits);
    if (k < 0 || k >= p->steps)
        return 0;
    for (int32_t n = 0; n < p->size; n++) {
        spikes[n] = 0;
        if (fired[n] == p->spikes || (fired[n] > 0 && p->latest && k > p->latest[of(&p->ends, n)]))
            continue;
        const int32_t i = of(&p->scales, n);
        const struct own own = {p->kind[i], p->mantissa[i], p->shift[i]};
        const int sign = fired[n] == 0 ? first_spike(p, &own, v[n], k) : further_spike(p, &own, v[n], row ? row[n] : 0, k);
        if (sign == 0)
            continue;
        any = 1;
        spikes[n] = (int8_t)sign;
        fired[n]++;
        if (p->after)
            row[n] = p->row_after[row[n] * (2 * p->steps + 1) + sign * (k + 1) + p->steps];
        else if (p->spikes > 1)
            v[n] = clip(v[n] - sign * threshold(p->level[k], own.mantissa, own.shift), 32);
    }
    return any;
}

int si_neuron_step(const struct si_neuron *p, int32_t t, const int32_t *message, int32_t *v, int8_t *spikes)
{
    const int32_t k = t - p->start;
    int any = 0;
    integrate(v, message, p->size, p->bits);
    if (k < 0 || k >= p->steps)
        return 0;
    for (int32_t n = 0; n < p->size; n++) {
        const int32_t i = of(&p->scales, n) * p->steps + k;
        spikes[n] = 0;
        if (v[n] < p->threshold[i])
            continue;
        any = 1;
        spikes[n] = p->sign[k];
        v[n] -= p->reset[i];
    }
    return any;
}

/* Integrates the second operand: each row's sums of squares, or spikes weighted by their trace. */
static void integrate_factor(const struct dynamic_threshold *p, int32_t t, const void *other, int64_t *factor)
{
    if (!other)
        return;
    for (int32_t r = 0; r < p->rows; r++) {
        if (p->squared) {
            factor[r] = clip(factor[r] + ((const int32_t *)other)[r], p->bits);
            continue;
        }
        const int8_t *z = (const int8_t *)other + r * p->sources;
        int64_t sum = 0;
        for (int32_t c = 0; c < p->sources; c++)
            sum += z[c];
        factor[r] += sum * p->trace[t - p->start_factor];
    }
}

/* The threshold of a level of the code: ((gain level^(1 or 2)) >> m) factor >> n. */
static int64_t of_level(const struct dynamic_threshold *p, int64_t level, int64_t factor, int32_t i)
{
    const int64_t power = p->squared ? level * level : level;
    return shift(shift(power * p->gain[i], p->gain_shift[i]) * factor, p->shift[i]);
}

/* +1 for a spike in the sign of the dividend, -1 for the other sign, 0 for none. */
static int divided(const struct dynamic_threshold *p, int64_t size, int64_t factor, int32_t n, int32_t sent, int has_fired,
                   int32_t k)
{
    const int32_t i = of(&p->scales, n);
    if (!has_fired)
        return size >= shift(p->table[i * p->steps + k] * factor, p->shift[i]);
    if (p->latest && k > p->latest[of(&p->ends, n)])
        return 0;
    const int64_t midpoint = p->midpoints[k];
    if (size >= of_level(p, sent + midpoint, factor, i))
        return 1;
    return sent >= midpoint && size <= of_level(p, sent - midpoint, factor, i) ? -1 : 0;
}

int dynamic_threshold_step(const struct dynamic_threshold *p, int32_t t, const int32_t *message, const void *other,
                           int64_t *factor, int32_t *v, int32_t *sent, int8_t *fired, int8_t *spikes)
{
    const int32_t k = t - p->start, size = p->rows * p->columns;
    int any = 0;
    integrate(v, message, size, p->bits);
    integrate_factor(p, t, other, factor);
    if (k < 0 || k >= p->steps)
        return 0;
    for (int32_t n = 0; n < size; n++) {
        if (k == 0 && p->squared)
            v[n] = clip(shift(v[n], p->drive_shift), p->drive_bits);
        const int64_t x = v[n], limit = factor[n / p->columns] + p->offset;
        spikes[n] = 0;
        if (x == 0 || limit <= 0 || fired[n] == p->spikes)
            continue;
        const int64_t magnitude = p->squared ? x * x : x < 0 ? -x : x;
        const int z = divided(p, magnitude, limit, n, sent ? sent[n] : 0, fired[n] > 0, k);
        if (z == 0)
            continue;
        any = 1;
        fired[n]++;
        spikes[n] = (int8_t)(x < 0 ? -z : z);
        if (sent)
            sent[n] += z * p->levels[k];
    }
    return any;
}

int residual_step(const struct residual *p, int32_t t, const int32_t *const *messages, int32_t *v, int32_t *sum)
{
    for (int32_t b = 0; b < p->branches; b++)
        integrate(v + b * p->size, messages[b], p->size, p->bits);
    if (t != p->start)
        return 0;
    for (int32_t n = 0; n < p->size; n++) {
        int64_t total = p->bias[of(&p->biases, n)];
        for (int32_t b = 0; b < p->branches; b++) {
            const int32_t i = b * p->scale_count + of(&p->scales, n);
            total += shift((int64_t)p->mantissa[i] * v[b * p->size + n], p->shift[i]);
        }
        sum[n] = clip(total, p->bits);
    }
    return 1;
}

int centre_step(const struct centre *p, int32_t t, const int32_t *x, int32_t *centred)
{
    (void)t; /* it sends in the step in which x arrives */
    if (!x)
        return 0;
    for (int32_t r = 0; r < p->rows; r++) {
        const int32_t *row = x + r * p->columns;
        int64_t sum = 0;
        for (int32_t c = 0; c < p->columns; c++)
            sum += row[c];
        for (int32_t c = 0; c < p->columns; c++)
            centred[r * p->columns + c] = clip(row[c] - sum / p->columns, p->bits);
    }
    return 1;
}

int readout_step(const struct readout *p, int32_t t, const int32_t *message, int32_t *v, int32_t *result)
{
    integrate(v, message, p->size, p->bits);
    if (t != p->start)
        return 0;
    for (int32_t n = 0; n < p->size; n++)
        result[n] = v[n];
    return 1;
}
