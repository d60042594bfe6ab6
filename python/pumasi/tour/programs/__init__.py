"""One program per idea, each complete in itself; none of them is imported by another."""
