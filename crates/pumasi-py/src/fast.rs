//! The methods of the hot path, entered without PyO3's argument parsing.
//!
//! A call of a method with one argument costs PyO3 about 80 instructions for what the interpreter
//! can do in a few: it hands over the one argument (`METH_O`) or the row of them (`METH_FASTCALL`).
//! The methods themselves, their documents and signatures are those of the classes; [`install`]
//! puts other entrances to them in the place of PyO3's.

use core::ffi::{CStr, c_char, c_int};
use std::ffi::CString;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::panic::PanicException;
use pyo3::prelude::*;
use pyo3::{Borrowed, PyClass};

use crate::deque::Deque;
use crate::dict::{Dict, DictBase};
use crate::list::{List, ListBase};
use crate::typed::{TypedArray, TypedValue};

type Object = *mut ffi::PyObject;

/// Puts the entrances in place.
pub fn install(py: Python<'_>) -> PyResult<()> {
    with_one::<ListBase>(py, c"append", list_append)?;
    with_some::<ListBase>(py, c"pop", list_pop)?;
    with_one::<Deque>(py, c"append", deque_append)?;
    with_one::<Deque>(py, c"appendleft", deque_appendleft)?;
    with_some::<DictBase>(py, c"get", dict_get)?;
    with_some::<DictBase>(py, c"add", dict_add)?;
    // Also where they are inherited: for an instance of its own class a descriptor needs not
    // look for that among the bases.
    with_one::<List>(py, c"append", list_append)?;
    with_some::<List>(py, c"pop", list_pop)?;
    with_some::<Dict>(py, c"get", dict_get)?;
    with_some::<Dict>(py, c"add", dict_add)?;
    with_one::<TypedValue>(py, c"add", value_add)?;
    with_some::<TypedArray>(py, c"add", array_add)
}

unsafe extern "C" fn list_append(slf: Object, item: Object) -> Object {
    // SAFETY: called by the interpreter, through the method of this class.
    unsafe {
        enter(slf, |list: &Bound<'_, ListBase>| {
            list.get().append(&argument(list.py(), &item))?;
            Ok(none())
        })
    }
}

unsafe extern "C" fn deque_append(slf: Object, item: Object) -> Object {
    // SAFETY: called by the interpreter, through the method of this class.
    unsafe {
        enter(slf, |deque: &Bound<'_, Deque>| {
            deque.get().append(&argument(deque.py(), &item))?;
            Ok(none())
        })
    }
}

unsafe extern "C" fn deque_appendleft(slf: Object, item: Object) -> Object {
    // SAFETY: called by the interpreter, through the method of this class.
    unsafe {
        enter(slf, |deque: &Bound<'_, Deque>| {
            deque.get().appendleft(&argument(deque.py(), &item))?;
            Ok(none())
        })
    }
}

unsafe extern "C" fn list_pop(slf: Object, args: *mut Object, count: isize) -> Object {
    // SAFETY: called by the interpreter, through the method of this class.
    unsafe {
        enter(slf, |list: &Bound<'_, ListBase>| {
            let index = match row(args, count) {
                [] => -1,
                [index] => argument(list.py(), index).extract()?,
                more => return Err(wrong_count("pop", "at most 1 argument", more.len())),
            };
            list.get().pop(list.py(), index).map(Bound::into_ptr)
        })
    }
}

unsafe extern "C" fn dict_get(slf: Object, args: *mut Object, count: isize) -> Object {
    // SAFETY: called by the interpreter, through the method of this class.
    unsafe {
        enter(slf, |dict: &Bound<'_, DictBase>| {
            let (key, default) = match row(args, count) {
                [key] => (key, None),
                [key, default] => (key, Some(default)),
                other => return Err(wrong_count("get", "1 or 2 arguments", other.len())),
            };
            let default = default.map(|default| argument(dict.py(), default).to_owned());
            match dict.get().get(&argument(dict.py(), key), default)? {
                Some(found) => Ok(found.into_ptr()),
                None => Ok(none()),
            }
        })
    }
}

unsafe extern "C" fn dict_add(slf: Object, args: *mut Object, count: isize) -> Object {
    // SAFETY: called by the interpreter, through the method of this class.
    unsafe {
        enter(slf, |dict: &Bound<'_, DictBase>| {
            let sum = match row(args, count) {
                [key] => DictBase::add(dict, &argument(dict.py(), key), None),
                [key, n] => {
                    let n = argument(dict.py(), n);
                    DictBase::add(dict, &argument(dict.py(), key), Some(&n))
                }
                other => return Err(wrong_count("add", "1 or 2 arguments", other.len())),
            };
            sum.map(Bound::into_ptr)
        })
    }
}

