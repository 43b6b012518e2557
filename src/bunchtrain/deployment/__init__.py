"""Export of trained models: ONNX, C++, lwtnn, firmware and HLS, each numerically verified."""
