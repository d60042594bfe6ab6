//! Waiting for several children at once.

use std::os::fd::BorrowedFd;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};

use crate::error::{Error, Result};
use crate::process::child::{Child, Running};

/// What can be waited for: a [`Child`] with any result, or a mutable reference to one.
///
/// A list of children with different results is a list of `&mut dyn Waitable`.
pub trait Waitable: sealed::Sealed {}

impl<R> Waitable for Child<R> {}
impl<W: Waitable + ?Sized> Waitable for &mut W {}

mod sealed {
    pub trait Sealed {
        #[doc(hidden)]
        fn running(&mut self) -> &mut super::Running;
    }
}

impl<R> sealed::Sealed for Child<R> {
    fn running(&mut self) -> &mut Running {
        Child::running(self)
    }
}

impl<W: sealed::Sealed + ?Sized> sealed::Sealed for &mut W {
    fn running(&mut self) -> &mut Running {
        (**self).running()
    }
}

/// Waits until one of the children has ended; returns its index.
///
/// Of several that have ended the first is returned, so take it out of the list before the next
/// call.
///
/// ```
/// use pumasi::process::wait_any;
///
/// # #[pumasi::task]
/// # fn double(n: u64) -> u64 {
/// #     2 * n
/// # }
/// # #[pumasi::main]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut children = vec![double::spawn(1)?, double::spawn(2)?];
/// while !children.is_empty() {
///     let first = wait_any(&mut children)?;
///     println!("{}", children.swap_remove(first).join()?); // as they end
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Empty`] when there is no child to wait for.
pub fn wait_any<W: Waitable>(children: &mut [W]) -> Result<usize> {
    loop {
        if let Some(index) = wait_any_until(children, None)? {
            return Ok(index);
        }
    }
}

/// Waits at most so long until one of the children has ended; returns its index, or `None`.
///
/// ```
/// # use std::time::Duration;
/// # use pumasi::{Event, process::wait_any_timeout};
/// # #[pumasi::task]
/// # fn wait(end: Event) -> pumasi::Result<()> {
/// #     end.wait()
/// # }
/// # #[pumasi::main]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let end = Event::new()?;
/// let mut children = [wait::spawn(end.clone())?, wait::spawn(end.clone())?];
/// assert_eq!(wait_any_timeout(&mut children, Duration::from_millis(5))?, None);
/// end.set();
/// assert!(wait_any_timeout(&mut children, Duration::MAX)?.is_some());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Empty`] when there is no child to wait for.
pub fn wait_any_timeout<W: Waitable>(
    children: &mut [W],
    timeout: Duration,
) -> Result<Option<usize>> {
    wait_any_until(children, Instant::now().checked_add(timeout))
}

/// Waits until all of the children have ended.
///
/// ```
/// use pumasi::process::{Waitable, wait_all};
///
/// # #[pumasi::task]
/// # fn one() -> u8 {
/// #     1
/// # }
/// # #[pumasi::task]
/// # fn greet() -> String {
/// #     "hello".to_owned()
/// # }
/// # #[pumasi::main]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (mut one, mut two) = (one::spawn()?, greet::spawn()?);
/// wait_all::<&mut dyn Waitable>(&mut [&mut one, &mut two]); // of different results
/// assert!(!one.is_alive() && !two.is_alive());
/// # Ok(())
/// # }
/// ```
pub fn wait_all<W: Waitable>(children: &mut [W]) {
    while !wait_all_until(children, None) {}
}

/// Waits at most so long until all of the children have ended; returns whether they have.
///
/// ```
/// # use std::time::Duration;
/// # use pumasi::{Event, process::wait_all_timeout};
/// # #[pumasi::task]
/// # fn wait(end: Event) -> pumasi::Result<()> {
/// #     end.wait()
/// # }
/// # #[pumasi::main]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let end = Event::new()?;
/// let mut children = [wait::spawn(end.clone())?, wait::spawn(end.clone())?];
/// assert!(!wait_all_timeout(&mut children, Duration::from_millis(5)));
/// end.set();
/// assert!(wait_all_timeout(&mut children, Duration::MAX));
/// # Ok(())
/// # }
/// ```
pub fn wait_all_timeout<W: Waitable>(children: &mut [W], timeout: Duration) -> bool {
    wait_all_until(children, Instant::now().checked_add(timeout))
}