unsafe extern "C" fn value_add(slf: Object, n: Object) -> Object {
    // SAFETY: called by the interpreter, through the method of this class.
    unsafe {
        enter(slf, |value: &Bound<'_, TypedValue>| {
            value
                .get()
                .add(&argument(value.py(), &n))
                .map(Bound::into_ptr)
        })
    }
}

unsafe extern "C" fn array_add(slf: Object, args: *mut Object, count: isize) -> Object {
    // SAFETY: called by the interpreter, through the method of this class.
    unsafe {
        enter(slf, |array: &Bound<'_, TypedArray>| {
            let [index, n] = row(args, count) else {
                return Err(wrong_count("add", "2 arguments", count as usize));
            };
            let index = argument(array.py(), index).extract()?;
            array
                .get()
                .add(index, &argument(array.py(), n))
                .map(Bound::into_ptr)
        })
    }
}

#[cold]
fn wrong_count(name: &str, expected: &str, found: usize) -> PyErr {
    PyTypeError::new_err(format!("{name} expected {expected}, got {found}"))
}

fn none() -> Object {
    // SAFETY: called while attached; the constant lives as long as the interpreter, and each
    // result is a reference of its own.
    unsafe {
        let none = ffi::Py_None();
        ffi::Py_INCREF(none);
        none
    }
}

/// Runs the body of a method; an exception or a panic becomes the interpreter's.
///
/// # Safety
/// Called by the interpreter, `slf` being an instance of `T`: a method descriptor lets no other
/// through.
#[inline(always)]
unsafe fn enter<T>(slf: Object, body: impl FnOnce(&Bound<'_, T>) -> PyResult<Object>) -> Object {
    // SAFETY: the interpreter calls methods while attached.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: the caller's promise; the interpreter keeps the instance for the call.
    let slf = unsafe { Borrowed::from_ptr(py, slf).cast_unchecked::<T>() };
    match catch_unwind(AssertUnwindSafe(|| body(&slf))) {
        Ok(Ok(result)) => result,
        Ok(Err(raised)) => {
            raised.restore(py);
            core::ptr::null_mut()
        }
        Err(_) => {
            PanicException::new_err("the native code of pumasi panicked").restore(py);
            core::ptr::null_mut()
        }
    }
}

/// An argument, which the interpreter keeps for the call.
///
/// # Safety
/// `object` is an argument of the call under way.
#[inline(always)]
unsafe fn argument<'a, 'py>(py: Python<'py>, object: &'a Object) -> Borrowed<'a, 'py, PyAny> {
    // SAFETY: the caller's promise.
    unsafe { Borrowed::from_ptr(py, *object) }
}

/// # Safety
/// `args` are `count` arguments of the call under way.
#[inline(always)]
unsafe fn row<'a>(args: *mut Object, count: isize) -> &'a [Object] {
    if count == 0 {
        return &[];
    }
    // SAFETY: the caller's promise; without arguments the pointer may be null.
    unsafe { core::slice::from_raw_parts(args.cast_const(), count as usize) }
}

fn with_one<T: PyClass>(
    py: Python<'_>,
    name: &'static CStr,
    function: ffi::PyCFunction,
) -> PyResult<()> {
    let function = ffi::PyMethodDefPointer {
        PyCFunction: function,
    };
    replace::<T>(py, name, function, ffi::METH_O)
}

fn with_some<T: PyClass>(
    py: Python<'_>,
    name: &'static CStr,
    function: ffi::PyCFunctionFast,
) -> PyResult<()> {
    let function = ffi::PyMethodDefPointer {
        PyCFunctionFast: function,
    };
    replace::<T>(py, name, function, ffi::METH_FASTCALL)
}

/// Gives a method of a class another entrance; its documents stay.
fn replace<T: PyClass>(
    py: Python<'_>,
    name: &'static CStr,
    function: ffi::PyMethodDefPointer,
    flags: c_int,
) -> PyResult<()> {
    let class = py.get_type::<T>();
    let plain_name = name.to_str().unwrap_or_default();
    let method = class.getattr(plain_name)?;
    let signature: String = method.getattr("__text_signature__")?.extract()?;
    let doc: String = method.getattr("__doc__")?.extract()?;
    let doc = CString::new(format!("{plain_name}{signature}\n--\n\n{doc}"))?;
    // A descriptor refers to its definition for ever, as the class does to the descriptor.
    let definition = Box::leak(Box::new(ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: function,
        ml_flags: flags,
        ml_doc: CString::into_raw(doc).cast_const().cast::<c_char>(),
    }));
    // SAFETY: the class is alive, the definition lives for ever and its function is of the kind
    // that the flags say.
    let descriptor = unsafe {
        Bound::from_owned_ptr_or_err(py, ffi::PyDescr_NewMethod(class.as_type_ptr(), definition))?
    };
    class.setattr(plain_name, descriptor)
}
