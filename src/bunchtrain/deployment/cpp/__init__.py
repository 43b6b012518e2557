"""C++: a network as a list of layers in JSON, read by a runtime without dependencies."""
