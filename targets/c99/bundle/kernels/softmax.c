#include "softmax.h"

#define LOWEST INT32_MIN /* below every potential */

static void listen(const struct row *p, const int32_t *message, const int32_t *keys, int32_t *v, int8_t *excluded,
                   int32_t bits)
{
    if (keys)
        for (int32_t n = 0; n < p->keys; n++)
            excluded[n] = keys[n] == 0;
    integrate(v, message, p->size, bits);
}

static int takes_part(const struct row *p, const int8_t *excluded, int32_t n)
{
    return p->mask[of(&p->masks, n)] && !(excluded && excluded[of(&p->key, n)]);
}

/* Finds the winners of rows without one, of the neurons that report: all at once, or those above a falling threshold. */
static void find_winner(const struct woss *p, int32_t step, const int32_t *v, const int8_t *excluded, int32_t *winner)
{
    for (int32_t r = 0; r < p->row.size / p->row.columns; r++) {
        if (step == 0)
            winner[r] = LOWEST;
        if (winner[r] != LOWEST || (!p->race && step != p->exchange - 1))
            continue;
        for (int32_t n = r * p->row.columns; n < (r + 1) * p->row.columns; n++) {
            const int reports = !p->race || v[n] >= p->race[of(&p->row.heads, n) * p->exchange + step];
            if (reports && v[n] > winner[r] && takes_part(&p->row, excluded, n))
                winner[r] = v[n];
        }
    }
}

static int further_spike(const struct woss *p, int32_t head, int32_t gap, int32_t row, int32_t n, int32_t k)
{
    if (row == 0 || (p->latest && k > p->latest[of(&p->ends, n)]))
        return 0;
    const int32_t *after = p->after + (head * p->rows + row) * 2 * p->steps + k;
    return gap <= after[0] ? 1 : gap >= after[p->steps] ? -1 : 0;
}

int woss_step(const struct woss *p, int32_t t, const int32_t *message, const int32_t *keys, int32_t *v, int32_t *winner,
              int32_t *row, int8_t *fired, int8_t *excluded, int8_t *spikes)
{
    const int32_t k = t - p->start;
    int any = 0;
    listen(&p->row, message, keys, v, excluded, p->bits);
    if (k < 0 && k >= -p->exchange)
        find_winner(p, k + p->exchange, v, excluded, winner);
    if (k < 0 || k >= p->steps)
        return 0;
    for (int32_t n = 0; n < p->row.size; n++) {
        spikes[n] = 0;
        if (!takes_part(&p->row, excluded, n))
            continue;
        const int32_t head = of(&p->row.heads, n), gap = winner[n / p->row.columns] - v[n];
        int sign = 0;
        if (!fired[n])
            sign = gap <= p->ramp[head * p->steps + k];
        else if (p->after)
            sign = further_spike(p, head, gap, row[n], n, k);
        if (sign == 0)
            continue;
        any = 1;
        fired[n] = 1;
        spikes[n] = (int8_t)sign;
        if (p->after)
            row[n] = p->row_after[row[n] * (2 * p->steps + 1) + sign * (k + 1) + p->steps];
    }
    return any;
}

/* Subtracts a row's largest potential from its neurons'. */
static void inhibit(const struct si_exp *p, const int8_t *excluded, int32_t *v)
{
    const int32_t columns = p->row.columns;
    for (int32_t first = 0; first < p->row.size; first += columns) {
        int32_t largest = LOWEST;
        for (int32_t n = first; n < first + columns; n++)
            if (v[n] > largest && takes_part(&p->row, excluded, n))
                largest = v[n];
        for (int32_t n = first; n < first + columns; n++)
            v[n] = takes_part(&p->row, excluded, n) ? v[n] - largest : 0;
    }
}

/* A step of the clock: one binary digit of the distance to the largest potential; returns whether it spikes. */
static int counts(const struct si_exp *p, int32_t head, int32_t *x, int32_t k)
{
    const int32_t digit = p->clock[head * p->digits + k];
    if (*x + digit > p->half[head])
        return 0;
    *x += digit;
    return 1;
}

/* A fitted step; returns whether it spikes. A neuron that is too far behind after the clock's steps never does. */
static int fits(const struct si_exp *p, int32_t head, int32_t *x, int32_t k)
{
    if (k == 0 && p->digits > 0 && *x < -2 * p->half[head])
        *x = LOWEST;
    if (*x == LOWEST || *x < p->threshold[head * p->fitted + k])
        return 0;
    *x -= p->reset[head * p->fitted + k];
    return 1;
}

int si_exp_step(const struct si_exp *p, int32_t t, const int32_t *message, const int32_t *keys, int32_t *v,
                int8_t *excluded, int8_t *spikes)
{
    const int32_t k = t - p->start;
    int any = 0;
    listen(&p->row, message, keys, v, excluded, p->bits);
    if (p->digits > 0 && k == -1)
        inhibit(p, excluded, v);
    if (k < 0 || k >= p->digits + p->fitted)
        return 0;
    for (int32_t n = 0; n < p->row.size; n++) {
        const int32_t head = of(&p->row.heads, n);
        spikes[n] = 0;
        if (takes_part(&p->row, excluded, n))
            spikes[n] = (int8_t)(k < p->digits ? counts(p, head, v + n, k) : fits(p, head, v + n, k - p->digits));
        any |= spikes[n];
    }
    return any;
}

static void hear(const struct si_norm *p, const int8_t *z, int32_t k, int32_t *behind, int32_t *heard)
{
    for (int32_t n = 0; n < p->size; n++) {
        if (z[n] == 0)
            continue;
        if (k < p->digits)
            behind[n] += (int32_t)1 << (p->digits - 1 - k);
        else
            heard[n] += p->output[behind[n] % p->phases * p->fitted + k - p->digits];
    }
}

/* At the window's start: heard <- w, total <- V, and the initial v. */
static void begin(const struct si_norm *p, const int32_t *behind, int32_t *heard, int64_t *v, int64_t *total)
{
    for (int32_t r = 0; r < p->size / p->columns; r++) {
        total[r] = 0;
        for (int32_t n = r * p->columns; n < (r + 1) * p->columns; n++) {
            heard[n] = heard[n] < 0 ? 0 : (int32_t)shift(heard[n], behind[n] / p->phases);
            total[r] += heard[n];
        }
        const int64_t half = p->rounded ? shift(total[r], p->last) : 0;
        for (int32_t n = r * p->columns; n < (r + 1) * p->columns; n++)
            v[n] = p->train ? half * p->steps : shift(heard[n], -p->lift) + half;
    }
}

int si_norm_step(const struct si_norm *p, int32_t t, const int8_t *z, int64_t *v, int64_t *total, int32_t *behind,
                 int32_t *heard, int8_t *spikes)
{
    const int32_t k = t - p->start;
    int any = 0;
    if (z)
        hear(p, z, t - p->start_source, behind, heard);
    if (k < 0 || k >= p->steps)
        return 0;
    if (k == 0)
        begin(p, behind, heard, v, total);
    for (int32_t n = 0; n < p->size; n++) {
        const int64_t threshold = total[n / p->columns];
        if (p->train)
            v[n] += heard[n];
        else if (k > 0)
            v[n] += v[n];
        spikes[n] = threshold > 0 && v[n] >= threshold;
        if (spikes[n])
            v[n] -= threshold;
        any |= spikes[n];
    }
    return any;
}
