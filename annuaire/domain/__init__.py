"""Pure rules of the field: standard library only, no socket, no database, time is an argument."""
