// test network.json example.bin expected.bin [tolerance]: checks that the example has the expected
// scores, in several threads, and that `run` does not allocate.
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <thread>

#include "events.h"

namespace {
std::atomic<long> allocations{0};
}

[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size ? size : 1)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

using bunchtrain::Events;
using bunchtrain::Network;

// Returns the largest difference from the expected scores, relative to those above 1.
double largest_difference(const Network& network, const Events& events,
                          const std::vector<float>& expected) {
  auto space = network.workspace(events.max_points());
  double largest = 0;
  std::size_t place = 0;
  for (std::size_t event = 0; event < events.size(); ++event) {
    events.run(network, space, event);
    for (std::size_t i = 0; i < network.outputs().size(); ++i)
      for (std::size_t j = 0; j < network.outputs()[i].scores.size(); ++j) {
        const double wanted = expected.at(place++), found = space.output(i)[j];
        const double apart = std::abs(found - wanted) / std::max(1.0, std::abs(wanted));
        if (!(apart <= largest)) largest = apart;  // NaN counts as a difference
      }
  }
  return largest;
}

std::vector<float> read(const char* path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<float> values;
  float value;
  while (file.read(reinterpret_cast<char*>(&value), sizeof value)) values.push_back(value);
  return values;
}

int check(int count, char** words) {
  const Network network = Network::from_file(words[1]);
  const Events events(words[2], network);
  const std::vector<float> expected = read(words[3]);
  const double tolerance = count > 4 ? std::atof(words[4]) : 1e-5;

  double apart[4];
  std::vector<std::thread> threads;
  for (double& one : apart)
    threads.emplace_back([&] { one = largest_difference(network, events, expected); });
  for (std::thread& thread : threads) thread.join();

  auto space = network.workspace(events.max_points());
  const long before = allocations;
  for (std::size_t event = 0; event < events.size(); ++event) events.run(network, space, event);
  const long made = allocations - before;

  int failures = 0;
  for (const double one : apart)
    if (!(one <= tolerance)) ++failures;
  std::printf("%zu events in 4 threads: largest difference %.2g (at most %.0e), %ld allocations\n",
              events.size(), apart[0], tolerance, made);
  return failures || made ? 1 : 0;
}

}  // namespace

int main(int count, char** words) {
  if (count < 4) {
    std::fprintf(stderr, "usage: %s network.json example.bin expected.bin [tolerance]\n", words[0]);
    return 2;
  }
  try {
    return check(count, words);
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "%s\n", problem.what());
    return 1;
  }
}
