// Sets of background rows as bits.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "ensemble.hpp"

namespace pellucid {

template <std::size_t words>
struct alignas(8 * words) CohortOf {
  static constexpr std::size_t capacity = 64 * words;

  std::array<std::uint64_t, words> bits{};

  static CohortOf first(std::size_t count) {
    CohortOf cohort;
    for (std::size_t i = 0; i < std::min(count, capacity); ++i) cohort.insert(i);
    return cohort;
  }

  void insert(std::size_t i, bool really = true) { bits[i / 64] |= std::uint64_t(really) << (i % 64); }

  bool empty() const {
    std::uint64_t any = 0;
    for (const std::uint64_t word : bits) any |= word;
    return any == 0;
  }

  // Counts bits in every byte of every word at once: plain operations that any processor has vectors of.
  std::size_t size() const {
    constexpr std::uint64_t twos = 0x5555555555555555, fours = 0x3333333333333333, bytes = 0x0f0f0f0f0f0f0f0f;
    std::uint64_t sum = 0;  // eight counters, each at most 64
    for (const std::uint64_t word : bits) {
      const std::uint64_t pairs = word - ((word >> 1) & twos);
      const std::uint64_t nibbles = (pairs & fours) + ((pairs >> 2) & fours);
      sum += (nibbles + (nibbles >> 4)) & bytes;
    }
    constexpr std::uint64_t wide = 0x00ff00ff00ff00ff;
    return std::size_t((((sum & wide) + ((sum >> 8) & wide)) * 0x0001000100010001) >> 48);
  }

  // This set, or none.
  CohortOf only_if(bool really) const {
    CohortOf kept;
    for (std::size_t i = 0; i < words; ++i) kept.bits[i] = bits[i] & -std::uint64_t(really);
    return kept;
  }

  // The same set where all of it is among the first rows.
  template <std::size_t fewer>
  CohortOf<fewer> among_first() const {
    CohortOf<fewer> same;
    std::copy_n(bits.begin(), fewer, same.bits.begin());
    return same;
  }

  friend CohortOf operator&(const CohortOf& a, const CohortOf& b) {
    CohortOf both;
    for (std::size_t i = 0; i < words; ++i) both.bits[i] = a.bits[i] & b.bits[i];
    return both;
  }

  friend CohortOf without(const CohortOf& a, const CohortOf& b) {
    CohortOf rest;
    for (std::size_t i = 0; i < words; ++i) rest.bits[i] = a.bits[i] & ~b.bits[i];
    return rest;
  }
};

using Cohort = CohortOf<8>;

// A piece of the background: for each node, which of its rows go left there.
struct Piece {
  Cohort everyone;
  std::vector<Cohort> lefts;

  Piece(const Ensemble& trees, const Matrix& background, std::size_t first, std::size_t threads);
};

}  // namespace pellucid
