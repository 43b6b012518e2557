// Prints the scores of the first events of example.bin: make example.run && ./example.run
#include <cstdio>
#include <exception>

#include "events.h"

int main() {
  try {
    const auto network = bunchtrain::Network::from_file("network.json");
    const bunchtrain::Events events("example.bin", network);
    auto space = network.workspace(events.max_points());
    for (std::size_t event = 0; event < events.size() && event < 5; ++event) {
      events.run(network, space, event);
      for (std::size_t i = 0; i < network.outputs().size(); ++i)
        for (std::size_t j = 0; j < network.outputs()[i].scores.size(); ++j)
          std::printf("%s %.6g  ", network.outputs()[i].scores[j].c_str(), space.output(i)[j]);
      std::printf("\n");
    }
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "%s\n", problem.what());
    return 1;
  }
}
