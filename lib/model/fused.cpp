// The Transformer of model.py, without dropout, with its gradient and its optimizer, fused for one CPU core.
//
// Notable features:
// - shapes are compile-time constants (WIDTH, HIDDEN, LAYERS, HEADS, VOCABULARY, CONTEXT), so every loop vectorizes;
// - a batch of windows is read as a trie: windows that share their first t + 1 characters share every activation at
//   position t, in every layer, so each distinct prefix is computed once, and its children are its targets with their
//   multiplicities;
// - queries, keys and values of the first layer depend on (position, token) alone: they are rows of a small table. In a
//   later layer they are rows of the prefixes, and a prefix looks at its ancestors in the trie;
// - outside of the attention, activations lie features first and prefixes last, [width][prefix], so that LayerNorm and
//   softmax are plain vector arithmetic with no reduction inside a vector;
// - the gain of a LayerNorm is folded into the matrix that follows it;
// - numbers below 1e-38 count as zero: a model that has learnt its text makes many, and some processors take a hundred
//   times as long over each.
//
// Prefixes come in tiles. Parents stand before their children, so tiles go forward in that order, through all layers,
// and backward in the opposite one, when all that looked at a prefix has added to the gradient of its keys and values.
// With one layer the table collects that gradient, and a tile goes forward and backward while it is in the cache.
//
// Everything is float32. Parameters are one flat array in the order of `Parameters` below, as in model.py.

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <deque>
#include <utility>
#include <vector>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

namespace {

constexpr int D = WIDTH, H = HIDDEN, L = LAYERS, N = HEADS, V = VOCABULARY, T = CONTEXT;
constexpr int LANES = 16;
typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t ivec __attribute__((vector_size(4 * LANES)));
constexpr int HEAD = D / N, PARTS = (HEAD + LANES - 1) / LANES; // features of one head, and the vectors that hold them
constexpr int ROW = N * PARTS;                                  // vectors in one row of queries, keys or values
constexpr int ENTRIES = T * V;
constexpr int EVECS = (ENTRIES + LANES - 1) / LANES;
// Prefixes of one tile, in vectors: the activations of a tile should stay in half a megabyte of second-level cache.
constexpr int FIT = 512 * 1024 / (4 * LANES * (6 * D + 2 * H + V));
// An odd multiple of 3: products take 3 vectors at a time, and rows an even distance apart would compete for cache lines.
constexpr int TILE = FIT < 15 ? 9 : FIT > 45 ? 45 : FIT / 6 * 6 - 3;

struct LayerParameters { float norm1[D], attention[3 * D][D], projection[D][D], norm2[D], up[H][D], down[D][H]; };
struct Parameters { // one flat array of floats
    float tokens[V][D], positions[T][D];
    LayerParameters layers[L];
    float norm3[D];
};
constexpr int SIZE = sizeof(Parameters) / sizeof(float);

// While it lives, subnormal numbers are read and written as zeros, where the processor has a switch for it.
struct FlushSubnormals {
#ifdef __SSE__
    const unsigned before = _mm_getcsr();
    FlushSubnormals() { _mm_setcsr(before | 0x8040); } // flush to zero, denormals are zero
    ~FlushSubnormals() { _mm_setcsr(before); }
#endif
};

#define ALWAYS_INLINE inline __attribute__((always_inline))
inline vec splat(float x) { return x - vec{}; }
inline vec load(const float *p) { vec v; std::memcpy(&v, p, sizeof v); return v; }
inline void store(float *p, vec v) { std::memcpy(p, &v, sizeof v); }
inline vec maximum(vec a, vec b) { return a > b ? a : b; }
inline vec minimum(vec a, vec b) { return a < b ? a : b; }

inline float sum(vec a) {
    typedef float v8 __attribute__((vector_size(32)));
    typedef float v4 __attribute__((vector_size(16)));
    v8 b = __builtin_shufflevector(a, a, 0, 1, 2, 3, 4, 5, 6, 7) + __builtin_shufflevector(a, a, 8, 9, 10, 11, 12, 13, 14, 15);
    v4 c = __builtin_shufflevector(b, b, 0, 1, 2, 3) + __builtin_shufflevector(b, b, 4, 5, 6, 7);
    return (c[0] + c[1]) + (c[2] + c[3]);
}

// Lanes of a and b exchanged in groups of G: what `even` leaves of a and b, `odd` takes.
using Lanes = std::make_integer_sequence<int, LANES>;
template <int G, int... L>
inline vec even(vec a, vec b, std::integer_sequence<int, L...>) { return __builtin_shufflevector(a, b, (L & G ? LANES + L - G : L)...); }
template <int G, int... L>
inline vec odd(vec a, vec b, std::integer_sequence<int, L...>) { return __builtin_shufflevector(a, b, (L & G ? LANES + L : L + G)...); }

template <int G = 1>
inline void transpose(vec *a) { // 16 vectors of 16 lanes, in place
#pragma GCC unroll 16
    for (int i = 0; i < LANES; ++i)
        if (!(i & G)) {
            vec b = a[i], c = a[i + G];
            a[i] = even<G>(b, c, Lanes{});
            a[i + G] = odd<G>(b, c, Lanes{});
        }
    if constexpr (2 * G < LANES) transpose<2 * G>(a);
}

template <int G = 1>
inline vec sums(vec *a) { // lane i: the sum of vector i
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i += 2 * G) a[i] = even<G>(a[i], a[i + G], Lanes{}) + odd<G>(a[i], a[i + G], Lanes{});
    if constexpr (2 * G < LANES) return sums<2 * G>(a);
    return a[0];
}

