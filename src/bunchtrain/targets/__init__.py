"""What is predicted: targets by name, and the quantities that models predict of them."""

from bunchtrain.targets.assignment import Assignment
from bunchtrain.targets.quantity import Quantity
from bunchtrain.targets.target import Target

__all__ = ["Assignment", "Quantity", "Target"]
