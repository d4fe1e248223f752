// Compiled once for each instruction set: everything that works on rows side by side.
#include "interacting.hpp"
#include "mixing.hpp"
#include "path_walk.hpp"
#include "pool_walk.hpp"
#include "products.hpp"
#include "row_walk.hpp"
#include "table_walk.hpp"

namespace pellucid {
namespace {

template <std::size_t B>
constexpr TableKernel table_kernel{TableWalk<B, false>::scratch_bytes, look_up_values<B>, look_up_interactions<B>,
                                   look_up_tree<B>};

template <class Real, std::size_t B>
constexpr BlockKernels<Real> block_kernels{
    {B * Pack<Real>::lanes, scratch_bytes<Real, B>, run<Real, B, false>, run<Real, B, true>},
    table_kernel<B * packs_of_doubles<Real>>};

// Interactions and tables of leaves have no kernel for a single row.
template <class Real>
constexpr BlockKernels<Real> row_kernels{
    {1, RowWalk<Real, most_points>::scratch_bytes, run_row<Real>, nullptr},
    {nullptr, nullptr, nullptr, look_up_row}};

template <class Real>
constexpr SizedKernels<Real> sized_kernels{block_kernels<Real, (Pack<Real>::lanes > 1 ? 4 : 8)>, block_kernels<Real, 1>,
                                     row_kernels<Real>};

}  // namespace

#if defined(__AVX512F__)
extern const Kernels kernels_avx512{
    "avx512", tile_rows, tile_columns, mix<std::uint64_t>, mix<std::uint32_t>, multiply, substitute, interact,
    look_ahead, catch_up, take, sized_kernels<double>, sized_kernels<float>};
#elif defined(__AVX2__)
extern const Kernels kernels_avx2{
    "avx2", tile_rows, tile_columns, mix<std::uint64_t>, mix<std::uint32_t>, multiply, substitute, interact,
    look_ahead, catch_up, take, sized_kernels<double>, sized_kernels<float>};
#else
extern const Kernels kernels_generic{
    "generic", tile_rows, tile_columns, mix<std::uint64_t>, mix<std::uint32_t>, multiply, substitute, interact,
    look_ahead, catch_up, take, sized_kernels<double>, sized_kernels<float>};
#endif

}  // namespace pellucid
