// Memory for vectors: at a multiple of 64 bytes, all zeros.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace pellucid {

class Scratch {
 public:
  explicit Scratch(std::size_t bytes = 0) : bytes_(new (std::align_val_t(64)) std::byte[bytes]()) {}
  std::byte* bytes() { return bytes_.get(); }
  template <class Real = double>
  Real* numbers() { return reinterpret_cast<Real*>(bytes_.get()); }
  const double* numbers() const { return reinterpret_cast<const double*>(bytes_.get()); }

 private:
  struct Free {
    void operator()(std::byte* bytes) const { ::operator delete[](bytes, std::align_val_t(64)); }
  };
  std::unique_ptr<std::byte[], Free> bytes_;
};

}  // namespace pellucid
