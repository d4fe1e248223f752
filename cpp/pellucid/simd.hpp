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
#include <type_traits>

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

// What an instruction set must know of each kind of number: a register of them, and the operations that have no
// operator. A mask serves both kinds; a table is looked up for doubles only.
template <class Real>
struct Registers;

#if defined(__AVX512F__)

struct Mask {
  __mmask16 lanes;
  static Mask all(bool yes) { return {__mmask16(-int(yes))}; }
  friend PELLUCID_INLINE Mask operator&(Mask a, Mask b) { return {__mmask16(a.lanes & b.lanes)}; }
  friend PELLUCID_INLINE Mask operator|(Mask a, Mask b) { return {__mmask16(a.lanes | b.lanes)}; }
  friend PELLUCID_INLINE Mask operator~(Mask a) { return {__mmask16(~a.lanes)}; }
  // Two masks of doubles as one of floats.
  static PELLUCID_INLINE Mask join(Mask low, Mask high) { return {_mm512_kunpackb(high.lanes, low.lanes)}; }
};

template <>
struct Registers<double> {
  using Vector = __m512d;
  static PELLUCID_INLINE Vector of(double value) { return _mm512_set1_pd(value); }
  static PELLUCID_INLINE Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_pd(a, b, c); }
  static PELLUCID_INLINE Mask up_to(Vector a, Vector b) { return {_mm512_cmp_pd_mask(a, b, _CMP_LE_OQ)}; }
  static PELLUCID_INLINE Mask not_above(Vector a, Vector b) { return {_mm512_cmp_pd_mask(a, b, _CMP_NGT_UQ)}; }
  static PELLUCID_INLINE Vector choose(Mask m, Vector yes, Vector no) {
    return _mm512_mask_blend_pd(__mmask8(m.lanes), no, yes);
  }
  static PELLUCID_INLINE Vector or_zero(Mask m, Vector yes) { return _mm512_maskz_mov_pd(__mmask8(m.lanes), yes); }
};

template <>
struct Registers<float> {
  using Vector = __m512;
  static PELLUCID_INLINE Vector of(float value) { return _mm512_set1_ps(value); }
  static PELLUCID_INLINE Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
  static PELLUCID_INLINE Vector choose(Mask m, Vector yes, Vector no) { return _mm512_mask_blend_ps(m.lanes, no, yes); }
  static PELLUCID_INLINE Vector or_zero(Mask m, Vector yes) { return _mm512_maskz_mov_ps(m.lanes, yes); }
};

#elif defined(__AVX2__)

struct Mask {
  __m256i lanes;  // all bits of a lane, or none
  static Mask all(bool yes) { return {_mm256_set1_epi64x(-std::int64_t(yes))}; }
  friend PELLUCID_INLINE Mask operator&(Mask a, Mask b) { return {_mm256_and_si256(a.lanes, b.lanes)}; }
  friend PELLUCID_INLINE Mask operator|(Mask a, Mask b) { return {_mm256_or_si256(a.lanes, b.lanes)}; }
  friend PELLUCID_INLINE Mask operator~(Mask a) { return {_mm256_xor_si256(a.lanes, all(true).lanes)}; }
  static PELLUCID_INLINE Mask join(Mask low, Mask high) {
    const __m256 halves = _mm256_shuffle_ps(_mm256_castsi256_ps(low.lanes), _mm256_castsi256_ps(high.lanes), 0x88);
    return {_mm256_permute4x64_epi64(_mm256_castps_si256(halves), 0xd8)};
  }
};

template <>
struct Registers<double> {
  using Vector = __m256d;
  static PELLUCID_INLINE Vector of(double value) { return _mm256_set1_pd(value); }
  static PELLUCID_INLINE Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_pd(a, b, c); }
  static PELLUCID_INLINE Mask up_to(Vector a, Vector b) {
    return {_mm256_castpd_si256(_mm256_cmp_pd(a, b, _CMP_LE_OQ))};
  }
  static PELLUCID_INLINE Mask not_above(Vector a, Vector b) {
    return {_mm256_castpd_si256(_mm256_cmp_pd(a, b, _CMP_NGT_UQ))};
  }
  static PELLUCID_INLINE Vector choose(Mask m, Vector yes, Vector no) {
    return _mm256_blendv_pd(no, yes, _mm256_castsi256_pd(m.lanes));
  }
  static PELLUCID_INLINE Vector or_zero(Mask m, Vector yes) { return _mm256_and_pd(yes, _mm256_castsi256_pd(m.lanes)); }
};

