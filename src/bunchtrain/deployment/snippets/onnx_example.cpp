// Evaluates the events of example.bin with model.onnx, by the C++ interface of ONNX Runtime:
//   g++ -std=c++17 example.cpp -I onnxruntime/include -L onnxruntime/lib -lonnxruntime -o example
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <vector>

#include <onnxruntime_cxx_api.h>

// example.bin has, for each input of the model: int64 dimensions, their sizes, and the values.
int main() {
  Ort::Env environment(ORT_LOGGING_LEVEL_WARNING, "example");
  Ort::Session session(environment, "model.onnx", Ort::SessionOptions{});
  Ort::AllocatorWithDefaultOptions allocator;
  std::ifstream file("example.bin", std::ios::binary);

  std::vector<Ort::AllocatedStringPtr> texts;
  std::vector<const char*> names, targets;
  std::vector<Ort::Value> inputs;
  for (std::size_t i = 0; i < session.GetInputCount(); ++i) {
    texts.push_back(session.GetInputNameAllocated(i, allocator));
    names.push_back(texts.back().get());
    std::int64_t dimensions = 0;
    file.read(reinterpret_cast<char*>(&dimensions), sizeof dimensions);
    std::vector<std::int64_t> shape(static_cast<std::size_t>(dimensions));
    file.read(reinterpret_cast<char*>(shape.data()), dimensions * 8);
    const auto type = session.GetInputTypeInfo(i).GetTensorTypeAndShapeInfo().GetElementType();
    inputs.push_back(Ort::Value::CreateTensor(allocator, shape.data(), shape.size(), type));
    std::streamsize bytes = type == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64 ? 8 : 4;
    for (const std::int64_t size : shape) bytes *= size;
    file.read(inputs.back().GetTensorMutableData<char>(), bytes);
  }
  if (!file) {
    std::fprintf(stderr, "example.bin cannot be read\n");
    return 1;
  }
  for (std::size_t i = 0; i < session.GetOutputCount(); ++i) {
    texts.push_back(session.GetOutputNameAllocated(i, allocator));
    targets.push_back(texts.back().get());
  }
  const auto outputs = session.Run(Ort::RunOptions{}, names.data(), inputs.data(), inputs.size(),
                                   targets.data(), targets.size());
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const auto shape = outputs[i].GetTensorTypeAndShapeInfo().GetShape();
    const float* scores = outputs[i].GetTensorData<float>();
    std::printf("%s, scores of the first events:\n", targets[i]);
    for (std::int64_t event = 0; event < shape[0] && event < 5; ++event) {
      for (std::int64_t k = 0; k < shape[1]; ++k) std::printf(" %.6g", scores[event * shape[1] + k]);
      std::printf("\n");
    }
  }
}