inline float maximum(vec a) {
    a = maximum(a, __builtin_shufflevector(a, a, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
    a = maximum(a, __builtin_shufflevector(a, a, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
    float b = a[0] > a[1] ? a[0] : a[1], c = a[2] > a[3] ? a[2] : a[3];
    return b > c ? b : c;
}

// exp(x) to 2 units in the last place: x = n log 2 + r, |r| <= log 2 / 2, and the Taylor polynomial of exp(r) to r^7.
inline vec exponential(vec x) {
    x = maximum(minimum(x, splat(88.f)), splat(-87.f));
    const vec shift = splat(12582912.f); // 1.5 * 2^23: adding it rounds to the nearest integer
    vec n = (x * 1.44269504f + shift) - shift;
    vec r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    vec p = splat(1.f / 5040);
    p = p * r + 1.f / 720;
    p = p * r + 1.f / 120;
    p = p * r + 1.f / 24;
    p = p * r + 1.f / 6;
    p = p * r + .5f;
    p = p * r + 1.f;
    p = p * r + 1.f;
    ivec bits = (__builtin_convertvector(n, ivec) + 127) << 23;
    vec power;
    std::memcpy(&power, &bits, sizeof power);
#ifdef __wasm__
    // It has no switch for subnormal numbers, so what would lead to them is zero, far below what a float32 sum can tell.
    return x > -40.f ? p * power : vec{};
#else
    return p * power;
#endif
}

// GELU and its derivative. erf by Abramowitz and Stegun (1964), formula 7.1.26: absolute error below 1.5e-7.
inline void gelu(vec u, vec &value, vec &slope) {
    vec z = (u < 0.f ? -u : u) * 0.70710678f;
    vec t = 1.f / (1.f + 0.3275911f * z);
    vec e = exponential(-z * z);
    vec tail = t * (0.254829592f + t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f)))) * e;
    vec phi = u < 0.f ? 0.5f * tail : 1.f - 0.5f * tail;
    value = u * phi;
    slope = phi + u * e * 0.39894228f;
}

// What a product takes at a time: as many numbers as the processor's registers hold. Compilers split a `vec` that is wider
// than a register by way of memory, so products, where the time goes, have vectors that fit.
#if defined(__AVX512F__) // 32 registers of 16 numbers
constexpr int WIDE = 16, ROWS = 7, COLUMNS = 3; // 7 rows of 3 vectors, 3 vectors of x and a number of a
#elif defined(__AVX__) // 16 of 8
constexpr int WIDE = 8, ROWS = 6, COLUMNS = 2;
#elif defined(__aarch64__) // 32 of 4
constexpr int WIDE = 4, ROWS = 6, COLUMNS = 4;
#else // 16 of 4
constexpr int WIDE = 4, ROWS = 6, COLUMNS = 2;
#endif
typedef float part __attribute__((vector_size(4 * WIDE)));

// y[o] (+)= sum_i a[o][i] x[i] for OB rows, NV parts and `count` terms at a time; rows of x lie `ldx` floats apart.
template <int OB, int NV, bool ADD>
ALWAYS_INLINE void product_block(const float *a, int lda, const float *x, int ldx, float *y, int ldy, int count) {
    part acc[OB][NV];
#pragma GCC unroll 8
    for (int o = 0; o < OB; ++o)
#pragma GCC unroll 8
        for (int v = 0; v < NV; ++v) {
            if constexpr (ADD) std::memcpy(&acc[o][v], y + o * ldy + v * WIDE, sizeof(part));
            else acc[o][v] = part{};
        }
    for (int i = 0; i < count; ++i) {
        part b[NV];
#pragma GCC unroll 8
        for (int v = 0; v < NV; ++v) std::memcpy(&b[v], x + i * ldx + v * WIDE, sizeof(part));
#pragma GCC unroll 8
        for (int o = 0; o < OB; ++o) {
            part w = a[o * lda + i] - part{};
#pragma GCC unroll 8
            for (int v = 0; v < NV; ++v) acc[o][v] += w * b[v];
        }
    }
#pragma GCC unroll 8
    for (int o = 0; o < OB; ++o)
#pragma GCC unroll 8
        for (int v = 0; v < NV; ++v) std::memcpy(y + o * ldy + v * WIDE, &acc[o][v], sizeof(part));
}

template <int O, int NV, bool ADD>
ALWAYS_INLINE void product_rows(const float *a, int lda, const float *x, int ldx, float *y, int ldy, int count) {
    for (int o = 0; o + ROWS <= O; o += ROWS)
        product_block<ROWS, NV, ADD>(a + o * lda, lda, x, ldx, y + o * ldy, ldy, count);
    constexpr int done = O / ROWS * ROWS;
    if constexpr (O % ROWS) product_block<O % ROWS, NV, ADD>(a + done * lda, lda, x, ldx, y + done * ldy, ldy, count);
}

template <int O, bool ADD>
ALWAYS_INLINE void product_columns(const float *a, int lda, const float *x, int ldx, float *y, int ldy, int count,
                                   int vectors) {
    const int parts = vectors * (LANES / WIDE);
    int v = 0;
    for (; v + COLUMNS <= parts; v += COLUMNS)
        product_rows<O, COLUMNS, ADD>(a, lda, x + v * WIDE, ldx, y + v * WIDE, ldy, count);
    for (; v < parts; ++v) product_rows<O, 1, ADD>(a, lda, x + v * WIDE, ldx, y + v * WIDE, ldy, count);
}

constexpr int CHUNK = 192, SLICE = 8 * ROWS; // terms and rows of a product at a time, which stay in the caches

template <int O, bool ADD>
ALWAYS_INLINE void product_slices(const float *a, int lda, const float *x, int ldx, float *y, int ldy, int count,
                                  int vectors) {
    for (int o = 0; o + SLICE <= O; o += SLICE)
        product_columns<SLICE, ADD>(a + o * lda, lda, x, ldx, y + o * ldy, ldy, count, vectors);
    constexpr int done = O / SLICE * SLICE;
    if constexpr (O % SLICE)
        product_columns<O % SLICE, ADD>(a + done * lda, lda, x, ldx, y + done * ldy, ldy, count, vectors);
}

// y = a x (ADD: y += a x) with a [O][I], x [I][stride], y [O][stride], the first `vectors` vectors of each row.
template <int O, int I, bool ADD = false>
inline void product(const float *a, const float *x, float *y, int vectors, int stride) {
    product_slices<O, ADD>(a, I, x, stride, y, stride, I < CHUNK ? I : CHUNK, vectors);
    for (int i = CHUNK; i < I; i += CHUNK) {
        const int count = I - i < CHUNK ? I - i : CHUNK;
        product_slices<O, true>(a + i, I, x + i * stride, stride, y, stride, count, vectors);
    }
}

template <int OB, int IB, int I>
inline void outer_block(const float *y, const float *x, float *w, int vectors, int stride) {
    constexpr int R = WIDE == LANES ? OB : OB < 2 ? OB : 2; // rows whose sums the registers hold
    vec acc[4 * 4] = {};
    for (int lane = 0; lane < LANES; lane += WIDE)
#pragma GCC unroll 4
        for (int first = 0; first < OB; first += R) {
            part sum[R][IB] = {};
            for (int v = 0; v < vectors; ++v) {
                part b[IB];
#pragma GCC unroll 4
                for (int i = 0; i < IB; ++i) std::memcpy(&b[i], x + i * stride + v * LANES + lane, sizeof(part));
#pragma GCC unroll 4
                for (int o = 0; o < R; ++o) {
                    if (first + o >= OB) break;
                    part d;
                    std::memcpy(&d, y + (first + o) * stride + v * LANES + lane, sizeof d);
#pragma GCC unroll 4
                    for (int i = 0; i < IB; ++i) sum[o][i] += d * b[i];
                }
            }
#pragma GCC unroll 4
            for (int o = 0; o < R && first + o < OB; ++o)
#pragma GCC unroll 4
                for (int i = 0; i < IB; ++i)
                    std::memcpy(reinterpret_cast<float *>(acc + 4 * (first + o) + i) + lane, &sum[o][i], sizeof(part));
        }
    vec total = sums(acc);
#pragma GCC unroll 4
    for (int o = 0; o < OB; ++o)
#pragma GCC unroll 4
        for (int i = 0; i < IB; ++i) w[o * I + i] += total[4 * o + i];
}

template <int OB, int I>
inline void outer_columns(const float *y, const float *x, float *w, int vectors, int stride) {
    for (int i = 0; i + 4 <= I; i += 4) outer_block<OB, 4, I>(y, x + i * stride, w + i, vectors, stride);
    if constexpr (I % 4) outer_block<OB, I % 4, I>(y, x + I / 4 * 4 * stride, w + I / 4 * 4, vectors, stride);
}

// w [O][I] += y x^T, summed over the first `vectors` vectors of y [O][stride] and x [I][stride]. Where a row of w is
// whole vectors, x is turned around into `turned` [prefix][I], and this is a product as above; else prefixes are summed
// in lanes, and the lanes at the end.
template <int O, int I>
inline void outer(const float *y, const float *x, float *w, int vectors, int stride, float *turned) {
    if constexpr (I % LANES == 0) {
        for (int v = 0; v < vectors; ++v)
            for (int i = 0; i < I; i += LANES) {
                vec a[LANES];
                for (int j = 0; j < LANES; ++j) a[j] = load(x + (i + j) * stride + v * LANES);
                transpose(a);
                for (int j = 0; j < LANES; ++j) store(turned + (v * LANES + j) * I + i, a[j]);
            }
        for (int p = 0, n = vectors * LANES; p < n; p += CHUNK)
            product_slices<O, true>(y + p, stride, turned + p * I, I, w, I, n - p < CHUNK ? n - p : CHUNK, I / LANES);
    } else {
        for (int o = 0; o + 4 <= O; o += 4) outer_columns<4, I>(y + o * stride, x, w + o * I, vectors, stride);
        if constexpr (O % 4) outer_columns<O % 4, I>(y + O / 4 * 4 * stride, x, w + O / 4 * 4 * I, vectors, stride);
    }
}

// One row for each of a table's entries or of the prefixes: the features of a head begin with a new vector.
typedef std::array<vec, ROW> Row;

// 16 rows to 16 lanes of columns [D][stride], and back.
inline void to_columns(const Row *const *rows, float *columns, int stride) {
    for (int r = 0; r < ROW; ++r) {
        const int begin = r / PARTS * HEAD + r % PARTS * LANES, end = r / PARTS * HEAD + HEAD; // the vector's features
        vec a[LANES];
        for (int j = 0; j < LANES; ++j) a[j] = (*rows[j])[r];
        transpose(a);
        for (int i = 0; i < LANES && begin + i < end; ++i) store(columns + (begin + i) * stride, a[i]);
    }
}

inline void to_rows(const float *columns, int stride, Row *const *rows) {
    for (int r = 0; r < ROW; ++r) {
        const int begin = r / PARTS * HEAD + r % PARTS * LANES, end = r / PARTS * HEAD + HEAD;
        vec a[LANES];
        for (int i = 0; i < LANES; ++i) a[i] = begin + i < end ? load(columns + (begin + i) * stride) : vec{};
        transpose(a);
        for (int j = 0; j < LANES; ++j) (*rows[j])[r] = a[j];
    }
}

// Columns of x [D][stride] to n with zero mean and unit variance (n may be x), their 1 / standard deviation to `inverse`.
inline void normalize(const float *x, float *n, float *inverse, int vectors, int stride) {
    for (int v = 0; v < vectors; ++v) {
        const float *p = x + v * LANES;
        vec mean{}, square{};
        for (int i = 0; i < D; ++i) mean += load(p + i * stride);
        mean *= 1.f / D;
        for (int i = 0; i < D; ++i) { vec c = load(p + i * stride) - mean; square += c * c; }
        float r[LANES];
        store(r, square * (1.f / D) + 1e-5f);
        for (int i = 0; i < LANES; ++i) r[i] = 1.f / std::sqrt(r[i]);
        for (int i = 0; i < D; ++i) store(n + i * stride + v * LANES, (load(p + i * stride) - mean) * load(r));
        store(inverse + v * LANES, load(r));
    }
}

// dx (+)= the gradient of `normalize` for normalized columns x and their gradient g, all [D][stride].
template <bool ADD>
inline void normalize_backward(const float *x, const float *g, const float *inverse, float *dx, int vectors, int stride) {
    for (int v = 0; v < vectors; ++v) {
        vec mean{}, along{};
        for (int i = 0; i < D; ++i) {
            vec a = load(g + i * stride + v * LANES);
            mean += a;
            along += a * load(x + i * stride + v * LANES);
        }
        mean *= 1.f / D;
        along *= 1.f / D;
        vec r = load(inverse + v * LANES);
        for (int i = 0; i < D; ++i) {
            float *p = dx + i * stride + v * LANES;
            vec d = r * (load(g + i * stride + v * LANES) - mean - load(x + i * stride + v * LANES) * along);
            store(p, ADD ? load(p) + d : d);
        }
    }
}

template <int O, int I>
void fold(const float (&w)[O][I], const float *gain, float *folded, float *transposed) {
    for (int o = 0; o < O; ++o)
        for (int i = 0; i < I; ++i) {
            transposed[i * O + o] = w[o][i] * (gain ? gain[i] : 1.f);
            if (folded) folded[o * I + i] = transposed[i * O + o];
        }
}

// The gradient of a folded matrix is shared out between the matrix and the gain.
template <int O, int I>
void unfold(const float *dfolded, const float (&w)[O][I], const float *gain, float (&dw)[O][I], float *dgain) {
    for (int o = 0; o < O; ++o)
        for (int i = 0; i < I; ++i) {
            dw[o][i] += dfolded[o * I + i] * gain[i];
            dgain[i] += dfolded[o * I + i] * w[o][i];
        }
}

struct Corpus {
    const int32_t *tokens, *order, *rank, *shared;
    int offsets;
};

// A distinct prefix: the depth + 1 characters from `offset`. Its children are linked: `child`, then each one's `sibling`.
struct Node { int depth, offset, child, sibling; float weight; };

// What the attention of a layer reads, and the gradients that it adds to: rows of the table, or of the prefixes.
struct Rows { std::vector<Row> q, k, v, dq, dk, dv; };

// Matrices of a layer with the gains folded in, turned around for the way back, and the gradients of the former.
struct Folded {
    float attention[3 * D * D], attentionT[3 * D * D], up[H * D], upT[H * D], projectionT[D * D], downT[D * H];
    float dattention[3 * D * D], dup[H * D];
};

struct Saved { // of one tile and layer, for the way back; n1 only after the first layer
    vec n1[L > 1 ? D : 1][TILE], o[D][TILE], n2[D][TILE], g[H][TILE], slope[H][TILE], share[TILE][N][T];
    vec inverse1[TILE], inverse2[TILE];
};
struct Tile { int start, n, vectors; Saved layers[L]; vec d[D][TILE]; }; // d: the gradient of the residual stream

struct Workspace {
    std::vector<Node> nodes, leaves; // prefixes in lexicographic order, parents first; those of T + 1 characters are targets
    std::vector<std::array<int, T>> ancestors; // of each prefix, at each depth; after its own depth itself
    std::vector<int> used, column;   // entries of the table that occur, and the column of each
    std::vector<int> count;
    std::vector<Row> x0 = std::vector<Row>(ENTRIES), dx0 = x0; // the table: rows for the attention,
    Row spare, zero = {}; // where the lanes beyond the last entry are written to and read from
    vec n1[D][EVECS], inverse1[EVECS], qkv[3 * D][EVECS], dn1[D][EVECS], dx[D][EVECS]; // features first for the products
    Rows rows[L];
    std::deque<Tile> tiles;
    vec x[D][TILE], n3[D][TILE], inverse3[TILE], logits[V][TILE], e[H > 3 * D ? H : 3 * D][TILE]; // of the tile at hand
    vec turned[TILE * (H > D ? H : D) > EVECS * D ? TILE * (H > D ? H : D) : EVECS * D]; // of a tile, or of the table
    Folded layers[L];
    float head[V * D], headT[V * D], dhead[V * D];
    Workspace() { rows[0].q = rows[0].k = rows[0].v = rows[0].dq = rows[0].dk = rows[0].dv = x0; }
};

// Where 16 prefixes, from node `start` on, find their rows; lanes beyond the last node repeat it.
template <bool TABLE>
struct Lookup {
    const int32_t *tokens[LANES];
    const int *ancestors[LANES];
    int own[LANES], deepest = 0;
    ivec depth;
    Lookup(const Corpus &c, const Workspace &w, int start) {
        const int last = int(w.nodes.size()) - 1;
        for (int lane = 0; lane < LANES; ++lane) {
            const int index = start + lane < last ? start + lane : last;
            const Node &node = w.nodes[index];
            tokens[lane] = c.tokens + node.offset;
            ancestors[lane] = TABLE ? nullptr : w.ancestors[index].data();
            depth[lane] = node.depth;
            own[lane] = path(lane, node.depth);
            if (node.depth > deepest) deepest = node.depth;
        }
    }
    int path(int lane, int s) const { return TABLE ? s * V + tokens[lane][s] : ancestors[lane][s]; }
};

inline vec dot(const vec *a, const vec *b) { // of one head, not yet summed over lanes
    vec c = a[0] * b[0];
    for (int i = 1; i < PARTS; ++i) c += a[i] * b[i];
    return c;
}

// The trie of `count[rank]` windows of ranks begin .. end - 1. Windows are ranked by their T + 1 characters;
// `shared[r]` is how many leading characters the windows of rank r - 1 and r have in common.
void build_trie(const Corpus &c, Workspace &w, int begin, int end) {
    w.nodes.clear();
    w.leaves.clear();
    w.ancestors.clear();
    std::array<int, T> path; // the node at each depth of the window before
    int common = 0;
    for (int r = begin; r < end; ++r) {
        if (c.shared[r] < common) common = c.shared[r];
        const int n = w.count[r];
        if (!n) continue;
        for (int t = 0; t < common && t < T; ++t) w.nodes[path[t]].weight += n;
        for (int t = common; t <= T; ++t) {
            std::vector<Node> &list = t < T ? w.nodes : w.leaves;
            const int index = int(list.size());
            list.push_back({t, c.order[r], -1, -1, float(n)});
            if (t) { list.back().sibling = w.nodes[path[t - 1]].child; w.nodes[path[t - 1]].child = index; }
            if (t == T) break;
            for (int s = t; s < T; ++s) path[s] = index;
            if (L > 1) w.ancestors.push_back(path);
        }
        common = T + 1;
    }
    w.column.assign(ENTRIES, -1);
    w.used.clear();
    for (const Node &node : w.nodes) {
        int entry = node.depth * V + c.tokens[node.offset + node.depth];
        if (w.column[entry] < 0) { w.column[entry] = int(w.used.size()); w.used.push_back(entry); }
    }
}

// One pass over the windows counted in w.count: forward, and with `grad` backward too.
struct Pass {
    static constexpr int stride = TILE * LANES, estride = EVECS * LANES;
    const Corpus &c;
    const Parameters &p;
    Parameters *grad;
    Workspace &w;
    float each; // the weight of one character in the mean loss
    float *const x = (float *)w.x, *const n3 = (float *)w.n3, *const logits = (float *)w.logits, *const e = (float *)w.e,
          *const turned = (float *)w.turned;
    double loss = 0; // only without `grad`

    // The matrices as the stages need them; gradients begin at zero.
    void fold_weights() {
        const float scale = 1.f / std::sqrt(float(HEAD)); // of the queries
        for (int l = 0; l < L; ++l) {
            Folded &m = w.layers[l];
            const LayerParameters &q = p.layers[l];
            fold(q.attention, q.norm1, m.attention, m.attentionT);
            for (int i = 0; i < D * D; ++i) m.attention[i] *= scale;
            for (int i = 0; i < D; ++i)
                for (int o = 0; o < D; ++o) m.attentionT[i * 3 * D + o] *= scale;
            fold(q.projection, nullptr, nullptr, m.projectionT);
            fold(q.up, q.norm2, m.up, m.upT);
            fold(q.down, nullptr, nullptr, m.downT);
            if (grad) std::memset(m.dattention, 0, sizeof m.dattention), std::memset(m.dup, 0, sizeof m.dup);
        }
        fold(p.tokens, p.norm3, w.head, w.headT);
        if (grad) std::memset((void *)grad, 0, sizeof *grad), std::memset(w.dhead, 0, sizeof w.dhead);
    }

    // The gradients of folded matrices, shared out between matrices and gains.
    void unfold_gradients() {
        const float scale = 1.f / std::sqrt(float(HEAD));
        for (int l = 0; l < L; ++l) {
            Folded &m = w.layers[l];
            const LayerParameters &q = p.layers[l];
            LayerParameters &d = grad->layers[l];
            for (int i = 0; i < D * D; ++i) m.dattention[i] *= scale;
            unfold(m.dattention, q.attention, q.norm1, d.attention, d.norm1);
            unfold(m.dup, q.up, q.norm2, d.up, d.norm2);
        }
        unfold(w.dhead, p.tokens, p.norm3, grad->tokens, grad->norm3);
    }

    // The rows of the entries used[j] .. used[j + 15], or `beyond`.
    void of_entries(std::vector<Row> &table, int j, Row *beyond, Row **list) {
        for (int i = 0; i < LANES; ++i) list[i] = j + i < int(w.used.size()) ? &table[w.used[j + i]] : beyond;
    }

    // The first layer's input, queries, keys and values of every (position, token) that occurs.
    void table_forward() {
        const int entries = int(w.used.size()), evecs = (entries + LANES - 1) / LANES;
        float *n1 = (float *)w.n1, *qkv = (float *)w.qkv;
        Rows &t = w.rows[0];
        Row *list[LANES];
        for (int entry : w.used) {
            float *row = (float *)w.x0[entry].data();
            for (int i = 0; i < D; ++i)
                row[i / HEAD * PARTS * LANES + i % HEAD] = p.tokens[entry % V][i] + p.positions[entry / V][i];
            if (grad) w.dx0[entry] = t.dq[entry] = t.dk[entry] = t.dv[entry] = Row{};
        }
        for (int j = 0; j < entries; j += LANES) {
            of_entries(w.x0, j, &w.zero, list);
            to_columns(list, n1 + j, estride);
        }
        normalize(n1, n1, (float *)w.inverse1, evecs, estride);
        product<3 * D, D>(w.layers[0].attention, n1, qkv, evecs, estride);
        for (int j = 0; j < entries; j += LANES) {
            int part = 0;
            for (std::vector<Row> *table : {&t.q, &t.k, &t.v}) {
                of_entries(*table, j, &w.spare, list);
                to_rows(qkv + part++ * D * estride + j, estride, list);
            }
        }
    }

    // From the gradients that the table has collected to those of the embeddings and of the first layer's attention.
    void table_backward() {
        const int entries = int(w.used.size()), evecs = (entries + LANES - 1) / LANES;
        float *n1 = (float *)w.n1, *qkv = (float *)w.qkv, *dx = (float *)w.dx;
        Rows &t = w.rows[0];
        Row *list[LANES];
        for (int j = 0; j < entries; j += LANES) {
            int part = 0;
            for (std::vector<Row> *table : {&t.dq, &t.dk, &t.dv, &w.dx0}) {
                of_entries(*table, j, &w.zero, list);
                to_columns(list, (part < 3 ? qkv + part * D * estride : dx) + j, estride);
                ++part;
            }
        }
        outer<3 * D, D>(qkv, n1, w.layers[0].dattention, evecs, estride, turned);
        product<D, 3 * D>(w.layers[0].attentionT, qkv, (float *)w.dn1, evecs, estride);
        normalize_backward<true>(n1, (float *)w.dn1, (float *)w.inverse1, dx, evecs, estride);
        for (int j = 0; j < entries; ++j)
            for (int i = 0; i < D; ++i) {
                grad->tokens[w.used[j] % V][i] += dx[i * estride + j];
                grad->positions[w.used[j] / V][i] += dx[i * estride + j];
            }
    }

    // Shares of the attention of 16 prefixes and one head: positions first and prefixes last.
    template <bool TABLE>
    void attention_shares(const Lookup<TABLE> &at, const Rows &t, int h, vec *share) {
        vec top = splat(-1e30f), total{};
        for (int s = 0; s <= at.deepest; ++s) {
            vec a[LANES];
            for (int lane = 0; lane < LANES; ++lane)
                a[lane] = dot(&t.q[at.own[lane]][h * PARTS], &t.k[at.path(lane, s)][h * PARTS]);
            share[s] = s <= at.depth ? sums(a) : splat(-1e30f);
            top = maximum(top, share[s]);
        }
        for (int s = 0; s <= at.deepest; ++s) {
            share[s] = s <= at.depth ? exponential(share[s] - top) : vec{};
            total += share[s];
        }
        for (int s = 0; s <= at.deepest; ++s) share[s] /= total;
    }

    // The attention's output into `o`; in the first layer the table's input into the residual stream.
    template <bool TABLE>
    void attention_forward(const Tile &tile, Saved &saved, const Rows &t) {
        for (int block = 0; block < tile.vectors; ++block) {
            const Lookup<TABLE> at(c, w, tile.start + block * LANES);
            auto &share = saved.share[block];
            for (int h = 0; h < N; ++h) attention_shares(at, t, h, share[h]);
            Row out[LANES] = {};
            const Row *outs[LANES], *x0s[LANES];
            for (int lane = 0; lane < LANES; ++lane) {
                outs[lane] = &out[lane];
                if (TABLE) x0s[lane] = &w.x0[at.own[lane]];
                for (int s = 0; s <= at.depth[lane]; ++s) {
                    const Row &v = t.v[at.path(lane, s)];
                    for (int i = 0; i < ROW; ++i) out[lane][i] += splat(share[i / PARTS][s][lane]) * v[i];
                }
            }
            to_columns(outs, (float *)saved.o + block * LANES, stride);
            if (TABLE) to_columns(x0s, x + block * LANES, stride);
        }
    }

    // From the gradient of the attention's output, in e, to those of queries, keys and values, in the rows.
    template <bool TABLE>
    void attention_backward(const Tile &tile, const Saved &saved, Rows &t) {
        for (int block = 0; block < tile.vectors; ++block) {
            const Lookup<TABLE> at(c, w, tile.start + block * LANES);
            const auto &share = saved.share[block];
            Row dout[LANES], dx1[LANES], *douts[LANES], *dx1s[LANES];
            for (int lane = 0; lane < LANES; ++lane) { douts[lane] = &dout[lane]; dx1s[lane] = &dx1[lane]; }
            to_rows(e + block * LANES, stride, douts);
            if (TABLE) to_rows((const float *)tile.d + block * LANES, stride, dx1s);
            vec slope[N][T]; // of the scores
            for (int h = 0; h < N; ++h) {
                vec along{};
                for (int s = 0; s <= at.deepest; ++s) {
                    vec a[LANES];
                    for (int lane = 0; lane < LANES; ++lane)
                        a[lane] = dot(&dout[lane][h * PARTS], &t.v[at.path(lane, s)][h * PARTS]);
                    slope[h][s] = sums(a);
                    along += slope[h][s] * share[h][s];
                }
                for (int s = 0; s <= at.deepest; ++s) slope[h][s] = share[h][s] * (slope[h][s] - along);
            }
            for (int lane = 0; lane < LANES && block * LANES + lane < tile.n; ++lane) {
                const int own = at.own[lane];
                const Row q = t.q[own];
                Row dq = {};
                if (TABLE)
                    for (int i = 0; i < ROW; ++i) w.dx0[own][i] += dx1[lane][i];
                for (int s = 0; s <= at.depth[lane]; ++s) {
                    const int other = at.path(lane, s);
                    for (int i = 0; i < ROW; ++i) {
                        const vec a = splat(share[i / PARTS][s][lane]), b = splat(slope[i / PARTS][s][lane]);
                        t.dv[other][i] += a * dout[lane][i];
                        t.dk[other][i] += b * q[i];
                        dq[i] += b * t.k[other][i];
                    }
                }
                for (int i = 0; i < ROW; ++i) t.dq[own][i] = TABLE ? t.dq[own][i] + dq[i] : dq[i];
            }
        }
    }

    // The rows of 16 prefixes, from `start` on.
    static void of_prefixes(std::vector<Row> &rows, int start, Row **list) {
        for (int i = 0; i < LANES; ++i) list[i] = &rows[start + i];
    }

    // From the residual stream x to queries, keys and values of a layer after the first.
    void rows_forward(Tile &tile, int l) {
        Saved &saved = tile.layers[l];
        float *n1 = (float *)saved.n1;
        normalize(x, n1, (float *)saved.inverse1, tile.vectors, stride);
        product<3 * D, D>(w.layers[l].attention, n1, e, tile.vectors, stride);
        Row *list[LANES];
        for (int j = 0; j < tile.vectors * LANES; j += LANES) {
            int part = 0;
            for (std::vector<Row> *rows : {&w.rows[l].q, &w.rows[l].k, &w.rows[l].v}) {
                of_prefixes(*rows, tile.start + j, list);
                to_rows(e + part++ * D * stride + j, stride, list);
            }
        }
    }

    // From the gradients of queries, keys and values to that of the residual stream before the layer, added to d.
    void rows_backward(Tile &tile, int l) {
        Row *list[LANES];
        for (int j = 0; j < tile.vectors * LANES; j += LANES) {
            int part = 0;
            for (std::vector<Row> *rows : {&w.rows[l].dq, &w.rows[l].dk, &w.rows[l].dv}) {
                of_prefixes(*rows, tile.start + j, list);
                to_columns(list, e + part++ * D * stride + j, stride);
            }
        }
        float *n1 = (float *)tile.layers[l].n1, *inverse1 = (float *)tile.layers[l].inverse1;
        outer<3 * D, D>(e, n1, w.layers[l].dattention, tile.vectors, stride, turned);
        product<D, 3 * D>(w.layers[l].attentionT, e, x, tile.vectors, stride);
        normalize_backward<true>(n1, x, inverse1, (float *)tile.d, tile.vectors, stride);
    }

    // Projection and MLP: from the attention's output onto the residual stream x.
    void mlp_forward(const Tile &tile, Saved &saved, int l) {
        float *n2 = (float *)saved.n2, *g = (float *)saved.g;
        product<D, D, true>(&p.layers[l].projection[0][0], (float *)saved.o, x, tile.vectors, stride);
        normalize(x, n2, (float *)saved.inverse2, tile.vectors, stride);
        product<H, D>(w.layers[l].up, n2, g, tile.vectors, stride);
        for (int i = 0; i < H; ++i)
            for (int v = 0; v < tile.vectors; ++v) gelu(saved.g[i][v], saved.g[i][v], saved.slope[i][v]);
        product<D, H, true>(&p.layers[l].down[0][0], g, x, tile.vectors, stride);
    }

    // From the gradient of the residual stream after the layer, in d, to that after its attention, and with it to that
    // of the attention's output, in e.
    void mlp_backward(Tile &tile, int l) {
        Saved &saved = tile.layers[l];
        float *d = (float *)tile.d, *n2 = (float *)saved.n2;
        outer<D, H>(d, (float *)saved.g, &grad->layers[l].down[0][0], tile.vectors, stride, turned);
        product<H, D>(w.layers[l].downT, d, e, tile.vectors, stride);
        for (int i = 0; i < H; ++i)
            for (int v = 0; v < tile.vectors; ++v) w.e[i][v] *= saved.slope[i][v];
        outer<H, D>(e, n2, w.layers[l].dup, tile.vectors, stride, turned);
        product<D, H>(w.layers[l].upT, e, x, tile.vectors, stride);
        normalize_backward<true>(n2, x, (float *)saved.inverse2, d, tile.vectors, stride);
        outer<D, D>(d, (float *)saved.o, &grad->layers[l].projection[0][0], tile.vectors, stride, turned);
        product<D, D>(w.layers[l].projectionT, d, e, tile.vectors, stride);
    }

    template <typename Visit>
    void children(const Tile &tile, Visit visit) { // visit(j, child, place of its logit) for every target of prefix j
        for (int j = 0; j < tile.n; ++j) {
            const Node &node = w.nodes[tile.start + j];
            const std::vector<Node> &list = node.depth + 1 < T ? w.nodes : w.leaves;
            for (int m = node.child; m >= 0; m = list[m].sibling)
                visit(list[m].weight, c.tokens[list[m].offset + list[m].depth] * stride + j);
        }
    }

    // Cross-entropy: the children of a prefix are its targets. logits become their own gradient.
    void head_forward(const Tile &tile) {
        normalize(x, n3, (float *)w.inverse3, tile.vectors, stride);
        product<V, D>(w.head, n3, logits, tile.vectors, stride);
        if (!grad) children(tile, [&](float weight, int at) { loss -= double(weight) * logits[at]; });
        for (int v = 0; v < tile.vectors; ++v) {
            vec peak = w.logits[0][v], total{}, weight{};
            for (int i = 1; i < V; ++i) peak = maximum(peak, w.logits[i][v]);
            for (int i = 0; i < V; ++i) total += (w.logits[i][v] = exponential(w.logits[i][v] - peak));
            const int lanes = tile.n - v * LANES < LANES ? tile.n - v * LANES : LANES;
            for (int j = 0; j < lanes; ++j) weight[j] = w.nodes[tile.start + v * LANES + j].weight;
            if (!grad) {
                for (int j = 0; j < lanes; ++j) loss += double(weight[j]) * (std::log(double(total[j])) + peak[j]);
            } else {
                weight = weight * each / total;
                for (int i = 0; i < V; ++i) w.logits[i][v] *= weight;
            }
        }
        if (grad) children(tile, [&](float weight, int at) { logits[at] -= weight * each; });
    }

    void head_backward(Tile &tile) {
        outer<V, D>(logits, n3, w.dhead, tile.vectors, stride, turned);
        product<D, V>(w.headT, logits, e, tile.vectors, stride);
        normalize_backward<false>(n3, e, (float *)w.inverse3, (float *)tile.d, tile.vectors, stride);
    }

    // A tile through all layers to its loss, or with `grad` to the gradient of its residual stream.
    void forward(Tile &tile) {
        for (int l = 0; l < L; ++l) {
            Saved &saved = tile.layers[l];
            if (l) {
                rows_forward(tile, l);
                attention_forward<false>(tile, saved, w.rows[l]);
            } else attention_forward<true>(tile, saved, w.rows[l]);
            mlp_forward(tile, saved, l);
        }
        head_forward(tile);
        if (grad) head_backward(tile);
    }

    // Back through all layers; the tiles after it have been there before.
    void backward(Tile &tile) {
        for (int l = L - 1; l >= 0; --l) {
            mlp_backward(tile, l);
            if (l) {
                attention_backward<false>(tile, tile.layers[l], w.rows[l]);
                rows_backward(tile, l);
            } else attention_backward<true>(tile, tile.layers[l], w.rows[l]);
        }
    }

    // All tiles of the trie, forward and with `grad` backward.
    void run() {
        table_forward();
        const int size = int(w.nodes.size()), padded = (size + LANES - 1) / LANES * LANES;
        for (int l = 1; l < L; ++l) {
            Rows &r = w.rows[l];
            for (std::vector<Row> *rows : {&r.q, &r.k, &r.v}) rows->resize(padded);
            if (!grad) continue;
            r.dq.resize(size); // written once for each prefix, while keys and values are added to
            r.dq.resize(padded, Row{});
            for (std::vector<Row> *rows : {&r.dk, &r.dv}) rows->assign(padded, Row{});
        }
        const bool keep = grad && L > 1; // else one tile does for all
        int tiles = 0;
        for (int start = 0; start < size; start += stride) {
            if (int(w.tiles.size()) <= tiles) w.tiles.emplace_back();
            Tile &tile = w.tiles[tiles];
            tile.start = start;
            tile.n = size - start < stride ? size - start : stride;
            tile.vectors = (tile.n + LANES - 1) / LANES;
            forward(tile);
            if (keep) ++tiles;
            else if (grad) backward(tile);
        }
        while (tiles) backward(w.tiles[--tiles]);
        if (grad) table_backward();
    }
};

// Gradient of the mean loss over the windows counted in w.count (nats a character).
void find_gradient(const Corpus &c, const Parameters &p, Parameters &grad, Workspace &w, double windows) {
    Pass pass{c, p, &grad, w, float(1. / (windows * T))};
    pass.fold_weights();
    build_trie(c, w, 0, c.offsets);
    pass.run();
    pass.unfold_gradients();
}

// That loss. With more than one layer some ranks at a time, whose rows fit into the memory.
double find_loss(const Corpus &c, const Parameters &p, Workspace &w, double windows) {
    Pass pass{c, p, nullptr, w, float(1. / (windows * T))};
    pass.fold_weights();
    const int ranks = L == 1 ? c.offsets : 1024;
    for (int begin = 0; begin < c.offsets; begin += ranks) {
        build_trie(c, w, begin, begin + ranks < c.offsets ? begin + ranks : c.offsets);
        pass.run();
    }
    return pass.loss * pass.each;
}

Workspace &workspace() {
    static thread_local Workspace *w = new Workspace();
    return *w;
}

} // namespace