template <>
struct Registers<float> {
  using Vector = __m256;
  static PELLUCID_INLINE Vector of(float value) { return _mm256_set1_ps(value); }
  static PELLUCID_INLINE Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
  static PELLUCID_INLINE Vector choose(Mask m, Vector yes, Vector no) {
    return _mm256_blendv_ps(no, yes, _mm256_castsi256_ps(m.lanes));
  }
  static PELLUCID_INLINE Vector or_zero(Mask m, Vector yes) { return _mm256_and_ps(yes, _mm256_castsi256_ps(m.lanes)); }
};

#else

// One lane; loops over packs are what the compiler makes vectors of.
struct Mask {
  std::uint64_t lanes;
  static Mask all(bool yes) { return {-std::uint64_t(yes)}; }
  friend PELLUCID_INLINE Mask operator&(Mask a, Mask b) { return {a.lanes & b.lanes}; }
  friend PELLUCID_INLINE Mask operator|(Mask a, Mask b) { return {a.lanes | b.lanes}; }
  friend PELLUCID_INLINE Mask operator~(Mask a) { return {~a.lanes}; }
  static PELLUCID_INLINE Mask join(Mask low, Mask) { return low; }
};

template <class Real>
struct Registers {
  using Vector = Real;
  using Bits = std::conditional_t<sizeof(Real) == 8, std::uint64_t, std::uint32_t>;
  static PELLUCID_INLINE Real of(Real value) { return value; }
  static PELLUCID_INLINE Real fma(Real a, Real b, Real c) { return a * b + c; }
  static PELLUCID_INLINE Mask up_to(Real a, Real b) { return Mask::all(a <= b); }
  static PELLUCID_INLINE Mask not_above(Real a, Real b) { return Mask::all(!(a > b)); }
  static PELLUCID_INLINE Real choose(Mask m, Real yes, Real no) {
    const auto a = std::bit_cast<Bits>(yes), b = std::bit_cast<Bits>(no);
    return std::bit_cast<Real>(Bits(b ^ ((a ^ b) & Bits(m.lanes))));
  }
  static PELLUCID_INLINE Real or_zero(Mask m, Real yes) {
    return std::bit_cast<Real>(Bits(std::bit_cast<Bits>(yes) & Bits(m.lanes)));
  }
};

#endif

template <class Real>
struct Pack {
  using Known = Registers<Real>;
  using Vector = typename Known::Vector;
  static constexpr std::size_t lanes = sizeof(Vector) / sizeof(Real);
  Vector x;
  static PELLUCID_INLINE Pack of(Real value) { return {Known::of(value)}; }
  static PELLUCID_INLINE Pack load(const Real* from) { return {*reinterpret_cast<const Vector*>(from)}; }
  PELLUCID_INLINE void store(Real* to) const { *reinterpret_cast<Vector*>(to) = x; }
  friend PELLUCID_INLINE Pack operator+(Pack a, Pack b) { return {a.x + b.x}; }
  friend PELLUCID_INLINE Pack operator-(Pack a, Pack b) { return {a.x - b.x}; }
  friend PELLUCID_INLINE Pack operator*(Pack a, Pack b) { return {a.x * b.x}; }
  friend PELLUCID_INLINE Pack operator/(Pack a, Pack b) { return {a.x / b.x}; }
  friend PELLUCID_INLINE Pack fma(Pack a, Pack b, Pack c) { return {Known::fma(a.x, b.x, c.x)}; }
  friend PELLUCID_INLINE Mask operator<=(Pack a, Pack b) { return Known::up_to(a.x, b.x); }
  friend PELLUCID_INLINE Mask not_above(Pack a, Pack b) { return Known::not_above(a.x, b.x); }  // or missing
  friend PELLUCID_INLINE Pack choose(Mask m, Pack yes, Pack no) { return {Known::choose(m, yes.x, no.x)}; }
  friend PELLUCID_INLINE Pack or_zero(Mask m, Pack yes) { return {Known::or_zero(m, yes.x)}; }
};

