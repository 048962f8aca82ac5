"""`python -m suite`: the same as `suite`."""

from suite.cli import main

main()
