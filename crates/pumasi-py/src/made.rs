//! What a subclass's `__init__` makes.
//!
//! multiprocessing makes its locks in `__init__`, so that a subclass with an `__init__` of its own
//! takes whatever arguments it likes and says what it wants with `super().__init__(...)`. Ours are
//! whole when `__new__` has made them, which sees the arguments that are the subclass's affair. So
//! where there is such a subclass `__new__` looks at none of them, and makes one with the defaults;
//! our `__init__` then puts the one that was asked for in its place.

use core::ops::Deref;
use std::sync::OnceLock;

use pyo3::prelude::*;
use pyo3::types::PyType;
use pyo3::{PyClass, ffi};

/// Something that `__new__` has made, and `__init__` perhaps again.
pub struct Made<T> {
    first: T,
    again: OnceLock<Box<T>>,
}

impl<T> Made<T> {
    /// As `__new__` has made it.
    pub fn new(first: T) -> Made<T> {
        Made {
            first,
            again: OnceLock::new(),
        }
    }

    /// Makes what a subclass asks for in its `__init__`; a second time, or where `__new__` has
    /// heeded the arguments, nothing.
    pub fn again<C: PyClass>(
        &self,
        class: &Bound<'_, PyType>,
        make: impl FnOnce() -> PyResult<T>,
    ) -> PyResult<()> {
        if self.again.get().is_none() && initializes::<C>(class) {
            let _another_was_faster = self.again.set(Box::new(make()?)).is_err();
        }
        Ok(())
    }

    /// Both of them, for the interpreter's collector.
    pub fn each(&self) -> impl Iterator<Item = &T> {
        core::iter::once(&self.first).chain(self.again.get().map(Box::as_ref))
    }
}

impl<T> Deref for Made<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        match self.again.get() {
            None => &self.first,
            Some(again) => again,
        }
    }
}

/// Whether a class has another `__init__` than ours.
pub fn initializes<C: PyClass>(class: &Bound<'_, PyType>) -> bool {
    let ours = class.py().get_type::<C>();
    // SAFETY: both are live types, made at run time as Python 3.9 still wants it of those which
    // are asked for a slot.
    let slot = |class: &Bound<'_, PyType>| unsafe {
        ffi::PyType_GetSlot(class.as_type_ptr(), ffi::Py_tp_init)
    };
    !class.is(&ours) && slot(class) != slot(&ours)
}
