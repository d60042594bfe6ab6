//! The macros of pumasi: `#[task]`, `#[main]` and `#[derive(Shareable)]`.
//!
//! They are used through the crate `pumasi`, which exports them and holds everything that an
//! expansion refers to. Each macro is a function from tokens to tokens in a file of its own; a
//! mistake becomes a `compile_error!` at the place in the user's code which it is about.

mod main_fn;
mod shareable;
mod task;

use proc_macro::TokenStream;

/// Makes a function something that another process can be started with.
///
/// The function stays what it was and can still be called. Beside it there is a type of the same
/// name with two functions, which take the same arguments:
///
/// - `work::spawn(..)` starts a process that runs `work`, and returns `Result<Child<R>>`;
/// - `work::call(..)` only writes the call down, for `process::Builder::spawn`.
///
/// Arguments and result travel to another process, so each must be `serde::Serialize` and
/// `serde::de::DeserializeOwned`: take `String` rather than `&str`. Shared objects travel by
/// reference. A function with generic parameters, an `async` one and a method cannot be a task.
///
/// ```
/// #[pumasi::task]
/// fn double(n: u64) -> u64 {
///     2 * n
/// }
///
/// #[pumasi::main]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let child = double::spawn(21)?;
///     assert_eq!(child.join()?, 42);
///     Ok(())
/// }
/// ```
#[proc_macro_attribute]
pub fn task(attribute: TokenStream, item: TokenStream) -> TokenStream {
    or_explained(item, |item| task::expand(attribute.into(), item))
}

/// Begins `main` with `pumasi::init()`.
///
/// A process that was started with a task is the same program from its first line; `init` sees
/// that, runs the task and exits. When the heap cannot be opened the program ends with the
/// reason on stderr and exit code 1.
///
/// ```
/// #[pumasi::main]
/// fn main() {
///     println!("this is {}", pumasi::process::current().name);
/// }
/// ```
#[proc_macro_attribute]
pub fn main(attribute: TokenStream, item: TokenStream) -> TokenStream {
    or_explained(item, |item| main_fn::expand(attribute.into(), item))
}

/// Implements `pumasi::Shareable` for a type whose bytes mean the same in every process.
///
/// The type is a struct with `#[repr(C)]` (or `transparent`) and without padding, every field of
/// which is `Shareable`, or an enum without data and with an integer `repr`; it is `Copy`.
/// Pointers, references, handles and anything on the process's own heap (`Box`, `Vec`, `String`)
/// are refused, and so is a struct with bytes that belong to no field.
///
/// ```
/// #[derive(Clone, Copy, pumasi::Shareable)]
/// #[repr(C)]
/// struct Point {
///     x: f64,
///     y: f64,
/// }
/// ```
///
/// ```compile_fail
/// #[derive(Clone, Copy, pumasi::Shareable)]
/// #[repr(C)]
/// struct Padded {
///     small: u8, // seven unnamed bytes follow
///     large: u64,
/// }
/// ```
#[proc_macro_derive(Shareable)]
pub fn derive_shareable(item: TokenStream) -> TokenStream {
    shareable::expand(item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// The expansion of an attribute, or the item as it was with the error beside it: without the
/// item every use of it would be one more error.
fn or_explained(
    item: TokenStream,
    expand: impl FnOnce(proc_macro2::TokenStream) -> syn::Result<proc_macro2::TokenStream>,
) -> TokenStream {
    expand(item.clone().into()).map_or_else(
        |error| {
            let mut tokens: TokenStream = error.into_compile_error().into();
            tokens.extend(item);
            tokens
        },
        TokenStream::from,
    )
}
