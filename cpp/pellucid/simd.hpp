// Rows side by side: the few operations the kernels are written in, for the instruction set of the file that includes
// this one. Everything is local to that file, so that code made for one processor never reaches another.
//
// Lanes never meet: each does the same operations in the same order whatever its neighbours hold, and `fma` is fused
// or not, but the same everywhere in one instruction set. So a row's answer has the same bits in every place of every
// batch; between instruction sets answers differ by rounding.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

#if defined(_MSC_VER)
#define PELLUCID_INLINE __forceinline
#else
#define PELLUCID_INLINE inline __attribute__((always_inline))
#endif

namespace pellucid {
namespace {

#if defined(__AVX512F__)

struct Mask {
  __mmask8 lanes;
  static Mask all(bool yes) { return {__mmask8(-int(yes))}; }
  friend PELLUCID_INLINE Mask operator&(Mask a, Mask b) { return {__mmask8(a.lanes & b.lanes)}; }
  friend PELLUCID_INLINE Mask operator|(Mask a, Mask b) { return {__mmask8(a.lanes | b.lanes)}; }
  friend PELLUCID_INLINE Mask operator~(Mask a) { return {__mmask8(~a.lanes)}; }
};

struct Pack {
  static constexpr std::size_t lanes = 8;
  __m512d x;
  static PELLUCID_INLINE Pack of(double value) { return {_mm512_set1_pd(value)}; }
  static PELLUCID_INLINE Pack load(const double* from) { return {_mm512_load_pd(from)}; }
  PELLUCID_INLINE void store(double* to) const { _mm512_store_pd(to, x); }
  friend PELLUCID_INLINE Pack operator+(Pack a, Pack b) { return {_mm512_add_pd(a.x, b.x)}; }
  friend PELLUCID_INLINE Pack operator-(Pack a, Pack b) { return {_mm512_sub_pd(a.x, b.x)}; }
  friend PELLUCID_INLINE Pack operator*(Pack a, Pack b) { return {_mm512_mul_pd(a.x, b.x)}; }
  friend PELLUCID_INLINE Pack operator/(Pack a, Pack b) { return {_mm512_div_pd(a.x, b.x)}; }
  friend PELLUCID_INLINE Pack fma(Pack a, Pack b, Pack c) { return {_mm512_fmadd_pd(a.x, b.x, c.x)}; }
  friend PELLUCID_INLINE Mask operator<=(Pack a, Pack b) { return {_mm512_cmp_pd_mask(a.x, b.x, _CMP_LE_OQ)}; }
  friend PELLUCID_INLINE Mask missing(Pack a) { return {_mm512_cmp_pd_mask(a.x, a.x, _CMP_UNORD_Q)}; }
  friend PELLUCID_INLINE Pack choose(Mask m, Pack yes, Pack no) { return {_mm512_mask_blend_pd(m.lanes, no.x, yes.x)}; }
  friend PELLUCID_INLINE Pack or_zero(Mask m, Pack yes) { return {_mm512_maskz_mov_pd(m.lanes, yes.x)}; }
};

// A set of up to 32 things per lane, and a place in a table.
struct Pattern {
  __m512i bits;
  static PELLUCID_INLINE Pattern none() { return {_mm512_setzero_si512()}; }
  PELLUCID_INLINE Pattern with(std::uint32_t bit, Mask where) const {
    return {_mm512_mask_or_epi64(bits, where.lanes, bits, _mm512_set1_epi64(bit))};
  }
  PELLUCID_INLINE Pattern without(std::uint32_t bit, Mask where) const {
    return {_mm512_mask_andnot_epi64(bits, where.lanes, _mm512_set1_epi64(bit), bits)};
  }
  PELLUCID_INLINE Pattern without(std::uint32_t bit) const {
    return {_mm512_andnot_si512(_mm512_set1_epi64(bit), bits)};
  }
};

// table[pattern]; a table of 2^players entries is a few registers when it is small.
template <std::size_t players>
PELLUCID_INLINE Pack look_up(const double* table, Pattern at) {
  if constexpr (players <= 3) {
    return {_mm512_permutexvar_pd(at.bits, _mm512_loadu_pd(table))};
  } else if constexpr (players == 4) {
    return {_mm512_permutex2var_pd(_mm512_loadu_pd(table), at.bits, _mm512_loadu_pd(table + 8))};
  } else if constexpr (players <= 6) {
    const __mmask8 upper = _mm512_test_epi64_mask(at.bits, _mm512_set1_epi64(1 << (players - 1)));
    constexpr std::size_t half = players - 1;
    const Pack low = look_up<half>(table, at), high = look_up<half>(table + (1 << half), at);
    return {_mm512_mask_blend_pd(upper, low.x, high.x)};
  } else {
    return {_mm512_i64gather_pd(at.bits, table, 8)};
  }
}

#elif defined(__AVX2__)

struct Mask {
  __m256d lanes;  // all bits of a lane, or none
  static Mask all(bool yes) { return {_mm256_castsi256_pd(_mm256_set1_epi64x(-std::int64_t(yes)))}; }
  friend PELLUCID_INLINE Mask operator&(Mask a, Mask b) { return {_mm256_and_pd(a.lanes, b.lanes)}; }
  friend PELLUCID_INLINE Mask operator|(Mask a, Mask b) { return {_mm256_or_pd(a.lanes, b.lanes)}; }
  friend PELLUCID_INLINE Mask operator~(Mask a) { return {_mm256_xor_pd(a.lanes, all(true).lanes)}; }
};

struct Pack {
  static constexpr std::size_t lanes = 4;
  __m256d x;
  static PELLUCID_INLINE Pack of(double value) { return {_mm256_set1_pd(value)}; }
  static PELLUCID_INLINE Pack load(const double* from) { return {_mm256_load_pd(from)}; }
  PELLUCID_INLINE void store(double* to) const { _mm256_store_pd(to, x); }
  friend PELLUCID_INLINE Pack operator+(Pack a, Pack b) { return {_mm256_add_pd(a.x, b.x)}; }
  friend PELLUCID_INLINE Pack operator-(Pack a, Pack b) { return {_mm256_sub_pd(a.x, b.x)}; }
  friend PELLUCID_INLINE Pack operator*(Pack a, Pack b) { return {_mm256_mul_pd(a.x, b.x)}; }
  friend PELLUCID_INLINE Pack operator/(Pack a, Pack b) { return {_mm256_div_pd(a.x, b.x)}; }
  friend PELLUCID_INLINE Pack fma(Pack a, Pack b, Pack c) { return {_mm256_fmadd_pd(a.x, b.x, c.x)}; }
  friend PELLUCID_INLINE Mask operator<=(Pack a, Pack b) { return {_mm256_cmp_pd(a.x, b.x, _CMP_LE_OQ)}; }
  friend PELLUCID_INLINE Mask missing(Pack a) { return {_mm256_cmp_pd(a.x, a.x, _CMP_UNORD_Q)}; }
  friend PELLUCID_INLINE Pack choose(Mask m, Pack yes, Pack no) { return {_mm256_blendv_pd(no.x, yes.x, m.lanes)}; }
  friend PELLUCID_INLINE Pack or_zero(Mask m, Pack yes) { return {_mm256_and_pd(yes.x, m.lanes)}; }
};

struct Pattern {
  __m256i bits;
  static PELLUCID_INLINE Pattern none() { return {_mm256_setzero_si256()}; }
  PELLUCID_INLINE Pattern with(std::uint32_t bit, Mask where) const {
    return {_mm256_or_si256(bits, _mm256_and_si256(_mm256_castpd_si256(where.lanes), _mm256_set1_epi64x(bit)))};
  }
  PELLUCID_INLINE Pattern without(std::uint32_t bit, Mask where) const {
    return {_mm256_andnot_si256(_mm256_and_si256(_mm256_castpd_si256(where.lanes), _mm256_set1_epi64x(bit)), bits)};
  }
  PELLUCID_INLINE Pattern without(std::uint32_t bit) const {
    return {_mm256_andnot_si256(_mm256_set1_epi64x(bit), bits)};
  }
};

template <std::size_t players>
PELLUCID_INLINE Pack look_up(const double* table, Pattern at) {
  return {_mm256_i64gather_pd(table, at.bits, 8)};
}

#else

// One lane; loops over packs are what the compiler makes vectors of.
struct Mask {
  std::uint64_t lanes;
  static Mask all(bool yes) { return {-std::uint64_t(yes)}; }
  friend PELLUCID_INLINE Mask operator&(Mask a, Mask b) { return {a.lanes & b.lanes}; }
  friend PELLUCID_INLINE Mask operator|(Mask a, Mask b) { return {a.lanes | b.lanes}; }
  friend PELLUCID_INLINE Mask operator~(Mask a) { return {~a.lanes}; }
};

struct Pack {
  static constexpr std::size_t lanes = 1;
  double x;
  static PELLUCID_INLINE Pack of(double value) { return {value}; }
  static PELLUCID_INLINE Pack load(const double* from) { return {*from}; }
  PELLUCID_INLINE void store(double* to) const { *to = x; }
  friend PELLUCID_INLINE Pack operator+(Pack a, Pack b) { return {a.x + b.x}; }
  friend PELLUCID_INLINE Pack operator-(Pack a, Pack b) { return {a.x - b.x}; }
  friend PELLUCID_INLINE Pack operator*(Pack a, Pack b) { return {a.x * b.x}; }
  friend PELLUCID_INLINE Pack operator/(Pack a, Pack b) { return {a.x / b.x}; }
  friend PELLUCID_INLINE Pack fma(Pack a, Pack b, Pack c) { return {a.x * b.x + c.x}; }
  friend PELLUCID_INLINE Mask operator<=(Pack a, Pack b) { return Mask::all(a.x <= b.x); }
  friend PELLUCID_INLINE Mask missing(Pack a) { return Mask::all(a.x != a.x); }
  friend PELLUCID_INLINE Pack choose(Mask m, Pack yes, Pack no) {
    const auto a = std::bit_cast<std::uint64_t>(yes.x), b = std::bit_cast<std::uint64_t>(no.x);
    return {std::bit_cast<double>(b ^ ((a ^ b) & m.lanes))};
  }
  friend PELLUCID_INLINE Pack or_zero(Mask m, Pack yes) {
    return {std::bit_cast<double>(std::bit_cast<std::uint64_t>(yes.x) & m.lanes)};
  }
};

struct Pattern {
  std::uint64_t bits;
  static PELLUCID_INLINE Pattern none() { return {0}; }
  PELLUCID_INLINE Pattern with(std::uint32_t bit, Mask where) const { return {bits | (bit & where.lanes)}; }
  PELLUCID_INLINE Pattern without(std::uint32_t bit, Mask where) const { return {bits & ~(bit & where.lanes)}; }
  PELLUCID_INLINE Pattern without(std::uint32_t bit) const { return {bits & ~std::uint64_t(bit)}; }
};

template <std::size_t players>
PELLUCID_INLINE Pack look_up(const double* table, Pattern at) {
  return {table[at.bits]};
}

#endif

// The same for one row, or one point.
PELLUCID_INLINE double fma(double a, double b, double c) {
#if defined(__AVX2__) || defined(__AVX512F__)
  return std::fma(a, b, c);
#else
  return a * b + c;
#endif
}

PELLUCID_INLINE bool goes_left(double x, double threshold, bool missing_left) {
  return (x <= threshold) | ((x != x) & missing_left);
}

// Rows whose value is up to the threshold, or missing where that goes left too.
PELLUCID_INLINE Mask goes_left(const double* x, double threshold, bool missing_left) {
  const Pack value = Pack::load(x);
  return (value <= Pack::of(threshold)) | (missing(value) & Mask::all(missing_left));
}

}  // namespace
}  // namespace pellucid
