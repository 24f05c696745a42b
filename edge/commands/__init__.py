"""One module for each command, imported only when it is the one that was asked for; ``edge.cli`` lists them."""
