//! The command line of pumasi.
