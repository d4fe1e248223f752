// Threads over items that do not depend on each other, so their number cannot change an answer.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace pellucid {

constexpr std::size_t divided_up(std::size_t count, std::size_t by) { return (count + by - 1) / by; }

// How many of `count` things make an item, at most `most`: as large as may be with the same work for every thread,
// in `least` rounds of all threads or more.
constexpr std::size_t per_item(std::size_t count, std::size_t most, std::size_t threads, std::size_t least = 1) {
  const std::size_t rounds = std::max(least, divided_up(count, most * threads));
  return std::max<std::size_t>(1, divided_up(count, rounds * threads));
}

// Calls make_worker() once per thread and the worker with each of 0 ... items - 1, in any order.
// The first exception stops the others and is thrown again here.
template <class MakeWorker>
void parallel_for(std::size_t items, std::size_t threads, MakeWorker make_worker) {
  std::atomic<std::size_t> next{0};
  std::exception_ptr failure;
  std::mutex lock;
  auto run = [&] {
    try {
      auto worker = make_worker();
      for (std::size_t item = next++; item < items; item = next++) worker(item);
    } catch (...) {
      const std::lock_guard<std::mutex> guard(lock);
      if (!failure) failure = std::current_exception();
      next = items;
    }
  };
  std::vector<std::jthread> others;
  const std::size_t count = std::min(threads, items);
  for (std::size_t i = 1; i < count; ++i) others.emplace_back(run);
  run();
  for (auto& other : others) other.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace pellucid
