"""C++ export: a network as a list of layers in JSON, and a runtime without dependencies."""
