/* The first steps of allocation/interior_point.py, which are many short sums over the weights: here without NumPy's
 * price of each. The formulas and their reasons stand there and in newton.py, under the same names. A table has one
 * line of n numbers, one for each weight, for every row or secondary variable beside them. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define VERSION 1 /* of what approach is given: raised with it, and read by kernels.py */
#define SUMS 8    /* that grow side by side: an addition waits for the one before it */

typedef struct { /* border: V', then the long rows' weights */
    int64_t n, k, n_long, n_equal, sharing, depth, rows;
    const double *p, *border, *q, *r, *second, *limit, *a, *b, *h, *idle;
} Program;

typedef struct { /* of the interior point method, under the names that they have there */
    double first_slack, first_multiplier, near, most_left, least_left, shortest, endless;
} Settings;

typedef struct { /* s, z and lack: of the long inequalities, then of the short rows */
    double *w, *t, *y, *lack_equal, *s, *z, *lack;
} Iterate;

typedef struct { /* the KKT matrix at one iterate, a step from there, and room to work in */
    double *theta, *stiffness, *ratio, *inverse, *slope, *moving, *scaled, *core, *long_inverse;
    double *pull, *pull_second, *first, *free, *both, *wanted, *u, *target, *ds, *dz, *dw, *dt, *moved;
} Work;

static void add(double *to, double factor, const double *x, int64_t count) {
    for (int64_t c = 0; c < count; c++) to[c] += factor * x[c];
}

static void add_product(double *to, double factor, const double *x, const double *y, int64_t count) {
    for (int64_t c = 0; c < count; c++) to[c] += factor * x[c] * y[c];
}

static double dot(const double *x, const double *y, int64_t count) {
    double sums[SUMS] = {0.0}, sum = 0.0;
    int64_t c = 0;
    for (; c + SUMS <= count; c += SUMS)
        for (int one = 0; one < SUMS; one++) sums[one] += x[c + one] * y[c + one];
    for (; c < count; c++) sum += x[c] * y[c];
    for (int one = 0; one < SUMS; one++) sum += sums[one];
    return sum;
}

/* Whether a matrix, of which the lower half is given, has a Cholesky factor; that takes its place. */
static int cholesky(double *matrix, int64_t size) {
    for (int64_t row = 0; row < size; row++)
        for (int64_t column = 0; column <= row; column++) {
            double *x = matrix + row * size, *y = matrix + column * size;
            const double left = x[column] - dot(x, y, column);
            if (column < row) x[column] = left / y[column];
            else if (left > 0.0) x[row] = sqrt(left);
            else return 0;
        }
    return 1;
}

static void substitute(const double *lower, double *x, int64_t size) {
    for (int64_t row = 0; row < size; row++)
        x[row] = (x[row] - dot(lower + row * size, x, row)) / lower[row * size + row];
    for (int64_t row = size - 1; row >= 0; row--) {
        x[row] /= lower[row * size + row];
        add(x, -x[row], lower + row * size, row);
    }
}

static void eliminate(const Program *is, Work *at) {
    const int64_t n = is->n, beside = is->depth * n, shared = is->sharing * beside;
    const double *theta = at->theta, *a = is->a, *b = is->b;
    memcpy(at->stiffness, is->idle, beside * sizeof(double));
    memset(at->ratio, 0, beside * sizeof(double));
    for (int64_t one = 0; one < shared; one += beside)
        for (int64_t x = 0; x < beside; x++) {
            const double weighted = theta[one + x] * b[one + x];
            at->stiffness[x] += weighted * b[one + x];
            at->ratio[x] += weighted * a[one + x];
        }
    for (int64_t x = 0; x < beside; x++) at->ratio[x] /= at->stiffness[x];
    memcpy(at->inverse, is->p, n * sizeof(double));
    memset(at->slope, 0, shared * sizeof(double));
    memcpy(at->slope + shared, a + shared, (is->rows * n - shared) * sizeof(double));
    for (int64_t line = shared; line < is->rows * n; line += n)
        for (int64_t c = 0; c < n; c++) at->inverse[c] += theta[line + c] * a[line + c] * a[line + c];
    for (int64_t one = 0; one < shared; one += beside)
        for (int64_t two = one + beside; two < shared; two += beside) {
            for (int64_t x = 0; x < beside; x++) {
                const double determinant = a[one + x] * b[two + x] - b[one + x] * a[two + x];
                const double left = determinant / at->stiffness[x];
                at->slope[one + x] += theta[two + x] * b[two + x] * left;
                at->slope[two + x] -= theta[one + x] * b[one + x] * left;
                at->free[x] = theta[one + x] * theta[two + x] * determinant * left;
            }
            for (int64_t line = 0; line < beside; line += n) add(at->inverse, 1.0, at->free + line, n);
        }
    for (int64_t c = 0; c < n; c++) at->inverse[c] = 1.0 / at->inverse[c];
}

