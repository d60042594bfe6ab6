//! The ways a message can go, each behind [`Link`].
//!
//! A large message is 64 KiB from a buffer of the sender's; whoever receives it looks at its first
//! and last byte. Nobody dies here, so that any trouble is a broken benchmark, and a panic.

use std::hint::{black_box, spin_loop};

use crossbeam_channel::{Receiver, Sender, bounded};
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::*;
use iceoryx2::service::ipc as ipc_service;
use ipc_channel::ipc::{self, IpcBytesReceiver, IpcBytesSender, IpcReceiver, IpcSender};
use pumasi::containers::Element;
use pumasi::{Queue, Vector};

use crate::peer::Link;

/// The length of a large message.
pub const LARGE: usize = 1 << 16;
/// How many messages may lie between the two sides.
pub const BOUND: usize = 64;

/// What a large message is made of.
pub fn large() -> Vec<u8> {
    (0..LARGE).map(|i| i as u8).collect()
}

fn look(bytes: &[u8]) {
    assert_eq!(bytes.len(), LARGE);
    black_box((bytes[0], bytes[LARGE - 1]));
}

// ---- pumasi ------------------------------------------------------------------------------------

/// Puts a message into a queue.
type Put<T> = Box<dyn FnMut(&Queue<T>)>;

/// A queue for each direction.
pub struct Ours<T> {
    to: Queue<T>,
    from: Queue<T>,
    polls: bool,
    send: Put<T>,
    look: fn(T),
}

impl<T: Element> Ours<T> {
    fn new(
        ends: (Queue<T>, Queue<T>),
        polls: bool,
        send: impl FnMut(&Queue<T>) + 'static,
        look: fn(T),
    ) -> Self {
        Ours {
            to: ends.0,
            from: ends.1,
            polls,
            send: Box::new(send),
            look,
        }
    }
}

/// Numbers.
pub fn numbers(ends: (Queue<u64>, Queue<u64>), polls: bool) -> Ours<u64> {
    let send = |to: &Queue<u64>| to.put(black_box(7)).expect("memory for a number");
    Ours::new(ends, polls, send, |number| assert_eq!(number, 7))
}

/// Large messages, copied in and out.
pub fn copies(ends: (Queue<Vec<u8>>, Queue<Vec<u8>>), polls: bool) -> Ours<Vec<u8>> {
    let bytes = large();
    let send = move |to: &Queue<Vec<u8>>| to.put(&bytes[..]).expect("memory for 64 KiB");
    Ours::new(ends, polls, send, |bytes| look(&bytes))
}

/// Large messages as vectors, copied in and looked at where they lie.
pub fn references(ends: (Queue<Vector<u8>>, Queue<Vector<u8>>), polls: bool) -> Ours<Vector<u8>> {
    let bytes = large();
    let send = move |to: &Queue<Vector<u8>>| {
        to.put(Vector::from_slice(&bytes).expect("memory for 64 KiB"))
            .expect("a reference");
    };
    Ours::new(ends, polls, send, |vector| {
        let ends = (
            vector.first().expect("a vector"),
            vector.last().expect("a vector"),
        );
        assert_eq!(black_box(ends), (Some(0), Some(255)));
    })
}

/// A queue for each direction, and the same for the other side.
pub fn queues<T: Element>() -> pumasi::Result<[(Queue<T>, Queue<T>); 2]> {
    let (there, back) = (Queue::bounded(BOUND)?, Queue::bounded(BOUND)?);
    Ok([(there.clone(), back.clone()), (back, there)])
}

impl<T: Element> Link for Ours<T> {
    fn send(&mut self) {
        (self.send)(&self.to);
    }

    fn receive(&mut self) {
        if self.polls {
            while self.from.is_empty() {
                spin_loop();
            }
        }
        (self.look)(self.from.get().expect("an item"));
    }
}

// ---- crossbeam-channel, between threads --------------------------------------------------------

/// A bounded channel for each direction.
pub struct Threads<T> {
    to: Sender<T>,
    from: Receiver<T>,
    polls: bool,
    make: Box<dyn FnMut() -> T + Send>,
    look: fn(T),
}

impl<T> Threads<T> {
    /// Both ends of a connection.
    pub fn pair<F>(polls: bool, make: impl Fn() -> F, look: fn(T)) -> [Threads<T>; 2]
    where
        F: FnMut() -> T + Send + 'static,
    {
        let (there, here) = (bounded(BOUND), bounded(BOUND));
        [(there.0, here.1), (here.0, there.1)].map(|(to, from)| Threads {
            to,
            from,
            polls,
            make: Box::new(make()),
            look,
        })
    }
}

/// Both ends of a connection for numbers.
pub fn thread_numbers(polls: bool) -> [Threads<u64>; 2] {
    Threads::pair(polls, || || black_box(7), |number| assert_eq!(number, 7))
}

