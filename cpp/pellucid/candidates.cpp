// A candidate that is taken has a row r, its covariances with all others by its standard deviation, and a direction d,
// those with the values. It takes r² from the others' variances and r d from their covariances V with the values.
//
// All that was taken before must be taken from a column, the covariances r and the products V·V of one candidate with all
// others. For several that are likely to be next this is one product of matrices; what is taken between then and the
// turn of a column is made up for when it comes.
#include "candidates.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <new>

namespace pellucid {
namespace {

constexpr std::size_t ahead = 12;   // columns made at once: whole multiples of the rows of any tile
constexpr std::size_t groups = 8;  // of columns that are remembered

// Numbers for vectors, as memory holds them: most are written before they are read, and some never.
class Room {
 public:
  explicit Room(std::size_t count) : data_(new (std::align_val_t(64)) double[count]) {}
  double* data() const { return data_.get(); }
  double& operator[](std::size_t i) const { return data_[i]; }

 private:
  struct Free {
    void operator()(double* data) const { ::operator delete[](data, std::align_val_t(64)); }
  };
  std::unique_ptr<double[], Free> data_;
};

class Search {
 public:
  Search(const Kernels& kernels, const Candidates& from, std::size_t steps, double tie, double dust)
      : kernels_(kernels), from_(from), tie_(tie), dust_(dust), count_(from.rows.rows), begun_(from.rows.columns),
        lanes_(kernels.tile_columns), tiles_((count_ + lanes_ - 1) / lanes_), room_(begun_ + steps),
        players_((from.values.columns + kernels.tile_rows - 1) / kernels.tile_rows * kernels.tile_rows),
        words_((from.values.columns + 63) / 64), known_(begun_), shown_(all() * words_), rows_(all() * room_),
        along_(all() * Pool::window), values_(all() * players_), squares_(all()), variance_(all()), gain_(all()),
        covariance_(groups * ahead * all()), product_(groups * ahead * all()), directions_(steps * players_),
        norm_(steps), slot_(count_, none), since_(groups) {
    lay_out();
    catch_up();
  }

  Taken take(std::size_t steps) {
    std::vector<std::size_t> order;
    for (std::size_t s = 0; s < steps; ++s) {
      order.push_back(best());
      take_one(order.back());
      know(order.back());
    }
    return {std::move(order), {gain_.data(), gain_.data() + count_}};
  }

 private:
  static constexpr std::size_t none = std::size_t(-1);

  std::size_t all() const { return tiles_ * lanes_; }

  Pool pool() const {
    return {tiles_, room_, players_, words_, dust_, shown_.data(), from_.of_distance.data(), rows_.data(), along_.data(),
            values_.data(), squares_.data(), variance_.data(), gain_.data()};
  }

  // Of a line of rows, along or values, which have so many lines.
  double& of(const Room& room, std::size_t lines, std::size_t line, std::size_t candidate) const {
    return room[(candidate / lanes_ * lines + line) * lanes_ + candidate % lanes_];
  }

  // Beyond the last candidate and the last player everything is 0.
  void lay_out() {
    const std::size_t n = from_.values.columns;
    for (std::size_t c = 0; c < all(); ++c) {
      variance_[c] = from_.variance;
      for (std::size_t s = 0; s < begun_; ++s) {
        const double row = c < count_ ? from_.rows(c, s) : 0.0;
        of(rows_, room_, s, c) = row;
        variance_[c] -= row * row;
      }
      for (std::size_t i = 0; i < players_; ++i) {
        const bool real = c < count_ && i < n;
        of(values_, players_, i, c) = real ? from_.values(c, i) : 0.0;
        if (real && from_.shown[c * n + i]) shown_[c * words_ + i / 64] |= std::uint64_t(1) << i % 64;
      }
    }
    for (std::size_t c = 0; c < begun_; ++c) know(c);
  }

  // Whatever comes, it tells nothing more.
  void know(std::size_t candidate) {
    variance_[candidate] = std::numeric_limits<double>::infinity();
    gain_[candidate] = 0.0;
  }

  // The first of those that rounding alone tells apart.
  std::size_t best() {
    const double most = *std::max_element(gain_.data(), gain_.data() + count_);
    std::size_t first = 0;
    while (gain_[first] < most * (1.0 - tie_)) ++first;
    return first;
  }