static int factorise(const Program *is, Work *at) {
    const int64_t n = is->n, k = is->k, beside = is->depth * n, size = k + is->n_long;
    eliminate(is, at);
    memcpy(at->moving, is->border, size * n * sizeof(double));
    for (int64_t row = 0; row < is->n_long; row++)
        for (int64_t line = 0; line < beside; line += n)
            add_product(at->moving + (k + row) * n, -1.0, is->second + row * beside + line, at->ratio + line, n);
    for (int64_t row = 0; row < size; row++)
        for (int64_t c = 0; c < n; c++) at->scaled[row * n + c] = at->moving[row * n + c] * at->inverse[c];
    for (int64_t row = 0; row < size; row++)
        for (int64_t column = 0; column <= row; column++)
            at->core[row * size + column] = dot(at->scaled + row * n, at->moving + column * n, n);
    for (int64_t row = 0; row < is->n_long; row++) {
        for (int64_t x = 0; x < beside; x++) at->free[x] = is->second[row * beside + x] / at->stiffness[x];
        for (int64_t column = 0; column <= row; column++)
            at->core[(k + row) * size + k + column] += dot(at->free, is->second + column * beside, beside);
    }
    for (int64_t row = 0; row < size; row++) at->core[row * (size + 1)] += row < k ? 1.0 : at->long_inverse[row - k];
    return cholesky(at->core, size);
}

/* The step of w, t and the long rows' multipliers (in both, behind k), and how far it moves each short row. */
static void solve(const Program *is, Work *at, const double *first, const double *second) {
    const int64_t n = is->n, k = is->k, beside = is->depth * n, shared = is->sharing * beside, size = k + is->n_long;
    memcpy(at->free, second, beside * sizeof(double));
    for (int64_t one = 0; one < shared; one += beside) add_product(at->free, -1.0, is->b + one, at->u + one, beside);
    for (int64_t x = 0; x < beside; x++) at->free[x] /= at->stiffness[x];
    memcpy(at->first, first, n * sizeof(double));
    for (int64_t line = 0; line < beside; line += n) add_product(at->first, -1.0, at->ratio + line, second + line, n);
    for (int64_t line = 0; line < is->rows * n; line += n)
        add_product(at->first, -1.0, at->slope + line, at->u + line, n);
    for (int64_t row = 0; row < size; row++) at->both[row] = dot(at->scaled + row * n, at->first, n);
    for (int64_t row = 0; row < is->n_long; row++)
        at->both[k + row] -= at->wanted[row] - dot(is->second + row * beside, at->free, beside);
    substitute(at->core, at->both, size);
    for (int64_t c = 0; c < n; c++) at->dw[c] = at->first[c] * at->inverse[c];
    for (int64_t row = 0; row < size; row++) add(at->dw, -at->both[row], at->scaled + row * n, n);
    for (int64_t row = 0; row < is->n_long; row++)
        for (int64_t x = 0; x < beside; x++)
            at->free[x] -= at->both[k + row] * is->second[row * beside + x] / at->stiffness[x];
    for (int64_t line = 0; line < is->rows * n; line += n)
        for (int64_t c = 0; c < n; c++) at->moved[line + c] = at->slope[line + c] * at->dw[c];
    for (int64_t one = 0; one < shared; one += beside) add_product(at->moved + one, 1.0, is->b + one, at->free, beside);
    for (int64_t line = 0; line < beside; line += n)
        for (int64_t c = 0; c < n; c++) at->dt[line + c] = at->free[line + c] - at->ratio[line + c] * at->dw[c];
}

