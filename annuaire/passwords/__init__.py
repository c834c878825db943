"""Hashes of passwords: what is made here, and what directories before this one made. Bytes in, a verdict out."""
