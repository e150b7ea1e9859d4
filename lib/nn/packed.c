/* packed.c: matrices in packed tiles, and products cut into tiles and rows that threads take one after another. */
#include "nn/packed.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/thread.h"
#include "nn/int8.h"
#include "nn/onednn/plan.h"
#include "nn/onednn/scope.h"

/* Tiles and rows of activations are multiples of this: no kernel then has a rest to see to. */
#define UNIT ((size_t)64)
/* Rows of W in a tile. */
#define TILE ((size_t)DULM_PACKED_TILE)
/* Multiplications that are worth another thread, and values to be rounded. */
#define WORTH ((size_t)1 << 18)
#define ROUNDED_AT_LEAST ((size_t)8192)
/* Rows of activations that are rounded and multiplied before the next, so that a matrix is read from memory once for these. */
#define AT_ONCE ((size_t)512)
/* Bytes of W that each thread reads for every span of rows; and the least such span. */
#define MOST_SHARED ((size_t)1 << 19)
#define LEAST_SPAN ((size_t)16)

struct dulm_packed {
    enum dulm_packed_type type;
    size_t rows, columns, part;
    size_t stride;   /* columns, rounded up */
    size_t per_part; /* tiles */
    size_t part_bytes;
    const struct dulm_plan *whole, *last; /* of a part's tiles */
    unsigned char *data;
};

