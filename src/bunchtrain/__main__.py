"""`python -m bunchtrain` is the command."""

from bunchtrain.cli.main import main

main()
