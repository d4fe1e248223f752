// Compiled once for each instruction set: everything that works on rows side by side.
#include "path_walk.hpp"
#include "table_walk.hpp"

namespace pellucid {
namespace {

template <std::size_t B>
constexpr PathKernel path_kernel{B * Pack::lanes, scratch_bytes<B>, reset<B>, run<B, false>, run<B, true>};

template <std::size_t B>
constexpr TableKernel table_kernel{TableWalk<B, false>::scratch_bytes, look_up_values<B>, look_up_interactions<B>,
                                       look_up_tree<B>};

constexpr std::size_t packs = Pack::lanes > 1 ? 4 : 8;

}  // namespace

#if defined(__AVX512F__)
extern const Kernels kernels_avx512{"avx512", path_kernel<packs>, path_kernel<1>, table_kernel<packs>, table_kernel<1>};
#elif defined(__AVX2__)
extern const Kernels kernels_avx2{"avx2", path_kernel<packs>, path_kernel<1>, table_kernel<packs>, table_kernel<1>};
#else
extern const Kernels kernels_generic{"generic", path_kernel<packs>, path_kernel<1>, table_kernel<packs>,
                                     table_kernel<1>};
#endif

}  // namespace pellucid
