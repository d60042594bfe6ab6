//! `#[pumasi::task]`: a function, and a type of its name that starts processes with it.
//!
//! A function's name lives among the values, so that a type may have the same: an enum without
//! variants, which cannot be made and so is only a place for `spawn` and `call`. The task is
//! known to the child by the function's path; where that names two functions (two blocks of one
//! module may each define one) the place in the source decides.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{
    Error, FnArg, Ident, ItemFn, Pat, Result, ReturnType, Safety, Signature, Type, parse_quote,
    spanned::Spanned,
};

/// The function as it was, the type beside it, and the task's entry in the program's list.
pub fn expand(attribute: TokenStream, item: TokenStream) -> Result<TokenStream> {
    if !attribute.is_empty() {
        return Err(Error::new_spanned(
            attribute,
            "#[pumasi::task] takes no arguments",
        ));
    }
    let function: ItemFn = syn::parse2(item)?;
    refuse_unfit(&function.sig)?;
    let (names, types) = arguments(&function.sig)?;
    let result = result_type(&function.sig)?;

    let name = &function.sig.ident;
    let visibility = &function.vis;
    let conditions = function
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"))
        .collect::<Vec<_>>();
    let about = format!("Starts processes that run the function [`{name}`](fn@{name}).");
    let signature = signature_text(&types, &result);

    // Each of these stands at the type it is about, so that the compiler complains there when
    // the type cannot be written down or read back.
    let takes = types
        .iter()
        .map(|ty| quote_spanned!(ty.span()=> pumasi_private::take::<#ty>(io)?));
    let puts = names
        .iter()
        .zip(&types)
        .map(|(name, ty)| quote_spanned!(ty.span()=> parcel.put(&#name)?;));
    let give = quote_spanned!(result.span()=> pumasi_private::give::<#result>(io, &result));

    Ok(quote! {
        #function

        #(#conditions)*
        #[doc = #about]
        #[allow(non_camel_case_types)]
        #visibility enum #name {}

        #(#conditions)*
        const _: () = {
            use ::pumasi::process::__private as pumasi_private;

            static TASK: pumasi_private::Task = pumasi_private::Task {
                name: ::core::concat!(
                    ::core::module_path!(), "::", ::core::stringify!(#name)
                ),
                place: pumasi_private::Place {
                    file: ::core::file!(),
                    line: ::core::line!(),
                    column: ::core::column!(),
                },
                signature: #signature,
                run: |io| {
                    #(let #names = #takes;)*
                    io.begin()?;
                    let result: #result = #name(#(#names),*);
                    #give
                },
            };
            pumasi_private::submit! { pumasi_private::Registered(&TASK) }

            impl #name {
                /// Starts a process that runs the function with these arguments.
                ///
                /// Returns as soon as the process has been started.
                ///
                /// # Errors
                /// When the arguments cannot be written down, `main` did not begin with
                /// `pumasi::init()`, or the system starts no process.
                #visibility fn spawn(#(#names: #types),*)
                    -> pumasi_private::Result<pumasi_private::Child<#result>>
                {
                    pumasi_private::Builder::new().spawn(Self::call(#(#names),*))
                }

                /// Writes the call down, for `Builder::spawn` and the like.
                #visibility fn call(#(#names: #types),*) -> pumasi_private::Call<#result> {
                    pumasi_private::Call::new(&TASK, |parcel| {
                        #(#puts)*
                        ::core::result::Result::Ok(())
                    })
                }
            }
        };
    })
}

/// Says no to functions that have no meaning in another process.
fn refuse_unfit(signature: &Signature) -> Result<()> {
    let refuse = |what: &dyn ToTokens, why: &str| Err(Error::new_spanned(what, why));
    if !signature.generics.params.is_empty() {
        return refuse(
            &signature.generics,
            "a task is found by its name in the new process, so it cannot be generic: write one \
             task for each type, and call the generic function from it",
        );
    }
    if let Some(asyncness) = &signature.asyncness {
        return refuse(
            asyncness,
            "a task cannot be async: start the runtime inside the task",
        );
    }
    if let Safety::Unsafe(unsafety) = &signature.safety {
        return refuse(
            unsafety,
            "a task cannot be unsafe: nothing of the caller's promises is left in the new process",
        );
    }
    if let Some(abi) = &signature.abi {
        return refuse(abi, "a task has Rust's own calling convention");
    }
    if let Some(variadic) = &signature.variadic {
        return refuse(variadic, "a task cannot be variadic");
    }
    Ok(())
}

/// The parameters, under names of ours where the function takes one apart.
fn arguments(signature: &Signature) -> Result<(Vec<Ident>, Vec<&Type>)> {
    let mut names = Vec::new();
    let mut types = Vec::new();
    for (at, input) in signature.inputs.iter().enumerate() {
        match input {
            FnArg::Receiver(receiver) => {
                return Err(Error::new_spanned(
                    receiver,
                    "a method cannot be a task: take what it needs as an argument",
                ));
            }
            FnArg::Typed(argument) => {
                refuse_borrowed(&argument.ty, "an argument")?;
                names.push(match &*argument.pat {
                    Pat::Ident(pattern) => pattern.ident.clone(),
                    _ => format_ident!("argument_{at}"),
                });
                types.push(&*argument.ty);
            }
        }
    }
    Ok((names, types))
}

/// What the function returns, written out.
fn result_type(signature: &Signature) -> Result<Type> {
    match &signature.output {
        ReturnType::Default => Ok(parse_quote!(())),
        ReturnType::Type(_, output) => {
            refuse_borrowed(output, "the result")?;
            Ok((**output).clone())
        }
    }
}

/// Says what to use instead of a type that cannot leave the process.
fn refuse_borrowed(ty: &Type, what: &str) -> Result<()> {
    let refuse = |why: String| Err(Error::new_spanned(ty, why));
    match ty {
        Type::Reference(reference) => {
            let instead = match reference.elem.to_token_stream().to_string().as_str() {
                "str" => "String".to_owned(),
                "Path" | "std :: path :: Path" => "PathBuf".to_owned(),
                slice if slice.starts_with('[') => format!("Vec<{}>", element(slice)),
                other => other.to_owned(),
            };
            refuse(format!(
                "{what} of a task travels to another process, where a reference means nothing: \
                 use `{instead}`"
            ))
        }
        Type::Ptr(_) => refuse(format!(
            "{what} of a task travels to another process, where a pointer means nothing"
        )),
        Type::ImplTrait(_) | Type::TraitObject(_) => refuse(format!(
            "{what} of a task is read back by its type in another process: name the type"
        )),
        Type::Paren(inner) => refuse_borrowed(&inner.elem, what),
        Type::Group(inner) => refuse_borrowed(&inner.elem, what),
        _ => Ok(()),
    }
}

/// The `T` of `[T]` or `[T ; n]`.
fn element(slice: &str) -> &str {
    let inner = slice.trim_start_matches('[').trim_end_matches(']');
    inner.split(';').next().unwrap_or(inner).trim()
}

/// The types as text, by which a child tells that it is another build of the program.
fn signature_text(types: &[&Type], result: &Type) -> String {
    let compact = |ty: &Type| {
        ty.to_token_stream()
            .to_string()
            .replace(char::is_whitespace, "")
    };
    let types: Vec<_> = types.iter().map(|ty| compact(ty)).collect();
    format!("({}) -> {}", types.join(", "), compact(result))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(item: TokenStream) -> String {
        expand(quote!(), item).unwrap_err().to_string()
    }

    #[test]
    fn the_function_stays_and_gets_a_type() {
        let text = expand(
            quote!(),
            quote! { pub fn work(n: u64, (a, b): (u8, u8)) -> String { body() } },
        )
        .unwrap()
        .to_string();
        for part in [
            "pub fn work (n : u64 , (a , b) : (u8 , u8)) -> String",
            "pub enum work",
            "pub fn spawn (n : u64 , argument_1 : (u8 , u8))",
            "\"(u64, (u8,u8)) -> String\"",
        ] {
            assert!(text.contains(part), "no `{part}` in {text}");
        }
    }

    #[test]
    fn what_cannot_travel_is_named_with_what_can() {
        for (item, expected) in [
            (quote! { fn f(s: &str) {} }, "use `String`"),
            (quote! { fn f(s: &Path) {} }, "use `PathBuf`"),
            (quote! { fn f(s: &[u64]) {} }, "use `Vec<u64>`"),
            (quote! { fn f(s: &[u64; 3]) {} }, "use `Vec<u64>`"),
            (quote! { fn f(s: &Thing) {} }, "use `Thing`"),
            (quote! { fn f() -> &'static str { "" } }, "the result"),
            (quote! { fn f(s: *const u8) {} }, "a pointer means nothing"),
            (quote! { fn f(s: impl Fn()) {} }, "name the type"),
            (quote! { fn f(s: (dyn Fn())) {} }, "name the type"),
            (quote! { fn f<T>(t: T) {} }, "cannot be generic"),
            (quote! { async fn f() {} }, "start the runtime inside"),
            (quote! { unsafe fn f() {} }, "cannot be unsafe"),
            (quote! { extern "C" fn f() {} }, "calling convention"),
            (quote! { fn f(&self) {} }, "a method cannot be a task"),
        ] {
            let error = error(item);
            assert!(error.contains(expected), "{error}");
        }
        let error = expand(quote!(name = "x"), quote! { fn f() {} }).unwrap_err();
        assert!(error.to_string().contains("no arguments"));
    }
}
