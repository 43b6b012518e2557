"""Methods with a loss of their own, which are trained without targets."""
