// bench network.json events.bin [seconds]: latency of one event at a time, in microseconds.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "events.h"

namespace {

double now() {
  const auto time = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(time).count();
}

}  // namespace

int main(int count, char** words) {
  if (count < 3) {
    std::fprintf(stderr, "usage: %s network.json events.bin [seconds]\n", words[0]);
    return 2;
  }
  try {
    const auto network = bunchtrain::Network::from_file(words[1]);
    const bunchtrain::Events events(words[2], network);
    const double seconds = count > 3 ? std::atof(words[3]) : 1.0;
    auto space = network.workspace(events.max_points());
    std::vector<double> rounds;
    const double until = now() + seconds;
    do {
      const double begin = now();
      for (std::size_t event = 0; event < events.size(); ++event) events.run(network, space, event);
      rounds.push_back(1e6 * (now() - begin) / static_cast<double>(events.size()));
    } while (now() < until);
    std::sort(rounds.begin(), rounds.end());
    std::printf("{\"median_us\": %.4g, \"least_us\": %.4g, \"rounds\": %zu}\n",
                rounds[rounds.size() / 2], rounds.front(), rounds.size());
    return 0;
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "%s\n", problem.what());
    return 1;
  }
}
