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
#include <cstring>
#include <type_traits>

#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

#if defined(_MSC_VER)
#define PELLUCID_INLINE __forceinline
#define PELLUCID_ONE_BY_ONE
#define PELLUCID_ALL_AT_ONCE
#else
#define PELLUCID_INLINE inline __attribute__((always_inline))
// Before a loop: over packs, which do not fit the registers together; over points, which do.
#define PELLUCID_ONE_BY_ONE _Pragma("GCC unroll 1")
#define PELLUCID_ALL_AT_ONCE _Pragma("GCC unroll 8")
#endif

namespace pellucid {
namespace {

// What an instruction set must know of each kind of number: a register of them, a mask of its lanes (`where` reads one),
// and the operations that have no operator. Rows are compared, and a table is looked up, in doubles only; `join` makes of two masks of doubles
// one of floats.
template <class Real>
struct Registers;

#if defined(__AVX512F__)

template <class Bits>
struct MaskOf {
  Bits lanes;
  static MaskOf all(bool yes) { return {Bits(-int(yes))}; }
  friend PELLUCID_INLINE MaskOf operator&(MaskOf a, MaskOf b) { return {Bits(a.lanes & b.lanes)}; }
  friend PELLUCID_INLINE MaskOf operator~(MaskOf a) { return {Bits(~a.lanes)}; }
};

template <>
struct Registers<double> {
  using Vector = __m512d;
  using Mask = MaskOf<__mmask8>;
  static PELLUCID_INLINE Vector of(double value) { return _mm512_set1_pd(value); }
  static PELLUCID_INLINE Mask where(const bool* yes) {
    const __m128i bytes = _mm_loadu_si64(yes);
    return {__mmask8(_mm_test_epi8_mask(bytes, bytes))};
  }
  static PELLUCID_INLINE Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_pd(a, b, c); }
  static PELLUCID_INLINE Mask up_to(Vector a, Vector b) { return {_mm512_cmp_pd_mask(a, b, _CMP_LE_OQ)}; }
  static PELLUCID_INLINE Vector choose(Mask m, Vector yes, Vector no) { return _mm512_mask_blend_pd(m.lanes, no, yes); }
  static PELLUCID_INLINE Vector or_zero(Mask m, Vector yes) { return _mm512_maskz_mov_pd(m.lanes, yes); }
};

template <>
struct Registers<float> {
  using Vector = __m512;
  using Mask = MaskOf<__mmask16>;
  static PELLUCID_INLINE Vector of(float value) { return _mm512_set1_ps(value); }
  static PELLUCID_INLINE Mask where(const bool* yes) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(yes));
    return {_mm_test_epi8_mask(bytes, bytes)};
  }
  static PELLUCID_INLINE Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
  static PELLUCID_INLINE Vector choose(Mask m, Vector yes, Vector no) { return _mm512_mask_blend_ps(m.lanes, no, yes); }
  static PELLUCID_INLINE Vector or_zero(Mask m, Vector yes) { return _mm512_maskz_mov_ps(m.lanes, yes); }
};

PELLUCID_INLINE MaskOf<__mmask16> join(MaskOf<__mmask8> low, MaskOf<__mmask8> high) {
  return {_mm512_kunpackb(high.lanes, low.lanes)};
}

#elif defined(__AVX2__)

struct Mask {
  __m256i lanes;  // all bits of a lane, or none
  static Mask all(bool yes) { return {_mm256_set1_epi64x(-std::int64_t(yes))}; }
  friend PELLUCID_INLINE Mask operator&(Mask a, Mask b) { return {_mm256_and_si256(a.lanes, b.lanes)}; }
  friend PELLUCID_INLINE Mask operator~(Mask a) { return {_mm256_xor_si256(a.lanes, all(true).lanes)}; }
};

PELLUCID_INLINE Mask join(Mask low, Mask high) {
  const __m256 halves = _mm256_shuffle_ps(_mm256_castsi256_ps(low.lanes), _mm256_castsi256_ps(high.lanes), 0x88);
  return {_mm256_permute4x64_epi64(_mm256_castps_si256(halves), 0xd8)};
}