static void pull(const Program *is, const Iterate *now, Work *at) {
    const int64_t n = is->n, beside = is->depth * n, shared = is->sharing * beside;
    const double *z = now->z + is->n_long - is->n_equal;
    for (int64_t c = 0; c < n; c++) at->pull[c] = -is->q[c] - is->p[c] * now->w[c];
    for (int64_t x = 0; x < beside; x++) at->pull_second[x] = -is->r[x];
    for (int64_t row = 0; row < is->k; row++)
        add(at->pull, -dot(is->border + row * n, now->w, n), is->border + row * n, n);
    for (int64_t row = 0; row < is->n_long; row++) {
        const double y = row < is->n_equal ? now->y[row] : now->z[row - is->n_equal];
        add(at->pull, -y, is->border + (is->k + row) * n, n);
        add(at->pull_second, -y, is->second + row * beside, beside);
    }
    for (int64_t line = 0; line < is->rows * n; line += n) add_product(at->pull, -1.0, is->a + line, z + line, n);
    for (int64_t one = 0; one < shared; one += beside) add_product(at->pull_second, -1.0, is->b + one, z + one, beside);
}

static void direction(const Program *is, const Iterate *now, Work *at) {
    const int64_t k = is->n_long - is->n_equal, count = k + is->rows * is->n;
    const double *s = now->s, *z = now->z, *target = at->target;
    memcpy(at->wanted, now->lack_equal, is->n_equal * sizeof(double));
    for (int64_t x = 0; x < k; x++) at->wanted[is->n_equal + x] = now->lack[x] - target[x] / z[x];
    for (int64_t x = k; x < count; x++) at->u[x - k] = target[x] / s[x] - at->theta[x - k] * now->lack[x];
    solve(is, at, at->pull, at->pull_second);
    for (int64_t x = 0; x < k; x++) {
        at->dz[x] = at->both[is->k + is->n_equal + x];
        at->ds[x] = (target[x] - s[x] * at->dz[x]) / z[x];
    }
    for (int64_t x = k; x < count; x++) {
        at->ds[x] = now->lack[x] - at->moved[x - k];
        at->dz[x] = (target[x] - z[x] * at->ds[x]) / s[x];
    }
}

static double longest(const Iterate *now, const Work *at, int64_t count, double most) {
    double least = -1.0 / most;
    for (int64_t x = 0; x < count; x++) {
        const double ds = at->ds[x] / now->s[x], dz = at->dz[x] / now->z[x];
        least = ds < least ? ds : least;
        least = dz < least ? dz : least;
    }
    return -1.0 / least;
}

static int begin(const Program *is, const Settings *set, Iterate *now, Work *at) {
    const int64_t n = is->n, beside = is->depth * n, k = is->n_long - is->n_equal, shorts = is->rows * n;
    for (int64_t x = 0; x < shorts; x++) at->theta[x] = 1.0, at->u[x] = -is->h[x];
    for (int64_t x = 0; x < is->n_long; x++) at->long_inverse[x] = x < is->n_equal ? 0.0 : 1.0;
    memcpy(at->wanted, is->limit, is->n_long * sizeof(double));
    for (int64_t c = 0; c < n; c++) at->pull[c] = -is->q[c];
    for (int64_t x = 0; x < beside; x++) at->pull_second[x] = -is->r[x];
    if (!factorise(is, at)) return 0;
    solve(is, at, at->pull, at->pull_second);
    memcpy(now->w, at->dw, n * sizeof(double));
    memcpy(now->t, at->dt, beside * sizeof(double));
    memcpy(now->y, at->both + is->k, is->n_equal * sizeof(double));
    for (int64_t row = 0; row < is->n_long; row++) {
        const double weights = dot(is->border + (is->k + row) * n, now->w, n);
        const double left = is->limit[row] - weights - dot(is->second + row * beside, now->t, beside);
        if (row < is->n_equal) now->lack_equal[row] = left;
        else now->lack[row - is->n_equal] = left;
    }
    for (int64_t x = 0; x < shorts; x++) now->lack[k + x] = is->h[x] - at->moved[x];
    for (int64_t x = 0; x < k + shorts; x++) {
        now->s[x] = fabs(now->lack[x]) > set->first_slack ? fabs(now->lack[x]) : set->first_slack;
        now->z[x] = set->first_multiplier;
        now->lack[x] -= now->s[x];
    }
    return 1;
}

