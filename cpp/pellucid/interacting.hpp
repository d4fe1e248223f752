// Interactions of the odd process (likelihood.cpp) at many sums side by side. For kernels.cpp only.
#pragma once

#include <array>

#include "path_kernel.hpp"
#include "simd.hpp"

namespace pellucid {
namespace {

// 2^k of a sum k + 1.5·2^52 + 1023, whose last bits are the exponent.
PELLUCID_INLINE Pack<double> power_of_two(Pack<double> sum) {
#if defined(__AVX512F__)
  return {_mm512_castsi512_pd(_mm512_slli_epi64(_mm512_castpd_si512(sum.x), 52))};
#elif defined(__AVX2__)
  return {_mm256_castsi256_pd(_mm256_slli_epi64(_mm256_castpd_si256(sum.x), 52))};
#elif defined(__GNUC__)
  using Bits = Registers<double>::Bits;
  return {std::bit_cast<Registers<double>::Vector>(std::bit_cast<Bits>(sum.x) << 52)};
#else
  return {std::bit_cast<double>(std::bit_cast<std::uint64_t>(sum.x) << 52)};
#endif
}

// exp(x) to the last bits, from exp(-708) to exp(708): 2^k exp(r), and the series of exp(r) for |r| < log(2) / 2.
PELLUCID_INLINE Pack<double> exponential(Pack<double> x) {
  using P = Pack<double>;
  constexpr auto inverse_factorials = [] {
    std::array<double, 14> found{1.0};
    for (std::size_t k = 1; k < found.size(); ++k) found[k] = found[k - 1] / double(k);
    return found;
  }();
  const P most = P::of(708.0), least = P::of(-708.0), magic = P::of(0x1.8p52 + 1023.0);
  x = choose(x <= most, x, most);
  x = choose(x <= least, least, x);
  const P sum = fma(x, P::of(0x1.71547652b82fep0), magic), k = sum - magic;
  // log(2) in two parts, of which the first times k has no rounding
  const P rest = fma(k, P::of(-0x1.a39ef35793c76p-33), fma(k, P::of(-0x1.62e42feep-1), x));
  P series = P::of(inverse_factorials.back());
  PELLUCID_ALL_AT_ONCE
  for (std::size_t i = inverse_factorials.size() - 1; i-- > 0;) series = fma(series, rest, P::of(inverse_factorials[i]));
  return series * power_of_two(sum);
}

void interact(const InteractTask& task) {
  using P = Pack<double>;
  const P line = P::of(task.line), cube = P::of(task.cube), shift = P::of(task.shift), three = P::of(3.0);
  const P product = P::of(task.product), zero = P::of(0.0);
  for (std::size_t j = 0; j < task.count; j += P::lanes) {
    const P z = P::load(task.powers + j), squared = cube * z * z, up = exponential(z - shift);
    // A division is quicker than another exponential.
    const P down = task.product > 0.0 ? product / up : exponential(zero - z - shift);
    const P powers = (line + squared) * z, exponentials = up - down;
    powers.store(task.powers + j);
    exponentials.store(task.exponentials + j);
    (line + three * squared + up + down).store(task.by_z + j);
    (P::load(task.whole + j) + (powers + exponentials)).store(task.whole + j);
  }
}

}  // namespace
}  // namespace pellucid
