//! Shared memory for many processes: locks and containers that survive a killed worker.
