"""Everything that waits, reads, writes or listens."""
