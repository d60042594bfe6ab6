//! The other side: a process or a thread that does what it is ordered to.

use std::error::Error;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pumasi::process::{Builder, Call, Child};
use pumasi::{Barrier, Queue};
use pumasi_bench::timing::Contender;

/// One end of a connection over which messages of one size go both ways.
pub trait Link {
    /// Sends a message; waits while there is no room for it.
    fn send(&mut self);
    /// Waits for a message and looks at both its ends.
    fn receive(&mut self);
}

/// What a peer at the other end of a link is to do, and how often.
const ECHO: u64 = 0;
const TAKE: u64 = 1;

/// Orders: what, and how often. Closed at the end.
pub type Orders = Queue<(u64, u64)>;

/// Ends this process in ten minutes: of two processes that wait for each other because a third
/// went wrong, neither would.
pub fn end_if_it_hangs() {
    // SAFETY: sets a timer whose signal nobody handles.
    unsafe { libc::alarm(600) };
}

/// The peer's side of a connection.
pub fn serve(orders: &Orders, link: &mut dyn Link) {
    for order in orders.until_closed() {
        match order.expect("orders") {
            (ECHO, times) => {
                for _ in 0..times {
                    link.receive();
                    link.send();
                }
            }
            (_, times) => {
                for _ in 0..times {
                    link.receive();
                }
                link.send();
            }
        }
    }
}

/// The peer's side of working on the same thing: begins and ends with ours.
pub fn work(orders: &Orders, together: &Barrier, mut operation: impl FnMut(u64)) {
    for order in orders.until_closed() {
        let (_, times) = order.expect("orders");
        together.wait().expect("nobody dies here");
        (0..times).for_each(&mut operation);
        together.wait().expect("nobody dies here");
    }
}

enum Other {
    Process(Child<()>),
    Thread(JoinHandle<()>),
}

/// A running peer, which ends when this is dropped.
pub struct Peer {
    orders: Orders,
    other: Option<Other>,
}

impl Peer {
    /// A process that does what `call` makes of its orders.
    pub fn process(call: impl FnOnce(Orders) -> Call<()>) -> Result<Peer, Box<dyn Error>> {
        let orders = Orders::new()?;
        let child = Builder::new().daemon(true).spawn(call(orders.clone()))?;
        Ok(Peer {
            orders,
            other: Some(Other::Process(child)),
        })
    }

    /// A thread of this process.
    pub fn thread(work: impl FnOnce(Orders) + Send + 'static) -> Result<Peer, Box<dyn Error>> {
        let orders = Orders::new()?;
        let its = orders.clone();
        let thread = std::thread::spawn(move || work(its));
        Ok(Peer {
            orders,
            other: Some(Other::Thread(thread)),
        })
    }

    /// How long messages take one way: half of there and back.
    pub fn one_way<'a>(self, name: &'static str, mut link: impl Link + 'a) -> Contender<'a> {
        Contender::new(name, move |times| self.echo(times, &mut link) / 2)
    }

    /// How long messages take there and back.
    pub fn there_and_back<'a>(self, name: &'static str, mut link: impl Link + 'a) -> Contender<'a> {
        Contender::new(name, move |times| self.echo(times, &mut link))
    }

    /// How long each of many messages takes that are sent as fast as they can be, until the last
    /// one has arrived.
    pub fn stream<'a>(self, name: &'static str, mut link: impl Link + 'a) -> Contender<'a> {
        Contender::new(name, move |times| {
            self.order(TAKE, times);
            let start = Instant::now();
            (0..times).for_each(|_| link.send());
            link.receive();
            start.elapsed()
        })
    }

    /// How long an operation takes while two are at it, of both together: two who do not hinder
    /// each other take half as long as one. `prepare` does not count.
    pub fn contended<'a>(
        self,
        name: &'static str,
        together: Barrier,
        mut prepare: impl FnMut() + 'a,
        mut operation: impl FnMut(u64) + 'a,
    ) -> Contender<'a> {
        Contender::new(name, move |times| {
            prepare();
            self.order(0, times);
            together.wait().expect("nobody dies here");
            let start = Instant::now();
            (0..times).for_each(&mut operation);
            together.wait().expect("nobody dies here");
            start.elapsed() / 2
        })
    }

    fn echo(&self, times: u64, link: &mut dyn Link) -> Duration {
        self.order(ECHO, times);
        let start = Instant::now();
        for _ in 0..times {
            link.send();
            link.receive();
        }
        start.elapsed()
    }

    fn order(&self, what: u64, times: u64) {
        self.orders.put((what, times)).expect("memory for an order");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.orders.close();
        match self.other.take() {
            Some(Other::Process(child)) => drop(child.join()),
            Some(Other::Thread(thread)) => drop(thread.join()),
            None => {}
        }
    }
}
