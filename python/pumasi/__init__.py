"""Shared memory for many processes: a drop-in for multiprocessing, in Rust."""