/* One tile, and what rows of W it holds. */
struct tile {
    const struct dulm_plan *plan;
    unsigned char *data;
    size_t first, rows;
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t rounded_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static size_t element_size(const struct dulm_packed *p)
{
    return dulm_packed_size(p->type);
}

static size_t tile_of_row(const struct dulm_packed *p, size_t row)
{
    return row / p->part * p->per_part + row % p->part / TILE;
}

static struct tile tile_at(const struct dulm_packed *p, size_t index)
{
    const size_t part = index / p->per_part, at = index % p->per_part;
    return (struct tile){at + 1 < p->per_part ? p->whole : p->last,
                         p->data + part * p->part_bytes + at * p->whole->bytes,
                         part * p->part + at * TILE, least(TILE, p->part - at * TILE)};
}

void dulm_packed_destroy(struct dulm_packed *packed)
{
    if (!packed)
        return;
    dulm_free(packed->data);
    dulm_free(packed);
}

static diffulm_status plan_tiles(const struct diffulm_runtime *rt, struct dulm_packed *p)
{
    const size_t last = rounded_up(p->part - (p->per_part - 1) * TILE, UNIT);
    diffulm_status rc = dulm_onednn_plan(rt, p->type, last, p->stride, &p->last);
    p->whole = p->last;
    if (rc == DIFFULM_OK && p->per_part > 1)
        rc = dulm_onednn_plan(rt, p->type, TILE, p->stride, &p->whole);
    return rc;
}

diffulm_status dulm_packed_create(const struct diffulm_runtime *rt, enum dulm_packed_type type,
                                  size_t rows, size_t columns, size_t part,
                                  struct dulm_packed **out)
{
    *out = NULL;
    if (rt->backend != DIFFULM_BACKEND_ONEDNN || !rows || !columns)
        return DIFFULM_OK;
    if (type == DULM_PACKED_INT8 && columns > DULM_INT8_INNER) /* products will be refused */
        return DIFFULM_OK;
    struct dulm_packed *p = dulm_alloc_zero(1, sizeof *p);
    if (!p)
        return dulm_fail_memory();
    p->type = type;
    p->rows = rows;
    p->columns = columns;
    p->part = part;
    p->stride = rounded_up(columns, UNIT);
    p->per_part = (part + TILE - 1) / TILE;
    diffulm_status rc = plan_tiles(rt, p);
    if (rc < 0 || !p->whole || !p->last) {
        dulm_packed_destroy(p);
        return rc;
    }
    p->part_bytes = (p->per_part - 1) * p->whole->bytes + p->last->bytes;
    p->data = dulm_alloc_tensor(rows / part, p->part_bytes);
    if (!p->data) {
        dulm_packed_destroy(p);
        return dulm_fail_memory();
    }
    if (p->stride != columns || part % UNIT)
        memset(p->data, 0, rows / part * p->part_bytes);
    *out = p;
    return DIFFULM_OK;
}

struct write_job {
    struct dulm_packed *packed;
    size_t first;
    const unsigned char *values;
};

/* Copies words of a row in whichever direction; one that the row does not fill is at its end. */
static void copy_row(const struct dulm_packed *p, size_t row, const unsigned char *from,
                     unsigned char *to)
{
    const struct tile tile = tile_at(p, tile_of_row(p, row));
    const size_t bytes = p->columns * element_size(p), word = sizeof(uint32_t);
    unsigned char *base = tile.data + word * tile.plan->row_word[row - tile.first];
    const uint32_t *at = tile.plan->column_word;
    size_t i = 0;
    for (; (i + 1) * word <= bytes; i++)
        if (from)
            memcpy(base + word * at[i], from + word * i, word);
        else
            memcpy(to + word * i, base + word * at[i], word);
    if (i * word < bytes && from)
        memcpy(base + word * at[i], from + word * i, bytes - i * word);
    else if (i * word < bytes)
        memcpy(to + word * i, base + word * at[i], bytes - i * word);
}

static void write_part(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct write_job *j = user;
    const size_t bytes = j->packed->columns * element_size(j->packed);
    for (size_t r = begin; r < end; r++)
        copy_row(j->packed, j->first + r, j->values + r * bytes, NULL);
}

void dulm_packed_write(const struct diffulm_runtime *rt, struct dulm_packed *packed, size_t first,
                       size_t count, const void *values)
{
    struct write_job job = {packed, first, values};
    dulm_parallel(rt->threads, count, UNIT, write_part, &job);
}

void dulm_packed_read(const struct dulm_packed *packed, size_t first, size_t count, void *values)
{
    const size_t bytes = packed->columns * element_size(packed);
    for (size_t r = 0; r < count; r++)
        copy_row(packed, first + r, NULL, (unsigned char *)values + r * bytes);
}

size_t dulm_packed_stride(const struct dulm_packed *packed)
{
    return packed->stride;
}

bool dulm_packed_alike(const struct dulm_packed *a, const struct dulm_packed *b)
{
    return a->whole == b->whole && a->last == b->last && a->part == b->part &&
           a->columns == b->columns;
}

bool dulm_packed_cut_at(const struct dulm_packed *packed, size_t first)
{
    return packed->part == packed->rows && first % TILE == 0;
}

enum dulm_packed_type dulm_packed_type_of(const struct dulm_packed *packed)
{
    return packed->type;
}

/* The height for so many rows, of which it may be more than there are by a few: a rest of 1 has one of its own, others are filled
 * up to 4 or 8. Exactly: it is not, for rows that are used where they are. */
static size_t height_for(size_t rows, bool exactly)
{
    size_t h = 0;
    while (h + 1 < DULM_HEIGHTS && dulm_heights[h + 1] <= rows)
        h++;
    return h < 2 && dulm_heights[h] < rows && !exactly ? h + 1 : h;
}

/* A product on its way. Either a piece of work is a span of rows, rounded and multiplied by all tiles in turn; or rows are rounded
 * first, and each tile by a span of them is a piece. */
struct product_job {
    const struct dulm_packed_product *product;
    size_t begin, rows;                     /* of the activations that are multiplied now */
    size_t first_tile[DULM_FACTORS], tiles; /* of a factor */
    size_t span, spans;
    bool by_rows;
    unsigned char *rooms; /* one for each thread, `room` bytes */
    size_t room;
    unsigned char *rounded; /* activations of all rows, where tiles are pieces */
    struct dulm_row_scale *scales;
    atomic_size_t next;
    atomic_int status;
};

/* Up to so many rows behind those that there are may be read. */
enum { OVER = 3 };

/* What a thread works in: sums of a tile, what oneDNN needs, and rounded rows where it rounds its own. */
struct hand_room {
    unsigned char *sums, *scratch, *rounded;
    struct dulm_row_scale *scales;
};

#define MOST_ROWS dulm_heights[DULM_HEIGHTS - 1]

/* Of the factors, which are alike. */
static const struct dulm_packed *shape_of(const struct dulm_packed_product *q)
{
    return q->factor[0].packed;
}

static size_t row_bytes(const struct dulm_packed *p)
{
    return p->stride * element_size(p);
}

static size_t scratch_bytes(const struct dulm_packed *p)
{
    const size_t most = p->whole->scratch > p->last->scratch ? p->whole->scratch : p->last->scratch;
    return rounded_up(most, UNIT);
}

static size_t room_bytes(const struct dulm_packed *p, bool by_rows)
{
    const size_t own =
        MOST_ROWS * sizeof(struct dulm_row_scale) + (MOST_ROWS + OVER) * row_bytes(p);
    return MOST_ROWS * TILE * sizeof(float) + scratch_bytes(p) + (by_rows ? own : 0);
}

static struct hand_room room_of(const struct product_job *j, int worker)
{
    struct hand_room r = {.sums = j->rooms + (size_t)worker * j->room};
    r.scratch = r.sums + MOST_ROWS * TILE * sizeof(float);
    r.scales = (struct dulm_row_scale *)(void *)(r.scratch + scratch_bytes(shape_of(j->product)));
    r.rounded = (unsigned char *)(r.scales + MOST_ROWS);
    return r;
}

/* Rounded rows by one tile of a factor; the first of them is row `row` of the product. */
static diffulm_status multiply_rows(const struct product_job *j, size_t factor, size_t row,
                                    size_t rows, const unsigned char *rounded,
                                    const struct dulm_row_scale *scales, const struct tile *tile,
                                    struct dulm_hand *hand, const struct hand_room *room)
{
    const struct dulm_packed_product *q = j->product;
    const size_t first = q->factor[factor].first;
    const size_t from = first > tile->first ? first : tile->first;
    const size_t to = least(first + q->n, tile->first + tile->rows);
    struct dulm_packed_result result = {.factor = factor,
                                        .column = from - first,
                                        .columns = to - from,
                                        .stride = tile->plan->n,
                                        .sums = room->sums + (from - tile->first) * sizeof(float)};
    for (size_t i = 0; i < rows; i += result.rows) {
        const size_t height = height_for(rows - i, q->rows != NULL);
        const diffulm_status rc = dulm_onednn_multiply_tile(tile->plan, hand, height,
                                                            rounded + i * row_bytes(shape_of(q)),
                                                            tile->data, room->sums, room->scratch);
        if (rc < 0)
            return rc;
        result.row = row + i;
        result.rows = least(dulm_heights[height], rows - i);
        result.scales = scales + i;
        q->finish(q->user, &result);
    }
    return DIFFULM_OK;
}

static const unsigned char *rows_at(const struct product_job *j, const struct hand_room *room,
                                    size_t at)
{
    const struct dulm_packed_product *q = j->product;
    const size_t bytes = row_bytes(shape_of(q));
    if (q->rows)
        return (const unsigned char *)q->rows + (j->begin + at) * bytes;
    return j->by_rows ? room->rounded : j->rounded + at * bytes;
}

static diffulm_status multiply_piece(const struct product_job *j, size_t piece,
                                     struct dulm_hand hands[2], const struct hand_room *room)
{
    const struct dulm_packed_product *q = j->product;
    const struct dulm_packed *p = shape_of(q);
    const size_t at = piece % j->spans * j->span, rows = least(j->rows - at, j->span);
    const size_t first = j->by_rows ? 0 : piece / j->spans;
    const size_t tiles = j->by_rows ? j->tiles * q->factors : 1;
    const unsigned char *rounded = rows_at(j, room, at);
    const struct dulm_row_scale *scales = j->by_rows ? room->scales : j->scales + at;
    if (j->by_rows && !q->rows)
        q->prepare(q->user, j->begin + at, rows, room->rounded, room->scales);
    diffulm_status rc = DIFFULM_OK;
    for (size_t t = first; rc == DIFFULM_OK && t < first + tiles; t++) {
        const size_t f = t / j->tiles;
        const struct tile tile = tile_at(q->factor[f].packed, j->first_tile[f] + t % j->tiles);
        rc = multiply_rows(j, f, j->begin + at, rows, rounded, scales, &tile,
                           &hands[tile.plan != p->whole], room);
    }
    return rc;
}

static void work(void *user, size_t begin, size_t end, int worker)
{
    (void)begin, (void)end;
    struct product_job *j = user;
    const struct hand_room room = room_of(j, worker);
    const size_t pieces = j->spans * (j->by_rows ? 1 : j->tiles * j->product->factors);
    struct dulm_hand hands[2] = {{0}, {0}};
    struct dulm_onednn_scope scope;
    dulm_onednn_enter(1, &scope);
    for (size_t i; (i = atomic_fetch_add_explicit(&j->next, 1, memory_order_relaxed)) < pieces;) {
        const diffulm_status rc = multiply_piece(j, i, hands, &room);
        if (rc < 0)
            atomic_store(&j->status, rc);
    }
    dulm_onednn_hand_release(&hands[0]);
    dulm_onednn_hand_release(&hands[1]);
    dulm_onednn_leave(&scope);
}

static void prepare_part(void *user, size_t begin, size_t end, int worker)
{
    (void)worker;
    const struct product_job *j = user;
    const struct dulm_packed_product *q = j->product;
    q->prepare(q->user, j->begin + begin, end - begin, j->rounded + begin * row_bytes(shape_of(q)),
               j->scales + begin);
}

/* Cuts rows into equal shares of the threads' and says so, where W is small enough for each thread to read all of it. */
static bool cut_rows(struct product_job *j, size_t threads)
{
    if (j->tiles * j->product->factors * shape_of(j->product)->whole->bytes > MOST_SHARED)
        return false;
    for (j->span = MOST_ROWS; j->span >= LEAST_SPAN; j->span /= 2) {
        j->spans = (j->rows + j->span - 1) / j->span;
        if (j->spans % threads == 0 || j->spans >= 4 * threads)
            return true;
    }
    return false;
}

/* Rows of a piece where `tiles` are to be at least so many pieces; a multiple of `unit`. */
static size_t span_for(size_t rows, size_t tiles, size_t pieces, size_t unit)
{
    const size_t cut = (pieces + tiles - 1) / tiles;
    return rounded_up((rows + cut - 1) / cut, unit);
}

/* Tiles are pieces, of rows at the kernels' full height, so small that a thread which was held up has little left to do at the end; or
 * lower where tiles alone would leave threads without work. */
static void cut_tiles(struct product_job *j, size_t threads)
{
    const size_t tiles = j->tiles * j->product->factors;
    j->span = span_for(j->rows, tiles, 6 * threads, MOST_ROWS);
    if (tiles % threads)
        j->span = least(j->span, span_for(j->rows, tiles, 3 * threads, LEAST_SPAN));
    j->spans = (j->rows + j->span - 1) / j->span;
}

static diffulm_status multiply_block(const struct diffulm_runtime *rt, struct product_job *j,
                                     size_t threads)
{
    const struct dulm_packed *p = shape_of(j->product);
    j->by_rows = cut_rows(j, threads);
    if (!j->by_rows)
        cut_tiles(j, threads);
    const bool ready = j->product->rows != NULL;
    j->room = room_bytes(p, j->by_rows && !ready);
    const size_t all = j->by_rows || ready ? 0 : (j->rows + OVER) * row_bytes(p);
    struct dulm_block *block =
        dulm_block_take(&rt->room->copies, threads * j->room + all + j->rows * sizeof *j->scales);
    if (!block)
        return dulm_fail_memory();
    j->rooms = block->data;
    j->rounded = j->rooms + threads * j->room;
    j->scales = (struct dulm_row_scale *)(void *)(j->rounded + all);
    atomic_init(&j->next, 0);
    if (!j->by_rows && !ready)
        dulm_parallel((int)threads, j->rows, 1 + ROUNDED_AT_LEAST / p->stride, prepare_part, j);
    dulm_parallel((int)threads, threads, 1, work, j);
    dulm_block_give(&rt->room->copies, block);
    return atomic_load(&j->status);
}

diffulm_status dulm_packed_multiply(const struct diffulm_runtime *rt,
                                    const struct dulm_packed_product *q)
{
    const struct dulm_packed *p = shape_of(q);
    struct product_job job = {.product = q};
    for (size_t f = 0; f < q->factors; f++)
        job.first_tile[f] = tile_of_row(q->factor[f].packed, q->factor[f].first);
    job.tiles = tile_of_row(p, q->factor[0].first + q->n - 1) + 1 - job.first_tile[0];
    const size_t operations = q->m * q->n * q->factors * p->stride;
    const size_t threads = least((size_t)dulm_threads_here(rt->threads), 1 + operations / WORTH);
    diffulm_status rc = DIFFULM_OK;
    atomic_init(&job.status, DIFFULM_OK);
    for (; rc == DIFFULM_OK && job.begin < q->m; job.begin += job.rows) {
        job.rows = least(q->m - job.begin, AT_ONCE);
        rc = multiply_block(rt, &job, threads);
    }
    if (rc == DIFFULM_E_OUT_OF_MEMORY)
        return dulm_fail_memory();
    return rc < 0 ? dulm_fail(rc, "oneDNN refused a packed product of %zu x %zu x %zu", q->m, q->n,
                              p->columns)
                  : DIFFULM_OK;
}
