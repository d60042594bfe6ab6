//! Messages from one process to another, and between threads as the limit.
//!
//! - *one way, polled*: half of the time there and back, while both sides look again and again
//!   without sleeping, which takes a core each.
//! - *there and back*: both sides sleep while they wait.
//! - *many*: one side sends as fast as it can, at most 64 messages lie in between, until the other
//!   one has received the last. Without iceoryx2, whose sender sleeps for milliseconds where there is
//!   no room: it is made for readers who keep up, or who may miss something.

use std::error::Error;

use ipc_channel::ipc::{IpcOneShotServer, IpcSender};
use pumasi::{Queue, Vector};
use pumasi_bench::report::Row;
use pumasi_bench::timing::{Contender, Effort, in_turns};

use crate::links::{self, Iceoryx, IpcBytes, IpcEnds, IpcNumbers, Ours, Threads};
use crate::peer::{self, Link, Orders, Peer};

type Made<T> = Result<T, Box<dyn Error>>;

const OURS: &str = "pumasi Queue";
const CROSSBEAM: &str = "crossbeam-channel, threads";
const ICEORYX: &str = "iceoryx2";
const IPC: &str = "ipc-channel";

#[pumasi::task]
fn numbers(orders: Orders, to: Queue<u64>, from: Queue<u64>, polls: bool) {
    peer::end_if_it_hangs();
    peer::serve(&orders, &mut links::numbers((to, from), polls));
}

#[pumasi::task]
fn copies(orders: Orders, to: Queue<Vec<u8>>, from: Queue<Vec<u8>>, polls: bool) {
    peer::end_if_it_hangs();
    peer::serve(&orders, &mut links::copies((to, from), polls));
}

#[pumasi::task]
fn references(orders: Orders, to: Queue<Vector<u8>>, from: Queue<Vector<u8>>, polls: bool) {
    peer::end_if_it_hangs();
    peer::serve(&orders, &mut links::references((to, from), polls));
}

#[pumasi::task]
fn iceoryx(orders: Orders, to: String, from: String, size: usize) {
    peer::end_if_it_hangs();
    let mut link = Iceoryx::new(&to, &from, size).expect("an end of iceoryx2");
    peer::serve(&orders, &mut link);
}

#[pumasi::task]
fn ipc(orders: Orders, server: String, small: bool) {
    peer::end_if_it_hangs();
    let (mine, theirs) = links::ipc_ends().expect("channels");
    IpcSender::connect(server)
        .expect("the server")
        .send(theirs)
        .expect("the server");
    if small {
        peer::serve(&orders, &mut IpcNumbers(mine.0.0, mine.0.1));
    } else {
        peer::serve(&orders, &mut IpcBytes::new(mine.1));
    }
}

