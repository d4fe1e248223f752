// Sets of background rows as bits.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "ensemble.hpp"

namespace pellucid {

struct alignas(64) Cohort {
  static constexpr std::size_t words = 8;
  static constexpr std::size_t capacity = 64 * words;

  std::array<std::uint64_t, words> bits{};

  static Cohort first(std::size_t count) {
    Cohort cohort;
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

  friend Cohort operator&(const Cohort& a, const Cohort& b) {
    Cohort both;
    for (std::size_t i = 0; i < words; ++i) both.bits[i] = a.bits[i] & b.bits[i];
    return both;
  }

  friend Cohort without(const Cohort& a, const Cohort& b) {
    Cohort rest;
    for (std::size_t i = 0; i < words; ++i) rest.bits[i] = a.bits[i] & ~b.bits[i];
    return rest;
  }
};

// A piece of the background: for each node, which of its rows go left there.
struct Piece {
  Cohort everyone;
  std::vector<Cohort> lefts;

  Piece(const Ensemble& trees, const Matrix& background, std::size_t first, std::size_t threads);
};

}  // namespace pellucid
