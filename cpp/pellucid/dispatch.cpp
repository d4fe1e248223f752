#include "path_kernel.hpp"

namespace pellucid {

extern const Kernels kernels_generic, kernels_avx2, kernels_avx512;

std::vector<const Kernels*> kernels() {
  std::vector<const Kernels*> found;
#if defined(PELLUCID_X86)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw")) {
    found.push_back(&kernels_avx512);
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) found.push_back(&kernels_avx2);
#endif
  found.push_back(&kernels_generic);
  return found;
}

}  // namespace pellucid