fn wait_any_until<W: Waitable>(
    children: &mut [W],
    deadline: Option<Instant>,
) -> Result<Option<usize>> {
    if children.is_empty() {
        return Err(Error::Empty {
            what: "waiting for one of no processes",
        });
    }
    let mut pause = Pause::until(deadline);
    loop {
        let ended = children
            .iter_mut()
            .position(|child| child.running().poll().is_some());
        if ended.is_some() {
            return Ok(ended);
        }
        if !pause.wait(children.iter_mut().map(|child| child.running().sentinel())) {
            return Ok(None);
        }
    }
}

fn wait_all_until<W: Waitable>(children: &mut [W], deadline: Option<Instant>) -> bool {
    let mut pause = Pause::until(deadline);
    loop {
        let alive = children
            .iter_mut()
            .map(sealed::Sealed::running)
            .find_map(|running| running.poll().is_none().then_some(running));
        let Some(running) = alive else { return true };
        if !pause.wait([running.sentinel()].into_iter()) {
            return false;
        }
    }
}

/// A wait in pieces, until a deadline on the monotonic clock.
pub(crate) struct Pause {
    deadline: Option<Instant>,
    /// How long to sleep where there is nothing to poll.
    nap: Duration,
}

impl Pause {
    const SHORTEST_NAP: Duration = Duration::from_micros(500);
    /// Nobody is to wait for the dead longer than 50 ms.
    const LONGEST_NAP: Duration = Duration::from_millis(20);

    /// A wait until then, or without end.
    pub(crate) fn until(deadline: Option<Instant>) -> Pause {
        Pause {
            deadline,
            nap: Pause::SHORTEST_NAP,
        }
    }

    /// Sleeps until one of the descriptors is readable, or a while if one is missing. False when
    /// the deadline had come before; after true the caller looks again.
    pub(crate) fn wait<'a>(
        &mut self,
        sentinels: impl Iterator<Item = Option<BorrowedFd<'a>>>,
    ) -> bool {
        let left = match self.deadline {
            Some(deadline) => match deadline.checked_duration_since(Instant::now()) {
                Some(left) if !left.is_zero() => Some(left),
                _ => return false,
            },
            None => None,
        };
        let sentinels: Vec<_> = sentinels.collect();
        let known: Vec<BorrowedFd<'_>> = sentinels.iter().flatten().copied().collect();
        if known.len() == sentinels.len() {
            let mut fds: Vec<_> = known
                .iter()
                .map(|fd| PollFd::new(fd, PollFlags::IN))
                .collect();
            let left = left.and_then(|left| Timespec::try_from(left).ok());
            // An interruption or a lack of memory only makes the caller look once more.
            if rustix::event::poll(&mut fds, left.as_ref()).is_ok() {
                return true;
            }
        }
        thread::sleep(left.map_or(self.nap, |left| left.min(self.nap)));
        self.nap = (self.nap * 2).min(Pause::LONGEST_NAP);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_sentinel_it_sleeps_in_pieces_until_the_deadline() {
        let begin = Instant::now();
        let mut pause = Pause::until(Some(begin + Duration::from_millis(30)));
        let mut pieces = 0;
        while pause.wait([None].into_iter()) {
            pieces += 1;
        }
        assert!(begin.elapsed() >= Duration::from_millis(30));
        // The shortest nap comes first, and no sleep is shorter than it was meant to be.
        assert!(pieces <= 60, "{pieces} pieces");
        // Of a deadline that is far away no piece sleeps more than a little.
        let mut pause = Pause::until(Some(begin + Duration::from_secs(24 * 60 * 60)));
        for _ in 0..10 {
            assert!(pause.wait([None].into_iter()));
        }
        assert_eq!(pause.nap, Pause::LONGEST_NAP);
    }

    #[test]
    fn a_deadline_that_has_passed_waits_for_nothing() {
        let mut pause = Pause::until(Some(Instant::now()));
        assert!(!pause.wait([None].into_iter()));
    }
}
