// The one-layer, one-head Transformer of model.py with its gradient and its optimizer, fused for one CPU core.
//
// Notable features:
// - shapes are compile-time constants (WIDTH, HIDDEN, VOCABULARY, CONTEXT), so every loop unrolls and vectorizes;
// - a batch of windows is read as a trie: windows that share their first t + 1 characters share every activation at
//   position t, so each distinct prefix is computed once, and its children are its targets with their multiplicities;
// - queries, keys and values of a one-layer model depend on (position, token) alone: they are rows of a small table;
// - after the attention, activations lie features first and prefixes last, [width][prefix], so that LayerNorm and
//   softmax are plain vector arithmetic with no reduction inside a vector;
// - the gain of a LayerNorm is folded into the matrix that follows it;
// - numbers below 1e-38 count as zero: a model that has learnt its text makes many, and some processors take a hundred
//   times as long over each.
//
// Everything is float32. Parameters are one flat array in the order of `Parameters` below, as in model.py.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

namespace {

constexpr int D = WIDTH, H = HIDDEN, V = VOCABULARY, T = CONTEXT;
constexpr int LANES = 16;
typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t ivec __attribute__((vector_size(4 * LANES)));
constexpr int ROW = (D + LANES - 1) / LANES;   // vectors in one row of the (position, token) table
constexpr int ENTRIES = T * V;
constexpr int EVECS = (ENTRIES + LANES - 1) / LANES;
// Prefixes of one tile, in vectors: the activations of a tile should stay in half a megabyte of second-level cache.
constexpr int FIT = 512 * 1024 / (4 * LANES * (6 * D + 2 * H + V));
// An odd multiple of 3: products take 3 vectors at a time, and rows an even distance apart would compete for cache lines.
constexpr int TILE = FIT < 9 ? 9 : FIT > 45 ? 45 : FIT / 6 * 6 - 3;

struct Parameters { // one flat array of floats
    float tokens[V][D], positions[T][D], norm1[D], attention[3 * D][D], projection[D][D], norm2[D], up[H][D], down[D][H],
        norm3[D];
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
    return p * power;
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

// y[o] (+)= sum_i a[o][i] x[i] for OB rows and NV vectors at a time; rows of x and y are `stride` floats apart.
template <int OB, int NV, int I, bool ADD>
inline void product_block(const float *a, const float *x, float *y, int stride) {
    vec acc[OB][NV];
#pragma GCC unroll 8
    for (int o = 0; o < OB; ++o)
#pragma GCC unroll 8
        for (int v = 0; v < NV; ++v) acc[o][v] = ADD ? load(y + o * stride + v * LANES) : vec{};
    for (int i = 0; i < I; ++i) {
        vec b[NV];
#pragma GCC unroll 8
        for (int v = 0; v < NV; ++v) b[v] = load(x + i * stride + v * LANES);
#pragma GCC unroll 8
        for (int o = 0; o < OB; ++o) {
            vec w = splat(a[o * I + i]);
#pragma GCC unroll 8
            for (int v = 0; v < NV; ++v) acc[o][v] += w * b[v];
        }
    }
#pragma GCC unroll 8
    for (int o = 0; o < OB; ++o)
#pragma GCC unroll 8
        for (int v = 0; v < NV; ++v) store(y + o * stride + v * LANES, acc[o][v]);
}

template <int O, int NV, int I, bool ADD>
inline void product_rows(const float *a, const float *x, float *y, int stride) {
    constexpr int B = 7;
    for (int o = 0; o + B <= O; o += B) product_block<B, NV, I, ADD>(a + o * I, x, y + o * stride, stride);
    if constexpr (O % B) product_block<O % B, NV, I, ADD>(a + O / B * B * I, x, y + O / B * B * stride, stride);
}

// y = a x (ADD: y += a x) with a [O][I], x [I][stride], y [O][stride], the first `vectors` vectors of each row.
template <int O, int I, bool ADD = false>
inline void product(const float *a, const float *x, float *y, int vectors, int stride) {
    int v = 0;
    for (; v + 3 <= vectors; v += 3) product_rows<O, 3, I, ADD>(a, x + v * LANES, y + v * LANES, stride);
    for (; v < vectors; ++v) product_rows<O, 1, I, ADD>(a, x + v * LANES, y + v * LANES, stride);
}

template <int OB, int IB, int I>
inline void outer_block(const float *y, const float *x, float *w, int vectors, int stride) {
    vec acc[4 * 4] = {};
    for (int v = 0; v < vectors; ++v) {
        vec b[IB];
#pragma GCC unroll 4
        for (int i = 0; i < IB; ++i) b[i] = load(x + i * stride + v * LANES);
#pragma GCC unroll 4
        for (int o = 0; o < OB; ++o) {
            vec d = load(y + o * stride + v * LANES);
#pragma GCC unroll 4
            for (int i = 0; i < IB; ++i) acc[4 * o + i] += d * b[i];
        }
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

// w [O][I] += y x^T, summed over the first `vectors` vectors of y [O][stride] and x [I][stride].
template <int O, int I>
inline void outer(const float *y, const float *x, float *w, int vectors, int stride) {
    for (int o = 0; o + 4 <= O; o += 4) outer_columns<4, I>(y + o * stride, x, w + o * I, vectors, stride);
    if constexpr (O % 4) outer_columns<O % 4, I>(y + O / 4 * 4 * stride, x, w + O / 4 * 4 * I, vectors, stride);
}

// 16 rows of the table to 16 lanes of columns [D][stride], and back.
inline void to_columns(const vec *const *rows, float *columns, int stride) {
    for (int r = 0; r < ROW; ++r) {
        vec a[LANES];
        for (int j = 0; j < LANES; ++j) a[j] = rows[j][r];
        transpose(a);
        for (int i = 0; i < LANES && r * LANES + i < D; ++i) store(columns + (r * LANES + i) * stride, a[i]);
    }
}

inline void to_rows(const float *columns, int stride, vec *const *rows) {
    for (int r = 0; r < ROW; ++r) {
        vec a[LANES];
        for (int i = 0; i < LANES; ++i) a[i] = r * LANES + i < D ? load(columns + (r * LANES + i) * stride) : vec{};
        transpose(a);
        for (int j = 0; j < LANES; ++j) rows[j][r] = a[j];
    }
}

// Columns of x [D][stride] to zero mean and unit variance, in place; their 1 / standard deviation into `inverse`.
inline void normalize(float *x, float *inverse, int vectors, int stride) {
    for (int v = 0; v < vectors; ++v) {
        float *p = x + v * LANES;
        vec mean{}, square{};
        for (int i = 0; i < D; ++i) mean += load(p + i * stride);
        mean *= 1.f / D;
        for (int i = 0; i < D; ++i) { vec c = load(p + i * stride) - mean; square += c * c; }
        float r[LANES];
        store(r, square * (1.f / D) + 1e-5f);
        for (int i = 0; i < LANES; ++i) r[i] = 1.f / std::sqrt(r[i]);
        for (int i = 0; i < D; ++i) store(p + i * stride, (load(p + i * stride) - mean) * load(r));
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
        for (int i = 0; i < I; ++i) transposed[i * O + o] = folded[o * I + i] = w[o][i] * (gain ? gain[i] : 1.f);
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

struct Workspace {
    std::vector<Node> nodes, leaves; // prefixes in lexicographic order, parents first; those of T + 1 characters are targets only
    std::vector<int> used, column;   // entries of the table that occur, and the column of each
    std::vector<int> count;
    // the table: rows for the attention, features first for the products
    vec x0[ENTRIES][ROW], q[ENTRIES][ROW], k[ENTRIES][ROW], v[ENTRIES][ROW];
    vec dx0[ENTRIES][ROW], dq[ENTRIES][ROW], dk[ENTRIES][ROW], dv[ENTRIES][ROW];
    vec spare[ROW], zero[ROW] = {}; // where the lanes beyond the last prefix or entry are written to and read from
    vec n1[D][EVECS], inverse1[EVECS], qkv[3 * D][EVECS], dn1[D][EVECS], dx[D][EVECS];
    // one tile of prefixes
    vec o[D][TILE], n2[D][TILE], x[D][TILE], n3[D][TILE], g[H][TILE], slope[H][TILE], logits[V][TILE], d[D][TILE], e[H > D ? H : D][TILE];
    vec inverse2[TILE], inverse3[TILE], lse[TILE];
    vec share[TILE][T]; // attention
    float attention[3 * D * D], attentionT[3 * D * D], up[H * D], upT[H * D], head[V * D], headT[V * D], projection[D * D],
        projectionT[D * D], down[D * H], downT[D * H];
    float dattention[3 * D * D], dup[H * D], dhead[V * D];
};

// Where 16 prefixes, from node `start` on, find their rows of the table; lanes beyond the last node repeat it.
struct Lookup {
    const int32_t *tokens[LANES];
    int entry[LANES];
    ivec depth;
    Lookup(const Corpus &c, const Workspace &w, int start, int size) {
        for (int lane = 0; lane < LANES; ++lane) {
            const Node &node = w.nodes[start + lane < size ? start + lane : size - 1];
            tokens[lane] = c.tokens + node.offset;
            depth[lane] = node.depth;
            entry[lane] = path(lane, node.depth);
        }
    }
    int path(int lane, int s) const { return s * V + tokens[lane][s]; }
};

inline vec dot(const vec *a, const vec *b) { // of two rows, not yet summed over lanes
    vec c = a[0] * b[0];
    for (int i = 1; i < ROW; ++i) c += a[i] * b[i];
    return c;
}

// The trie of `count[rank]` windows. Windows are ranked by their T + 1 characters; `shared[r]` is how many leading
// characters the windows of rank r - 1 and r have in common.
void build_trie(const Corpus &c, Workspace &w) {
    w.nodes.clear();
    w.leaves.clear();
    int path[T], common = 0; // the node at each depth of the window before
    for (int r = 0; r < c.offsets; ++r) {
        if (c.shared[r] < common) common = c.shared[r];
        const int n = w.count[r];
        if (!n) continue;
        for (int t = 0; t < common && t < T; ++t) w.nodes[path[t]].weight += n;
        for (int t = common; t <= T; ++t) {
            std::vector<Node> &list = t < T ? w.nodes : w.leaves;
            const int index = int(list.size());
            list.push_back({t, c.order[r], -1, -1, float(n)});
            if (t) { list.back().sibling = w.nodes[path[t - 1]].child; w.nodes[path[t - 1]].child = index; }
            if (t < T) path[t] = index;
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

// Mean loss over the windows counted in w.count (nats a character); with `grad`, its gradient is left there too.
double pass(const Corpus &c, const Parameters &p, Parameters *grad, Workspace &w, double windows) {
    build_trie(c, w);
    const float scale = 1.f / std::sqrt(float(D)), each = float(1. / (windows * T));
    fold(p.attention, p.norm1, w.attention, w.attentionT);
    for (int i = 0; i < D * D; ++i) w.attention[i] *= scale; // the queries
    for (int i = 0; i < D; ++i)
        for (int o = 0; o < D; ++o) w.attentionT[i * 3 * D + o] *= scale;
    fold(p.projection, nullptr, w.projection, w.projectionT);
    fold(p.up, p.norm2, w.up, w.upT);
    fold(p.down, nullptr, w.down, w.downT);
    fold(p.tokens, p.norm3, w.head, w.headT);

    // Queries, keys and values of every (position, token) that occurs.
    const int entries = int(w.used.size()), evecs = (entries + LANES - 1) / LANES, estride = EVECS * LANES;
    float *n1 = (float *)w.n1, *qkv = (float *)w.qkv, *dx = (float *)w.dx;
    const auto rows = [&](vec(*table)[ROW], int j, vec *out, vec **list) { // of the entries j .. j + 15
        for (int i = 0; i < LANES; ++i) list[i] = j + i < entries ? table[w.used[j + i]] : out;
    };
    vec *list[LANES];
    for (int entry : w.used) {
        float *x = (float *)w.x0[entry];
        for (int i = 0; i < ROW * LANES; ++i) x[i] = i < D ? p.tokens[entry % V][i] + p.positions[entry / V][i] : 0;
        if (grad)
            for (int i = 0; i < ROW; ++i) w.dx0[entry][i] = w.dq[entry][i] = w.dk[entry][i] = w.dv[entry][i] = vec{};
    }
    for (int j = 0; j < entries; j += LANES) {
        rows(w.x0, j, w.zero, list);
        to_columns(list, n1 + j, estride);
    }
    normalize(n1, (float *)w.inverse1, evecs, estride);
    product<3 * D, D>(w.attention, n1, qkv, evecs, estride);
    for (int j = 0; j < entries; j += LANES) {
        rows(w.q, j, w.spare, list);
        to_rows(qkv + j, estride, list);
        rows(w.k, j, w.spare, list);
        to_rows(qkv + D * estride + j, estride, list);
        rows(w.v, j, w.spare, list);
        to_rows(qkv + 2 * D * estride + j, estride, list);
    }
    if (grad) {
        std::memset((void *)grad, 0, sizeof *grad);
        std::memset(w.dattention, 0, sizeof w.dattention);
        std::memset(w.dup, 0, sizeof w.dup);
        std::memset(w.dhead, 0, sizeof w.dhead);
    }

    double loss = 0;
    const int size = int(w.nodes.size());
    const auto children = [&](int start, int n, auto visit) { // of the nodes start .. start + n - 1
        for (int j = 0; j < n; ++j) {
            const Node &node = w.nodes[start + j];
            const std::vector<Node> &list = node.depth + 1 < T ? w.nodes : w.leaves;
            for (int m = node.child; m >= 0; m = list[m].sibling) visit(j, list[m]);
        }
    };
    const auto target = [&](const Node &child) { return c.tokens[child.offset + child.depth]; };
    constexpr int stride = TILE * LANES;
    float *o = (float *)w.o, *x = (float *)w.x, *n2 = (float *)w.n2, *n3 = (float *)w.n3, *g = (float *)w.g,
          *logits = (float *)w.logits, *d = (float *)w.d, *e = (float *)w.e;
    for (int start = 0; start < size; start += stride) {
        const int n = size - start < stride ? size - start : stride, vectors = (n + LANES - 1) / LANES;
        // Attention, 16 prefixes at a time over rows of the table; scores lie positions first and prefixes last.
        for (int block = 0; block < vectors; ++block) {
            Lookup at(c, w, start + block * LANES, size);
            vec *share = w.share[block], top = splat(-1e30f), total{};
            for (int s = 0; s < T; ++s) {
                vec a[LANES];
                for (int lane = 0; lane < LANES; ++lane) a[lane] = dot(w.q[at.entry[lane]], w.k[at.path(lane, s)]);
                share[s] = s <= at.depth ? sums(a) : splat(-1e30f);
                top = maximum(top, share[s]);
            }
            for (int s = 0; s < T; ++s) {
                share[s] = s <= at.depth ? exponential(share[s] - top) : vec{};
                total += share[s];
            }
            for (int s = 0; s < T; ++s) share[s] /= total;
            vec out[LANES][ROW] = {};
            vec *outs[LANES], *x0s[LANES];
            for (int lane = 0; lane < LANES; ++lane) {
                outs[lane] = out[lane];
                x0s[lane] = w.x0[at.entry[lane]];
                for (int s = 0; s <= at.depth[lane]; ++s) {
                    const vec *v = w.v[at.path(lane, s)], a = splat(share[s][lane]);
                    for (int i = 0; i < ROW; ++i) out[lane][i] += a * v[i];
                }
            }
            to_columns(outs, o + block * LANES, stride);
            to_columns(x0s, x + block * LANES, stride);
        }

        // The rest of the network, features first.
        product<D, D, true>(w.projection, o, x, vectors, stride);
        for (int i = 0; i < D; ++i) std::memcpy(w.n2[i], w.x[i], vectors * sizeof(vec));
        normalize(n2, (float *)w.inverse2, vectors, stride);
        product<H, D>(w.up, n2, g, vectors, stride);
        for (int i = 0; i < H; ++i)
            for (int v = 0; v < vectors; ++v) gelu(w.g[i][v], w.g[i][v], w.slope[i][v]);
        product<D, H, true>(w.down, g, x, vectors, stride);
        for (int i = 0; i < D; ++i) std::memcpy(w.n3[i], w.x[i], vectors * sizeof(vec));
        normalize(n3, (float *)w.inverse3, vectors, stride);
        product<V, D>(w.head, n3, logits, vectors, stride);

        // Cross-entropy: the children of a prefix are its targets. logits become their own gradient.
        if (!grad)
            children(start, n, [&](int j, const Node &child) { loss -= double(child.weight) * logits[target(child) * stride + j]; });
        for (int v = 0; v < vectors; ++v) {
            vec peak = w.logits[0][v], total{}, weight{};
            for (int i = 1; i < V; ++i) peak = maximum(peak, w.logits[i][v]);
            for (int i = 0; i < V; ++i) total += (w.logits[i][v] = exponential(w.logits[i][v] - peak));
            const int lanes = n - v * LANES < LANES ? n - v * LANES : LANES;
            for (int j = 0; j < lanes; ++j) weight[j] = w.nodes[start + v * LANES + j].weight;
            if (!grad) {
                for (int j = 0; j < lanes; ++j) loss += double(weight[j]) * (std::log(double(total[j])) + peak[j]);
            } else {
                weight = weight * each / total;
                for (int i = 0; i < V; ++i) w.logits[i][v] *= weight;
            }
        }
        if (!grad) continue;
        children(start, n, [&](int j, const Node &child) { logits[target(child) * stride + j] -= child.weight * each; });

        // Backward.
        outer<V, D>(logits, n3, w.dhead, vectors, stride);
        product<D, V>(w.headT, logits, e, vectors, stride);
        normalize_backward<false>(n3, e, (float *)w.inverse3, d, vectors, stride);
        outer<D, H>(d, g, &grad->down[0][0], vectors, stride);
        product<H, D>(w.downT, d, e, vectors, stride);
        for (int i = 0; i < H; ++i)
            for (int v = 0; v < vectors; ++v) w.e[i][v] *= w.slope[i][v];
        outer<H, D>(e, n2, w.dup, vectors, stride);
        product<D, H>(w.upT, e, x, vectors, stride);
        normalize_backward<true>(n2, x, (float *)w.inverse2, d, vectors, stride);
        outer<D, D>(d, o, &grad->projection[0][0], vectors, stride);
        product<D, D>(w.projectionT, d, e, vectors, stride);

        for (int block = 0; block < vectors; ++block) {
            Lookup at(c, w, start + block * LANES, size);
            vec dout[LANES][ROW], dx1[LANES][ROW], *douts[LANES], *dx1s[LANES];
            for (int lane = 0; lane < LANES; ++lane) { douts[lane] = dout[lane]; dx1s[lane] = dx1[lane]; }
            to_rows(e + block * LANES, stride, douts);
            to_rows(d + block * LANES, stride, dx1s);
            vec *share = w.share[block], slope[T], along{};
            for (int s = 0; s < T; ++s) {
                vec a[LANES];
                for (int lane = 0; lane < LANES; ++lane) a[lane] = dot(dout[lane], w.v[at.path(lane, s)]);
                slope[s] = sums(a);
                along += slope[s] * share[s];
            }
            for (int s = 0; s < T; ++s) slope[s] = share[s] * (slope[s] - along);
            for (int lane = 0; lane < LANES && start + block * LANES + lane < size; ++lane) {
                const int entry = at.entry[lane];
                vec q[ROW], dq[ROW] = {};
                for (int i = 0; i < ROW; ++i) { q[i] = w.q[entry][i]; w.dx0[entry][i] += dx1[lane][i]; }
                for (int s = 0; s <= at.depth[lane]; ++s) {
                    const int other = at.path(lane, s);
                    const vec a = splat(share[s][lane]), b = splat(slope[s][lane]);
                    for (int i = 0; i < ROW; ++i) {
                        w.dv[other][i] += a * dout[lane][i];
                        w.dk[other][i] += b * q[i];
                        dq[i] += b * w.k[other][i];
                    }
                }
                for (int i = 0; i < ROW; ++i) w.dq[entry][i] += dq[i];
            }
        }
    }
    if (!grad) return loss * each;

    // Back through the table.
    for (int j = 0; j < entries; j += LANES) {
        rows(w.dq, j, w.zero, list);
        to_columns(list, qkv + j, estride);
        rows(w.dk, j, w.zero, list);
        to_columns(list, qkv + D * estride + j, estride);
        rows(w.dv, j, w.zero, list);
        to_columns(list, qkv + 2 * D * estride + j, estride);
        rows(w.dx0, j, w.zero, list);
        to_columns(list, dx + j, estride);
    }
    outer<3 * D, D>(qkv, n1, w.dattention, evecs, estride);
    for (int i = 0; i < D * D; ++i) w.dattention[i] *= scale;
    product<D, 3 * D>(w.attentionT, qkv, (float *)w.dn1, evecs, estride);
    normalize_backward<true>(n1, (float *)w.dn1, (float *)w.inverse1, dx, evecs, estride);
    for (int j = 0; j < entries; ++j)
        for (int i = 0; i < D; ++i) {
            grad->tokens[w.used[j] % V][i] += dx[i * estride + j];
            grad->positions[w.used[j] / V][i] += dx[i * estride + j];
        }
    unfold(w.dattention, p.attention, p.norm1, grad->attention, grad->norm1);
    unfold(w.dup, p.up, p.norm2, grad->up, grad->norm2);
    unfold(w.dhead, p.tokens, p.norm3, grad->tokens, grad->norm3);
    return 0;
}

Workspace &workspace() {
    static thread_local Workspace *w = new Workspace();
    return *w;
}

} // namespace

extern "C" {

int parameter_count() { return SIZE; }

// Mean loss of the windows at `batch` offsets; with `grad` (SIZE floats) their gradient instead.
double loss_or_gradient(const int32_t *tokens, const int32_t *order, const int32_t *rank, const int32_t *shared, int offsets,
                        const float *parameters, float *grad, const int32_t *windows, int batch) {
    const FlushSubnormals flush;
    Workspace &w = workspace();
    w.count.assign(offsets, 0);
    for (int i = 0; i < batch; ++i) ++w.count[rank[windows[i]]];
    return pass({tokens, order, rank, shared, offsets}, *(const Parameters *)parameters, (Parameters *)grad, w, batch);
}

// `steps` updates of AdamW (arXiv:1711.05101) with the gradient's norm clipped at 1. The update with index i uses
// windows[i * batch ...] and rate[i]; `done` updates came before. decay[j] is the weight decay of parameter j.
void train(const int32_t *tokens, const int32_t *order, const int32_t *rank, const int32_t *shared, int offsets, float *parameters,
           float *first, float *second, const float *decay, const int32_t *windows, int batch, const float *rate, int steps, int64_t done,
           float beta1, float beta2, float epsilon) {
    const FlushSubnormals flush;
    Workspace &w = workspace();
    static thread_local float grad[SIZE];
    const Corpus corpus{tokens, order, rank, shared, offsets};
    for (int step = 0; step < steps; ++step) {
        w.count.assign(offsets, 0);
        for (int i = 0; i < batch; ++i) ++w.count[rank[windows[int64_t(step) * batch + i]]];
        pass(corpus, *(const Parameters *)parameters, (Parameters *)grad, w, batch);
        double norm = 0;
        for (int j = 0; j < SIZE; ++j) norm += double(grad[j]) * grad[j];
        norm = std::sqrt(norm);
        const float clip = norm + 1e-6 > 1. ? float(1. / (norm + 1e-6)) : 1.f, lr = rate[step];
        const double t = double(done + step + 1);
        const float correct1 = float(1. - std::pow(double(beta1), t)), correct2 = float(std::sqrt(1. - std::pow(double(beta2), t)));
        for (int j = 0; j < SIZE; ++j) {
            const float gj = grad[j] * clip;
            first[j] += (1.f - beta1) * (gj - first[j]);
            second[j] = beta2 * second[j] + (1.f - beta2) * gj * gj;
            parameters[j] -= lr * decay[j] * parameters[j];
            parameters[j] -= lr / correct1 * first[j] / (std::sqrt(second[j]) / correct2 + epsilon);
        }
    }
}
}