// Floats have up to twice the lanes of doubles.
template <class Real>
inline constexpr std::size_t packs_of_doubles = Pack<Real>::lanes / Pack<double>::lanes;

// The same for one row, or one point.
template <class Real>
PELLUCID_INLINE Real fma(Real a, Real b, Real c) {
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
  const auto value = Pack<double>::load(x), most = Pack<double>::of(threshold);
  return missing_left ? not_above(value, most) : value <= most;
}

// As many rows as a pack has; they are compared in float64 whatever is reckoned in.
template <class Real>
PELLUCID_INLINE Mask rows_going_left(const double* x, double threshold, bool missing_left) {
  const Mask low = goes_left(x, threshold, missing_left);
  if constexpr (packs_of_doubles<Real> == 1) return low;
  else return Mask::join(low, goes_left(x + Pack<double>::lanes, threshold, missing_left));
}

// A set of up to 32 things per lane of doubles, and a place in a table.
struct Pattern {
#if defined(__AVX512F__)
  __m512i bits;
  static PELLUCID_INLINE Pattern none() { return {_mm512_setzero_si512()}; }
  PELLUCID_INLINE Pattern with(std::uint32_t bit, Mask where) const {
    return {_mm512_mask_or_epi64(bits, __mmask8(where.lanes), bits, _mm512_set1_epi64(bit))};
  }
  PELLUCID_INLINE Pattern without(std::uint32_t bit, Mask where) const {
    return {_mm512_mask_andnot_epi64(bits, __mmask8(where.lanes), _mm512_set1_epi64(bit), bits)};
  }
  PELLUCID_INLINE Pattern without(std::uint32_t bit) const {
    return {_mm512_andnot_si512(_mm512_set1_epi64(bit), bits)};
  }
#elif defined(__AVX2__)
  __m256i bits;
  static PELLUCID_INLINE Pattern none() { return {_mm256_setzero_si256()}; }
  PELLUCID_INLINE Pattern with(std::uint32_t bit, Mask where) const {
    return {_mm256_or_si256(bits, _mm256_and_si256(where.lanes, _mm256_set1_epi64x(bit)))};
  }
  PELLUCID_INLINE Pattern without(std::uint32_t bit, Mask where) const {
    return {_mm256_andnot_si256(_mm256_and_si256(where.lanes, _mm256_set1_epi64x(bit)), bits)};
  }
  PELLUCID_INLINE Pattern without(std::uint32_t bit) const {
    return {_mm256_andnot_si256(_mm256_set1_epi64x(bit), bits)};
  }
#else
  std::uint64_t bits;
  static PELLUCID_INLINE Pattern none() { return {0}; }
  PELLUCID_INLINE Pattern with(std::uint32_t bit, Mask where) const { return {bits | (bit & where.lanes)}; }
  PELLUCID_INLINE Pattern without(std::uint32_t bit, Mask where) const { return {bits & ~(bit & where.lanes)}; }
  PELLUCID_INLINE Pattern without(std::uint32_t bit) const { return {bits & ~std::uint64_t(bit)}; }
#endif
};

// table[pattern]; where registers are wide a table of 2^players entries is a few of them when it is small.
template <std::size_t players>
PELLUCID_INLINE Pack<double> look_up(const double* table, Pattern at) {
#if defined(__AVX512F__)
  if constexpr (players <= 3) {
    return {_mm512_permutexvar_pd(at.bits, _mm512_loadu_pd(table))};
  } else if constexpr (players == 4) {
    return {_mm512_permutex2var_pd(_mm512_loadu_pd(table), at.bits, _mm512_loadu_pd(table + 8))};
  } else if constexpr (players <= 6) {
    const __mmask8 upper = _mm512_test_epi64_mask(at.bits, _mm512_set1_epi64(1 << (players - 1)));
    constexpr std::size_t half = players - 1;
    const auto low = look_up<half>(table, at), high = look_up<half>(table + (1 << half), at);
    return {_mm512_mask_blend_pd(upper, low.x, high.x)};
  } else {
    return {_mm512_i64gather_pd(at.bits, table, 8)};
  }
#elif defined(__AVX2__)
  return {_mm256_i64gather_pd(table, at.bits, 8)};
#else
  return {table[at.bits]};
#endif
}

}  // namespace
}  // namespace pellucid
