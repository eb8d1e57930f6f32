"""The batch line format: reading, checking and writing JSONL, line by line. Pure, and the hot path."""
