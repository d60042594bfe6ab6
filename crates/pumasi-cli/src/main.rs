//! The program `pumasi`: the library's command line, run by itself.

#![deny(unsafe_code)]

use pumasi_cli::Embedding;

fn main() {
    std::process::exit(pumasi_cli::run(
        std::env::args_os(),
        Embedding::standalone(),
    ));
}