extern "C" {

int parameter_count() { return SIZE; }

// Mean loss of `batch` windows, given by their numbers; with `grad` (SIZE floats) their gradient instead.
double loss_or_gradient(const int32_t *tokens, const int32_t *order, const int32_t *rank, const int32_t *shared, int offsets,
                        const float *parameters, float *grad, const int32_t *windows, int batch) {
    const FlushSubnormals flush;
    Workspace &w = workspace();
    w.count.assign(offsets, 0);
    for (int i = 0; i < batch; ++i) ++w.count[rank[windows[i]]];
    const Corpus corpus{tokens, order, rank, shared, offsets};
    if (!grad) return find_loss(corpus, *(const Parameters *)parameters, w, batch);
    find_gradient(corpus, *(const Parameters *)parameters, *(Parameters *)grad, w, batch);
    return 0;
}

// `steps` updates of AdamW (arXiv:1711.05101) with the gradient's norm clipped at 1. The update with index i uses
// windows[i * batch ...] and rate[i]; `done` updates came before. decay[j] is the weight decay of parameter j, scale[j]
// what its learning rate is multiplied by.
void train(const int32_t *tokens, const int32_t *order, const int32_t *rank, const int32_t *shared, int offsets, float *parameters,
           float *exp_avg, float *exp_avg_sq, const float *decay, const float *scale, const int32_t *windows, int batch, const float *rate, int steps, int64_t done,
           float beta1, float beta2, float epsilon) {
    const FlushSubnormals flush;
    Workspace &w = workspace();
    static thread_local float grad[SIZE];
    const Corpus corpus{tokens, order, rank, shared, offsets};
    for (int step = 0; step < steps; ++step) {
        w.count.assign(offsets, 0);
        for (int i = 0; i < batch; ++i) ++w.count[rank[windows[int64_t(step) * batch + i]]];
        find_gradient(corpus, *(const Parameters *)parameters, *(Parameters *)grad, w, batch);
        double norm = 0;
        for (int j = 0; j < SIZE; ++j) norm += double(grad[j]) * grad[j];
        norm = std::sqrt(norm);
        const float clip = norm + 1e-6 > 1. ? float(1. / (norm + 1e-6)) : 1.f, lr = rate[step];
        const double t = double(done + step + 1);
        const float correct1 = float(1. - std::pow(double(beta1), t)), correct2 = float(std::sqrt(1. - std::pow(double(beta2), t)));
        for (int j = 0; j < SIZE; ++j) {
            const float gj = grad[j] * clip;
            exp_avg[j] += (1.f - beta1) * (gj - exp_avg[j]);
            exp_avg_sq[j] = beta2 * exp_avg_sq[j] + (1.f - beta2) * gj * gj;
            const float own = lr * scale[j];
            parameters[j] -= own * decay[j] * parameters[j];
            parameters[j] -= own / correct1 * exp_avg[j] / (std::sqrt(exp_avg_sq[j]) / correct2 + epsilon);
        }
    }
}
}
