"""`python -m suite.cli`: the same as `suite`."""

from suite.cli import main

main()
