//! `#[pumasi::main]`: `main` with `pumasi::init()` as its first statement.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, ItemFn, Result, parse_quote};

/// Puts the call of `init` before the body.
pub fn expand(attribute: TokenStream, item: TokenStream) -> Result<TokenStream> {
    if !attribute.is_empty() {
        return Err(Error::new_spanned(
            attribute,
            "#[pumasi::main] takes no arguments",
        ));
    }
    let mut function: ItemFn = syn::parse2(item)?;
    if function.sig.asyncness.is_some() {
        return Err(Error::new_spanned(
            function.sig.asyncness,
            "pumasi::init() must run before a runtime starts its threads: call it first in a \
             plain `main`, and start the runtime there",
        ));
    }
    if !function.sig.inputs.is_empty() {
        return Err(Error::new_spanned(
            function.sig.inputs,
            "`main` takes no arguments",
        ));
    }
    function.block.stmts.insert(
        0,
        parse_quote! { ::pumasi::process::__private::init_or_exit(); },
    );
    Ok(quote!(#function))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn init_comes_first() {
        let text = expand(quote!(), quote! { fn main() { first(); } })
            .unwrap()
            .to_string();
        let (init, first) = (text.find("init_or_exit"), text.find("first"));
        assert!(init.is_some() && init < first, "{text}");
    }

    #[test]
    fn misuse_is_told() {
        let cases = [
            (quote!(x), quote! { fn main() {} }, "no arguments"),
            (quote!(), quote! { async fn main() {} }, "runtime"),
            (quote!(), quote! { fn main(n: u8) {} }, "no arguments"),
        ];
        for (attribute, item, expected) in cases {
            let error = expand(attribute, item).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
