"""The local index that every answer is read from (LMDB, roaring bitmaps, numpy)."""
