//! Arguments and results on their way from one process to another.
//!
//! They are written in postcard's format: compact, and both ends are the same program, so that
//! nothing has to describe itself.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value written down.
pub(crate) struct Parcel {
    pub(crate) bytes: Vec<u8>,
}

impl Parcel {
    /// Writes a value down; the error says why it cannot be.
    pub(crate) fn pack<T: Serialize>(value: &T) -> Result<Parcel, String> {
        match postcard::to_allocvec(value) {
            Ok(bytes) => Ok(Parcel { bytes }),
            Err(why) => Err(explain(&why)),
        }
    }

    /// Reads a value back; the error says why it cannot be.
    pub(crate) fn unpack<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
        match postcard::take_from_bytes(bytes) {
            Ok((value, [])) => Ok(value),
            Ok((_, rest)) => Err(format!("{} bytes too many", rest.len())),
            Err(why) => Err(explain(&why)),
        }
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
    fn values_come_back() {
        let value = (7u64, "seven".to_owned(), vec![Some(1.5), None]);
        let parcel = Parcel::pack(&value).unwrap();
        assert_eq!(Parcel::unpack(&parcel.bytes), Ok(value));
    }

    #[test]
    fn bytes_of_another_type_are_refused() {
        let parcel = Parcel::pack(&(1u64, 2u64)).unwrap();
        assert_eq!(
            Parcel::unpack::<u64>(&parcel.bytes),
            Err("1 bytes too many".to_owned())
        );
        assert!(Parcel::unpack::<String>(&[200, 1]).is_err());
    }
}
