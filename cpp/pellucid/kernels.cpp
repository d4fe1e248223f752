// Compiled once for each instruction set: everything that works on rows side by side.
#include "path_walk.hpp"
#include "row_walk.hpp"
#include "table_walk.hpp"

namespace pellucid {
namespace {

template <std::size_t B>
constexpr PathKernel path_kernel{B * Pack::lanes, scratch_bytes<B>, reset<B>, run<B, false>, run<B, true>};

template <std::size_t B>
constexpr TableKernel table_kernel{TableWalk<B, false>::scratch_bytes, look_up_values<B>, look_up_interactions<B>,
                                       look_up_tree<B>};

constexpr std::size_t packs = Pack::lanes > 1 ? 4 : 8;

// Interactions and tables of leaves have no kernel for a single row.
constexpr PathKernel row_kernel{1, RowWalk<most_points>::scratch_bytes, [](const Shape&, std::byte*) {}, run_row, nullptr};
constexpr TableKernel row_tables{nullptr, nullptr, nullptr, look_up_row};

}  // namespace

#if defined(__AVX512F__)
#define PELLUCID_KERNELS kernels_avx512{"avx512",
#elif defined(__AVX2__)
#define PELLUCID_KERNELS kernels_avx2{"avx2",
#else
#define PELLUCID_KERNELS kernels_generic{"generic",
#endif

extern const Kernels PELLUCID_KERNELS path_kernel<packs>, path_kernel<1>, row_kernel,
    table_kernel<packs>, table_kernel<1>, row_tables};

}  // namespace pellucid
