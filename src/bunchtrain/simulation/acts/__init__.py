"""Events in a tracker by ACTS, in child processes."""
