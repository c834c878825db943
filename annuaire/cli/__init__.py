"""The command line: one file a group of commands; text for people is French."""
