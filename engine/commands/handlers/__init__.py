"""The commands by subject: each file lists its own in COMMANDS, so adding a command is one file."""
