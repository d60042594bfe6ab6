//! What a dictionary does while it calls the caller's code: waiting for a value, computing a new one
//! of the old one.

use core::time::Duration;
use std::time::Instant;

use crate::containers::Key;
use crate::containers::typed::stored::{Stored, read};
use crate::containers::typed::{Dict, DictKey, Element, StoredAs, locked};
use crate::error::{Error, Result};
use crate::heap::value::Fetch;

/// How often `update` computes again when others change the value meanwhile, before it locks.
const TRIES: usize = 8;

impl<K: DictKey, V: Element> Dict<K, V> {
    /// Waits until `until` is true of the value under a key (`None` while it is missing), at most
    /// `timeout` (`None`: for ever). Whether it was.
    ///
    /// Any process may bring the change about; what comes and goes between two looks is not seen.
    /// Not while this thread has the dictionary [`locked`](Dict::locked), when nobody else can
    /// change anything.
    ///
    /// ```
    /// # fn main() -> pumasi::Result<()> {
    /// use std::time::Duration;
    ///
    /// let steps = pumasi::Dict::<String, u64>::new()?;
    /// let others = steps.clone();
    /// let other = std::thread::spawn(move || (1..=3).try_for_each(|n| others.insert("done", n)));
    /// let three = |done: Option<u64>| done.is_some_and(|n| n >= 3);
    /// assert!(steps.wait("done", Some(Duration::from_secs(60)), three)?);
    /// assert!(!steps.wait("more", Some(Duration::ZERO), |more| more.is_some())?);
    /// # other.join().unwrap()
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`Dict`].
    pub fn wait(
        &self,
        key: impl StoredAs<K>,
        timeout: Option<Duration>,
        mut until: impl FnMut(Option<V>) -> bool,
    ) -> Result<bool> {
        let started = Instant::now();
        key.lent(|stored| {
            stored.key(self.heap(), |key, _| {
                loop {
                    // The version first: a change after it ends the wait.
                    let version = self.raw().object().version();
                    let mut out = Fetch::new();
                    let value = match self.raw().get(key, &mut out)? {
                        Some(cell) => Some(read(cell, &mut out)?),
                        None => None,
                    };
                    let done = until(value);
                    let left = timeout.map(|timeout| timeout.saturating_sub(started.elapsed()));
                    if done || left == Some(Duration::ZERO) {
                        return Ok(done);
                    }
                    self.raw().object().wait_for_change(version, left)?;
                }
            })
        })
    }

    /// Sets the value under a key to what `change` makes of it, in one step; the new value.
    ///
    /// `change` gets `None` for a missing key. It runs outside of every lock, and again when
    /// another process changes the value meanwhile; after a few times with the dictionary
    /// [`locked`](Dict::locked).
    ///
    /// ```
    /// # fn main() -> pumasi::Result<()> {
    /// let best = pumasi::Dict::<String, u64>::new()?;
    /// best.update("Kim", |old| old.unwrap_or(0).max(7))?;
    /// assert_eq!(best.update("Kim", |old| old.unwrap_or(0).max(5))?, 7);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`Dict`].
    pub fn update(
        &self,
        key: impl StoredAs<K>,
        mut change: impl FnMut(Option<V>) -> V,
    ) -> Result<V> {
        self.changed(&key, &mut |old| Ok(change(old)))
    }

    /// As [`Dict::update`] by what can fail.
    pub(super) fn changed(
        &self,
        key: &impl StoredAs<K>,
        change: &mut impl FnMut(Option<V>) -> Result<V>,
    ) -> Result<V> {
        self.with_key(key, |key, original| {
            for _ in 0..TRIES {
                if let Some(new) = self.update_once(key, original, change)? {
                    return Ok(new);
                }
            }
            let _alone = locked::lock_quietly(self)?;
            let new = self.update_once(key, original, change)?;
            // Nobody else could change it.
            new.ok_or(Error::Modified {
                what: "the value was changed by its own update",
            })
        })
    }

    /// `None` when another was faster.
    fn update_once(
        &self,
        key: &Key<'_>,
        original: Option<Stored<'_>>,
        change: &mut impl FnMut(Option<V>) -> Result<V>,
    ) -> Result<Option<V>> {
        let heap = self.heap();
        let mut out = Fetch::new();
        let found = self.raw().get(key, &mut out)?;
        let old = found.map(|cell| read(cell, &mut out)).transpose()?;
        let new = change(old)?;
        let mut original = original
            .map(|original| original.prepare(heap))
            .transpose()?;
        let stored = new.lend(|stored| {
            let mut value = stored.prepare(heap)?;
            self.raw()
                .insert_if(key, found, original.as_mut(), &mut value)
        })?;
        Ok(stored.then_some(new))
    }
}
