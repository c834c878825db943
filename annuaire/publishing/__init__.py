"""Pure writers: entries in, bytes of a file format out."""
