"""Pure readers: bytes of a source file in, records and refusals out."""
