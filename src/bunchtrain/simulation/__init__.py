"""Real simulators behind one function each."""