  void take_one(std::size_t best) {
    if (!looked_ahead(best)) look_ahead(best);
    const std::size_t since = since_[slot_[best] / ahead];
    const double deviation = std::sqrt(std::max(variance_[best], dust_));
    std::vector<double> own, lost;
    for (std::size_t s = since; s < known_; ++s) {
      own.push_back(-of(rows_, room_, s, best));
      lost.push_back(-of(along_, Pool::window, s % Pool::window, best) - own.back() * norm_[s - begun_]);
    }
    const double norm = direct(best, deviation);
    kernels_.take({pool(), since, known_, own.data(), lost.data(), 1.0 / deviation, norm,
                   covariance_.data() + slot_[best] * all(), product_.data() + slot_[best] * all()});
    norm_[known_ - begun_] = norm;
    ++known_;
  }

  // The negated direction of a candidate, and its squares.
  double direct(std::size_t best, double deviation) {
    double norm = 0;
    double* own = direction(known_);
    for (std::size_t i = 0; i < players_; ++i) {
      own[i] = -of(values_, players_, i, best);
      for (std::size_t s = caught_up_; s < known_; ++s) own[i] -= of(rows_, room_, s, best) * direction(s)[i];
      own[i] /= deviation;
      norm += own[i] * own[i];
    }
    return norm;
  }

  double* direction(std::size_t step) { return directions_.data() + (step - begun_) * players_; }

  // V as it is by now.
  void catch_up() {
    kernels_.catch_up({pool(), caught_up_, known_ - caught_up_, directions_.data() + (caught_up_ - begun_) * players_});
    caught_up_ = known_;
  }

  // Whether it has a column that can be brought up to date.
  bool looked_ahead(std::size_t candidate) const {
    return slot_[candidate] != none && known_ - since_[slot_[candidate] / ahead] <= Pool::window;
  }

  // Take all that was taken before from the best and from others whose turn may soon come.
  void look_ahead(std::size_t best) {
    catch_up();
    const std::size_t group = next_group_;
    next_group_ = (group + 1) % groups;
    for (std::size_t& slot : slot_) slot = slot / ahead == group ? none : slot;
    since_[group] = known_;
    const std::vector<std::size_t> columns = likely(best);
    std::vector<std::uint64_t> shown;
    std::vector<double> own, values;
    for (std::size_t k = 0; k < ahead; ++k) {
      const std::size_t c = columns[k];
      slot_[c] = group * ahead + k;
      for (std::size_t w = 0; w < words_; ++w) shown.push_back(shown_[c * words_ + w]);
      for (std::size_t s = 0; s < known_; ++s) own.push_back(-of(rows_, room_, s, c));
      for (std::size_t i = 0; i < players_; ++i) values.push_back(of(values_, players_, i, c));
    }
    kernels_.look_ahead({pool(), ahead, known_, shown.data(), own.data(), values.data(),
                         covariance_.data() + group * ahead * all(), product_.data() + group * ahead * all()});
  }

  // The best, and those of the others without a column that gain most; the best again where there are not so many.
  std::vector<std::size_t> likely(std::size_t best) const {
    std::vector<std::size_t> others;
    for (std::size_t c = 0; c < count_; ++c) {
      if (c != best && gain_[c] > 0.0 && !looked_ahead(c)) others.push_back(c);
    }
    const std::size_t some = std::min(others.size(), ahead - 1);
    std::nth_element(others.begin(), others.begin() + std::ptrdiff_t(some), others.end(),
                     [this](std::size_t a, std::size_t b) { return gain_[a] > gain_[b]; });
    others.resize(some);
    others.resize(ahead, best);
    return others;
  }

  const Kernels& kernels_;
  const Candidates& from_;
  const double tie_, dust_;
  const std::size_t count_, begun_, lanes_, tiles_, room_, players_, words_;
  std::size_t known_, caught_up_ = begun_, next_group_ = 0;
  std::vector<std::uint64_t> shown_;
  Room rows_, along_, values_, squares_, variance_, gain_, covariance_, product_;
  std::vector<double> directions_, norm_;  // of each step
  std::vector<std::size_t> slot_, since_;  // of each candidate's column; of each group of columns
};

}  // namespace

Taken take_best(const Kernels& kernels, const Candidates& candidates, std::size_t steps, double tie, double dust) {
  return Search(kernels, candidates, steps, tie, dust).take(steps);
}

}  // namespace pellucid