/* Predict, correct, step; 0 where no step is left. */
static int advance(const Program *is, const Settings *set, Iterate *now, Work *at, double gap) {
    const int64_t k = is->n_long - is->n_equal, count = k + is->rows * is->n;
    double ahead = 0.0, highest = 0.0;
    for (int64_t x = 0; x < k; x++) at->long_inverse[is->n_equal + x] = now->s[x] / now->z[x];
    for (int64_t x = k; x < count; x++) at->theta[x - k] = now->z[x] / now->s[x];
    if (!factorise(is, at)) return 0;
    pull(is, now, at);
    for (int64_t x = 0; x < count; x++) at->target[x] = -now->s[x] * now->z[x];
    direction(is, now, at);
    double length = longest(now, at, count, 1.0);
    for (int64_t x = 0; x < count; x++) ahead += (now->s[x] + length * at->ds[x]) * (now->z[x] + length * at->dz[x]);
    const double mu = gap / count, ratio = ahead / count / mu;
    for (int64_t x = 0; x < count; x++) at->target[x] += ratio * ratio * ratio * mu - at->ds[x] * at->dz[x];
    direction(is, now, at);
    const double reach = 1.0 - fmin(fmax(gap, set->least_left), set->most_left);
    length = reach * longest(now, at, count, 1.0 / reach);
    length = length < 1.0 ? length : 1.0;
    add(now->w, length, at->dw, is->n);
    add(now->t, length, at->dt, is->depth * is->n);
    add(now->y, length, at->both + is->k, is->n_equal);
    add(now->s, length, at->ds, count);
    add(now->z, length, at->dz, count);
    for (int64_t x = 0; x < count; x++) now->lack[x] *= 1.0 - length;
    for (int64_t x = 0; x < is->n_equal; x++) now->lack_equal[x] *= 1.0 - length;
    for (int64_t x = 0; x < count; x++) highest = now->z[x] > highest ? now->z[x] : highest;
    return length > set->shortest && highest < set->endless;
}

static double *room(const Program *is, Work *at) {
    const int64_t n = is->n, beside = is->depth * n, size = is->k + is->n_long;
    const int64_t all = is->rows * n, more = all + is->n_long;
    const struct { double **part; int64_t count; } parts[] = {
        {&at->theta, all}, {&at->stiffness, beside}, {&at->ratio, beside}, {&at->inverse, n}, {&at->slope, all},
        {&at->moving, size * n}, {&at->scaled, size * n}, {&at->core, size * size}, {&at->long_inverse, is->n_long},
        {&at->pull, n}, {&at->pull_second, beside}, {&at->first, n}, {&at->free, beside}, {&at->both, size},
        {&at->wanted, is->n_long}, {&at->u, all}, {&at->target, more}, {&at->ds, more}, {&at->dz, more}, {&at->dw, n},
        {&at->dt, beside}, {&at->moved, all},
    };
    int64_t count = 0;
    for (size_t one = 0; one < sizeof parts / sizeof *parts; one++) count += parts[one].count;
    double *whole = malloc((count + 1) * sizeof(double)), *next = whole;
    for (size_t one = 0; whole && one < sizeof parts / sizeof *parts; one++) {
        *parts[one].part = next;
        next += parts[one].count;
    }
    return whole;
}

static Program laid_out(const int64_t *sizes, const double *numbers) {
    Program is = {sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5], sizes[6]};
    const int64_t beside = is.depth * is.n, all = is.rows * is.n;
    is.p = numbers;
    is.border = is.p + is.n;
    is.q = is.border + (is.k + is.n_long) * is.n;
    is.r = is.q + is.n;
    is.second = is.r + beside;
    is.limit = is.second + is.n_long * beside;
    is.a = is.limit + is.n_long;
    is.b = is.a + all;
    is.h = is.b + is.sharing * beside;
    is.idle = is.h + all;
    return is;
}

/* Start, and step until slacks times multipliers are below `near` or no step is left. `sizes` and `numbers` are those
 * of the program, `point` is room for an iterate, each in the order of its struct. Returns the number of steps; -1
 * where there is no start, or no memory. */
int64_t approach(const int64_t *sizes, const double *numbers, const Settings *set, int64_t most, double *point) {
    const Program is = laid_out(sizes, numbers);
    const int64_t beside = is.depth * is.n, count = is.n_long - is.n_equal + is.rows * is.n;
    Iterate now = {.w = point, .t = point + is.n, .y = point + is.n + beside};
    now.lack_equal = now.y + is.n_equal;
    now.s = now.lack_equal + is.n_equal;
    now.z = now.s + count;
    now.lack = now.z + count;
    Work at;
    double *whole = room(&is, &at);
    int64_t steps = -1;
    if (whole && begin(&is, set, &now, &at))
        for (steps = 0; steps < most; steps++) {
            const double gap = dot(now.s, now.z, count);
            if (!(gap >= set->near) || !advance(&is, set, &now, &at, gap)) break;
        }
    free(whole);
    return steps;
}

int version(void) { return VERSION; }