template <>
struct Registers<double> {
  using Vector = __m256d;
  using Mask = pellucid::Mask;
  static PELLUCID_INLINE Vector of(double value) { return _mm256_set1_pd(value); }
  static PELLUCID_INLINE Mask where(const bool* yes) {
    std::int32_t bytes;  // _mm_loadu_si32 is wrong in early compilers
    std::memcpy(&bytes, yes, sizeof bytes);
    return {_mm256_sub_epi64(_mm256_setzero_si256(), _mm256_cvtepu8_epi64(_mm_cvtsi32_si128(bytes)))};
  }
  static PELLUCID_INLINE Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_pd(a, b, c); }
  static PELLUCID_INLINE Mask up_to(Vector a, Vector b) {
    return {_mm256_castpd_si256(_mm256_cmp_pd(a, b, _CMP_LE_OQ))};
  }
  static PELLUCID_INLINE Vector choose(Mask m, Vector yes, Vector no) {
    return _mm256_blendv_pd(no, yes, _mm256_castsi256_pd(m.lanes));
  }
  static PELLUCID_INLINE Vector or_zero(Mask m, Vector yes) { return _mm256_and_pd(yes, _mm256_castsi256_pd(m.lanes)); }
};

template <>
struct Registers<float> {
  using Vector = __m256;
  using Mask = pellucid::Mask;
  static PELLUCID_INLINE Vector of(float value) { return _mm256_set1_ps(value); }
  static PELLUCID_INLINE Mask where(const bool* yes) {
    return {_mm256_sub_epi32(_mm256_setzero_si256(), _mm256_cvtepu8_epi32(_mm_loadu_si64(yes)))};
  }
  static PELLUCID_INLINE Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
  static PELLUCID_INLINE Vector choose(Mask m, Vector yes, Vector no) {
    return _mm256_blendv_ps(no, yes, _mm256_castsi256_ps(m.lanes));
  }
  static PELLUCID_INLINE Vector or_zero(Mask m, Vector yes) { return _mm256_and_ps(yes, _mm256_castsi256_ps(m.lanes)); }
};

#elif defined(__GNUC__)

// Sixteen bytes, which the compiler knows what to do with on any processor.
template <class Real>
struct Registers {
  using Word = std::conditional_t<sizeof(Real) == 8, std::int64_t, std::int32_t>;
  typedef Real Vector __attribute__((vector_size(16)));
  typedef Word Bits __attribute__((vector_size(16)));
  struct Mask {
    Bits lanes;
    static Mask all(bool yes) { return {Bits{} - Word(yes)}; }
    friend PELLUCID_INLINE Mask operator&(Mask a, Mask b) { return {a.lanes & b.lanes}; }
    friend PELLUCID_INLINE Mask operator~(Mask a) { return {~a.lanes}; }
  };
  static PELLUCID_INLINE Vector of(Real value) { return value - Vector{}; }
  static PELLUCID_INLINE Mask where(const bool* yes) {
    if constexpr (sizeof(Real) == 8) return {-Bits{yes[0], yes[1]}};
    else return {-Bits{yes[0], yes[1], yes[2], yes[3]}};
  }
  static PELLUCID_INLINE Vector fma(Vector a, Vector b, Vector c) { return a * b + c; }
  static PELLUCID_INLINE Mask up_to(Vector a, Vector b) { return {std::bit_cast<Bits>(a <= b)}; }
  static PELLUCID_INLINE Vector choose(Mask m, Vector yes, Vector no) {
    const Bits a = std::bit_cast<Bits>(yes), b = std::bit_cast<Bits>(no);
    return std::bit_cast<Vector>(b ^ ((a ^ b) & m.lanes));
  }
  static PELLUCID_INLINE Vector or_zero(Mask m, Vector yes) {
    return std::bit_cast<Vector>(std::bit_cast<Bits>(yes) & m.lanes);
  }
};

PELLUCID_INLINE Registers<float>::Mask join(Registers<double>::Mask low, Registers<double>::Mask high) {
  const auto lane = [](std::int64_t wide) { return std::int32_t(wide); };
  return {Registers<float>::Bits{lane(low.lanes[0]), lane(low.lanes[1]), lane(high.lanes[0]), lane(high.lanes[1])}};
}

#else

