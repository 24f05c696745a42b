"""The control room's program: hears every node, keeps what they say, shows it, and carries the operators' answers."""
