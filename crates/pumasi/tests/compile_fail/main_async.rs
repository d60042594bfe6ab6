//! `init` must run before a runtime starts its threads.

#[pumasi::main]
async fn main() {}