// One lane.
struct Mask {
  std::uint64_t lanes;
  static Mask all(bool yes) { return {-std::uint64_t(yes)}; }
  friend PELLUCID_INLINE Mask operator&(Mask a, Mask b) { return {a.lanes & b.lanes}; }
  friend PELLUCID_INLINE Mask operator~(Mask a) { return {~a.lanes}; }
};

PELLUCID_INLINE Mask join(Mask low, Mask) { return low; }

template <class Real>
struct Registers {
  using Vector = Real;
  using Mask = pellucid::Mask;
  using Bits = std::conditional_t<sizeof(Real) == 8, std::uint64_t, std::uint32_t>;
  static PELLUCID_INLINE Real of(Real value) { return value; }
  static PELLUCID_INLINE Mask where(const bool* yes) { return Mask::all(*yes); }
  static PELLUCID_INLINE Real fma(Real a, Real b, Real c) { return a * b + c; }
  static PELLUCID_INLINE Mask up_to(Real a, Real b) { return Mask::all(a <= b); }
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
  using Mask = typename Known::Mask;
  static constexpr std::size_t lanes = sizeof(Vector) / sizeof(Real);
  Vector x;
  static PELLUCID_INLINE Pack of(Real value) { return {Known::of(value)}; }
  static PELLUCID_INLINE Pack load(const Real* from) { return {*reinterpret_cast<const Vector*>(from)}; }
  PELLUCID_INLINE void store(Real* to) const { *reinterpret_cast<Vector*>(to) = x; }
  // The same from and to any place, bit for bit.
  static PELLUCID_INLINE Pack load_any(const void* from) {
    Pack found;
    std::memcpy(&found.x, from, sizeof found.x);
    return found;
  }
  PELLUCID_INLINE void store_any(void* to) const { std::memcpy(to, &x, sizeof x); }
  friend PELLUCID_INLINE Pack operator+(Pack a, Pack b) { return {a.x + b.x}; }
  friend PELLUCID_INLINE Pack operator-(Pack a, Pack b) { return {a.x - b.x}; }
  friend PELLUCID_INLINE Pack operator*(Pack a, Pack b) { return {a.x * b.x}; }
  friend PELLUCID_INLINE Pack operator/(Pack a, Pack b) { return {a.x / b.x}; }
  friend PELLUCID_INLINE Pack fma(Pack a, Pack b, Pack c) { return {Known::fma(a.x, b.x, c.x)}; }
  friend PELLUCID_INLINE Mask operator<=(Pack a, Pack b) { return Known::up_to(a.x, b.x); }
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

// Rows of which a split sends those up to its threshold left.
PELLUCID_INLINE Pack<double>::Mask going_left(const double* x, double threshold) {
  return Pack<double>::load(x) <= Pack<double>::of(threshold);
}

// As many rows as a pack has; they are compared in float64 whatever is reckoned in.
template <class Real>
PELLUCID_INLINE typename Pack<Real>::Mask rows_going_left(const double* x, double threshold) {
  if constexpr (packs_of_doubles<Real> == 1) return going_left(x, threshold);
  else return join(going_left(x, threshold), going_left(x + Pack<double>::lanes, threshold));
}

// A set of up to 32 things per lane of doubles, and a place in a table.
struct Pattern {
  using Mask = Pack<double>::Mask;
#if defined(__AVX512F__)
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
#elif defined(__GNUC__)
  Registers<double>::Bits bits;
  static PELLUCID_INLINE Pattern none() { return {Registers<double>::Bits{}}; }
  PELLUCID_INLINE Pattern with(std::uint32_t bit, Mask where) const { return {bits | (where.lanes & std::int64_t(bit))}; }
  PELLUCID_INLINE Pattern without(std::uint32_t bit, Mask where) const {
    return {bits & ~(where.lanes & std::int64_t(bit))};
  }
  PELLUCID_INLINE Pattern without(std::uint32_t bit) const { return {bits & ~std::int64_t(bit)}; }
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
#elif defined(__GNUC__)
  return {Registers<double>::Vector{table[at.bits[0]], table[at.bits[1]]}};
#else
  return {table[at.bits]};
#endif
}

}  // namespace
}  // namespace pellucid
