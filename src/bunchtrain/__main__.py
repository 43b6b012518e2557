"""`python -m bunchtrain` is the command."""

from bunchtrain.cli import main

main()
