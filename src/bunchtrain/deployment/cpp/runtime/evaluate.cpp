// evaluate network.json events.bin scores.bin: writes the scores of all events, float32, a row each.
#include <cstdio>
#include <exception>

#include "events.h"

int main(int count, char** words) {
  if (count != 4) {
    std::fprintf(stderr, "usage: %s network.json events.bin scores.bin\n", words[0]);
    return 2;
  }
  try {
    const auto network = bunchtrain::Network::from_file(words[1]);
    const bunchtrain::Events events(words[2], network);
    auto space = network.workspace(events.max_points());
    std::ofstream file(words[3], std::ios::binary);
    for (std::size_t event = 0; event < events.size(); ++event) {
      events.run(network, space, event);
      for (std::size_t i = 0; i < network.outputs().size(); ++i)
        file.write(reinterpret_cast<const char*>(space.output(i)),
                   static_cast<std::streamsize>(network.outputs()[i].scores.size() * sizeof(float)));
    }
    return file.flush() ? 0 : 1;
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "%s\n", problem.what());
    return 1;
  }
}