/// Measures all messages and hands out each row when it is done.
pub fn run(effort: Effort, print: &mut dyn FnMut(Row)) -> Made<()> {
    let mut row = |operation, contenders: Vec<Contender<'_>>| {
        print(Row {
            operation,
            at_most: None,
            samples: in_turns(contenders, effort),
        });
    };

    let (ours, threads, rival) = (
        our_numbers(true)?,
        self::threads(links::thread_numbers(true))?,
        over_iceoryx(8)?,
    );
    row(
        "8 bytes one way, polled",
        vec![
            ours.0.one_way(OURS, ours.1),
            rival.0.one_way(ICEORYX, rival.1),
            threads.0.one_way(CROSSBEAM, threads.1),
        ],
    );
    let (ours, threads, rival) = (
        our_copies(true)?,
        self::threads(links::thread_buffers(true))?,
        over_iceoryx(links::LARGE)?,
    );
    row(
        "64 KiB one way, polled",
        vec![
            ours.0.one_way(OURS, ours.1),
            rival.0.one_way(ICEORYX, rival.1),
            threads.0.one_way(CROSSBEAM, threads.1),
        ],
    );
    let (ours, rival) = (our_references(true)?, over_iceoryx(links::LARGE)?);
    row(
        "64 KiB one way by reference, polled",
        vec![
            ours.0.one_way("pumasi Queue of Vectors", ours.1),
            rival.0.one_way(ICEORYX, rival.1),
        ],
    );

    let (ours, threads, rival) = (
        our_numbers(false)?,
        self::threads(links::thread_numbers(false))?,
        ipc_numbers()?,
    );
    row(
        "8 bytes there and back",
        vec![
            ours.0.there_and_back(OURS, ours.1),
            rival.0.there_and_back(IPC, rival.1),
            threads.0.there_and_back(CROSSBEAM, threads.1),
        ],
    );
    let (ours, threads, rival) = (
        our_copies(false)?,
        self::threads(links::thread_buffers(false))?,
        ipc_bytes()?,
    );
    row(
        "64 KiB there and back",
        vec![
            ours.0.there_and_back(OURS, ours.1),
            rival.0.there_and_back(IPC, rival.1),
            threads.0.there_and_back(CROSSBEAM, threads.1),
        ],
    );

    let (ours, threads) = (
        our_numbers(false)?,
        self::threads(links::thread_numbers(false))?,
    );
    let rival = ipc_numbers()?;
    row(
        "many of 8 bytes",
        vec![
            ours.0.stream(OURS, ours.1),
            rival.0.stream(IPC, rival.1),
            threads.0.stream(CROSSBEAM, threads.1),
        ],
    );
    let (ours, threads) = (
        our_copies(false)?,
        self::threads(links::thread_buffers(false))?,
    );
    let rival = ipc_bytes()?;
    row(
        "many of 64 KiB",
        vec![
            ours.0.stream(OURS, ours.1),
            rival.0.stream(IPC, rival.1),
            threads.0.stream(CROSSBEAM, threads.1),
        ],
    );
    Ok(())
}

// ---- connections: a peer at the other end, and this end ------------------------------------------

fn our_numbers(polls: bool) -> Made<(Peer, Ours<u64>)> {
    let [mine, (to, from)] = links::queues()?;
    Ok((
        Peer::process(|orders| numbers::call(orders, to, from, polls))?,
        links::numbers(mine, polls),
    ))
}

fn our_copies(polls: bool) -> Made<(Peer, Ours<Vec<u8>>)> {
    let [mine, (to, from)] = links::queues()?;
    Ok((
        Peer::process(|orders| copies::call(orders, to, from, polls))?,
        links::copies(mine, polls),
    ))
}

fn our_references(polls: bool) -> Made<(Peer, Ours<Vector<u8>>)> {
    let [mine, (to, from)] = links::queues()?;
    Ok((
        Peer::process(|orders| references::call(orders, to, from, polls))?,
        links::references(mine, polls),
    ))
}

fn threads<T: Send + 'static>([mine, mut its]: [Threads<T>; 2]) -> Made<(Peer, Threads<T>)> {
    Ok((
        Peer::thread(move |orders| peer::serve(&orders, &mut its))?,
        mine,
    ))
}

fn over_iceoryx(size: usize) -> Made<(Peer, Iceoryx)> {
    use std::sync::atomic::{AtomicU32, Ordering};
    static MADE: AtomicU32 = AtomicU32::new(0);
    let unique = format!(
        "pumasi-bench/{}/{}",
        std::process::id(),
        MADE.fetch_add(1, Ordering::Relaxed)
    );
    let (there, back) = (format!("{unique}/there"), format!("{unique}/back"));
    let link = Iceoryx::new(&there, &back, size)?;
    Ok((
        Peer::process(|orders| iceoryx::call(orders, back, there, size))?,
        link,
    ))
}

fn over_ipc(small: bool) -> Made<(Peer, IpcEnds)> {
    let (server, name) = IpcOneShotServer::<IpcEnds>::new()?;
    let peer = Peer::process(|orders| ipc::call(orders, name, small))?;
    Ok((peer, server.accept()?.1))
}

fn ipc_numbers() -> Made<(Peer, impl Link)> {
    let (peer, ends) = over_ipc(true)?;
    Ok((peer, IpcNumbers(ends.0.0, ends.0.1)))
}

fn ipc_bytes() -> Made<(Peer, impl Link)> {
    let (peer, ends) = over_ipc(false)?;
    Ok((peer, IpcBytes::new(ends.1)))
}