/// Both ends of a connection for large messages: copied once, then moved.
pub fn thread_buffers(polls: bool) -> [Threads<Vec<u8>>; 2] {
    let make = || {
        let bytes = large();
        move || bytes.clone()
    };
    Threads::pair(polls, make, |bytes| look(&bytes))
}

impl<T> Link for Threads<T> {
    fn send(&mut self) {
        self.to.send((self.make)()).expect("the other thread");
    }

    fn receive(&mut self) {
        if self.polls {
            while self.from.is_empty() {
                spin_loop();
            }
        }
        (self.look)(self.from.recv().expect("the other thread"));
    }
}

// ---- ipc-channel -------------------------------------------------------------------------------

/// What the child sends to the one who started it, for this one to use: channels for numbers and
/// for bytes, each to and from the child.
pub type IpcEnds = (
    (IpcSender<u64>, IpcReceiver<u64>),
    (IpcBytesSender, IpcBytesReceiver),
);

/// Both halves of new channels: the child's, and what it sends away.
pub fn ipc_ends() -> std::io::Result<(IpcEnds, IpcEnds)> {
    let (there, back) = (ipc::channel()?, ipc::channel()?);
    let (bytes_there, bytes_back) = (ipc::bytes_channel()?, ipc::bytes_channel()?);
    Ok((
        ((back.0, there.1), (bytes_back.0, bytes_there.1)),
        ((there.0, back.1), (bytes_there.0, bytes_back.1)),
    ))
}

/// Numbers through a channel of ipc-channel, which writes them down as any type.
pub struct IpcNumbers(pub IpcSender<u64>, pub IpcReceiver<u64>);

impl Link for IpcNumbers {
    fn send(&mut self) {
        self.0.send(black_box(7)).expect("the other process");
    }

    fn receive(&mut self) {
        assert_eq!(self.1.recv().expect("the other process"), 7);
    }
}

/// Large messages through a channel of ipc-channel for bytes, its fastest.
pub struct IpcBytes {
    to: IpcBytesSender,
    from: IpcBytesReceiver,
    bytes: Vec<u8>,
}

impl IpcBytes {
    /// One end.
    pub fn new(ends: (IpcBytesSender, IpcBytesReceiver)) -> IpcBytes {
        IpcBytes {
            to: ends.0,
            from: ends.1,
            bytes: large(),
        }
    }
}

impl Link for IpcBytes {
    fn send(&mut self) {
        self.to.send(&self.bytes).expect("the other process");
    }

    fn receive(&mut self) {
        look(&self.from.recv().expect("the other process"));
    }
}

// ---- iceoryx2 ----------------------------------------------------------------------------------

/// A service of iceoryx2 for each direction, which is polled.
pub struct Iceoryx {
    to: Publisher<ipc_service::Service, [u8], ()>,
    from: Subscriber<ipc_service::Service, [u8], ()>,
    message: Vec<u8>,
}

impl Iceoryx {
    /// One end: publishes in one service, and subscribes to the other. `size` in bytes.
    pub fn new(to: &str, from: &str, size: usize) -> Result<Iceoryx, Box<dyn std::error::Error>> {
        set_log_level(LogLevel::Fatal);
        let node = NodeBuilder::new().create::<ipc_service::Service>()?;
        let service = |name: &str| -> Result<_, Box<dyn std::error::Error>> {
            Ok(node
                .service_builder(&name.try_into()?)
                .publish_subscribe::<[u8]>()
                .max_publishers(1)
                .max_subscribers(1)
                .subscriber_max_buffer_size(BOUND)
                .enable_safe_overflow(false)
                .open_or_create()?)
        };
        let publisher = service(to)?
            .publisher_builder()
            .initial_max_slice_len(size)
            .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
            .create()?;
        let subscriber = service(from)?.subscriber_builder().create()?;
        Ok(Iceoryx {
            to: publisher,
            from: subscriber,
            message: large()[..size].to_vec(),
        })
    }
}

impl Link for Iceoryx {
    fn send(&mut self) {
        // Who is not there yet gets nothing.
        while 1 != {
            let sample = self
                .to
                .loan_slice_uninit(self.message.len())
                .expect("a sample");
            sample
                .write_from_slice(&self.message)
                .send()
                .expect("the other process")
        } {
            std::thread::yield_now();
        }
    }

    fn receive(&mut self) {
        loop {
            if let Some(sample) = self.from.receive().expect("the other process") {
                let bytes = sample.payload();
                assert_eq!(bytes.len(), self.message.len());
                black_box((bytes[0], bytes[bytes.len() - 1]));
                return;
            }
            spin_loop();
        }
    }
}
