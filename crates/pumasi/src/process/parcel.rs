//! Arguments and results on their way from one process to another.
//!
//! They are written in postcard's format: compact, and both ends are the same program, so that
//! nothing has to describe itself. Shared objects are named by tokens; the parcel has handles of
//! them until it is in a mailbox, whose edges keep them from there on.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::heap::object::ObjectRef;
use crate::heap::travel;

/// Values written down, one after another.
#[derive(Debug, Default)]
pub struct Parcel {
    pub(crate) bytes: Vec<u8>,
    /// The shared objects that are named among the values.
    pub(crate) objects: Vec<ObjectRef>,
}

impl Parcel {
    /// Writes a value down behind what is there; the error says why it cannot be.
    pub fn put<T: Serialize>(&mut self, value: &T) -> Result<(), String> {
        let bytes = core::mem::take(&mut self.bytes);
        let (written, objects) = travel::collect(|| postcard::to_extend(value, bytes));
        self.objects.extend(objects);
        self.bytes = written.map_err(|why| explain(&why))?;
        Ok(())
    }
}

/// Reads values back in the order in which they were put.
#[derive(Debug)]
pub(crate) struct Unpacking {
    bytes: Vec<u8>,
    read: usize,
}

impl Unpacking {
    /// What another process wrote.
    pub(crate) fn new(bytes: Vec<u8>) -> Unpacking {
        Unpacking { bytes, read: 0 }
    }

    /// The next value; the error says why there is none.
    pub(crate) fn take<T: DeserializeOwned>(&mut self) -> Result<T, String> {
        let left = &self.bytes[self.read..];
        let (value, rest) = postcard::take_from_bytes(left).map_err(|why| explain(&why))?;
        self.read = self.bytes.len() - rest.len();
        Ok(value)
    }

    /// Says so when not everything was taken; gives the memory back.
    pub(crate) fn finish(&mut self) -> Result<(), String> {
        let bytes = core::mem::take(&mut self.bytes);
        match bytes.len() - core::mem::take(&mut self.read) {
            0 => Ok(()),
            left => Err(format!("{left} bytes too many")),
        }
    }

    /// The one value that was put.
    pub(crate) fn only<T: DeserializeOwned>(bytes: Vec<u8>) -> Result<T, String> {
        let mut unpacking = Unpacking::new(bytes);
        let value = unpacking.take()?;
        unpacking.finish()?;
        Ok(value)
    }
}

/// Says more where postcard's own words leave a person alone.
fn explain(why: &postcard::Error) -> String {
    match why {
        postcard::Error::WontImplement => {
            "its type asks for a format that describes itself (serde's `untagged`, `flatten` or \
             `deserialize_any`)"
                .to_owned()
        }
        postcard::Error::SerializeSeqLengthUnknown => {
            "it has a sequence whose length is not known beforehand".to_owned()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_in_their_order() {
        let value = ("seven".to_owned(), vec![Some(1.5), None]);
        let mut parcel = Parcel::default();
        parcel.put(&7u64).unwrap();
        parcel.put(&value).unwrap();
        let mut unpacking = Unpacking::new(parcel.bytes);
        assert_eq!(unpacking.take(), Ok(7u64));
        assert_eq!(unpacking.take(), Ok(value));
        assert_eq!(unpacking.finish(), Ok(()));
    }

    #[test]
    fn bytes_of_another_type_are_refused() {
        let mut parcel = Parcel::default();
        parcel.put(&(1u64, 2u64)).unwrap();
        assert_eq!(
            Unpacking::only::<u64>(parcel.bytes),
            Err("1 bytes too many".to_owned())
        );
        assert!(Unpacking::only::<String>(vec![200, 1]).is_err());
    }
}
