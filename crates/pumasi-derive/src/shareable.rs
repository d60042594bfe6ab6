//! `#[derive(Shareable)]`: the checked implementation of an unsafe promise.
//!
//! What the derive can see in the tokens it refuses here, with a sentence at the place. What
//! only the compiler knows it is made to check: that each field is `Shareable` (by naming its
//! `TYPE_ID`), that no byte is padding (the sizes of the fields add up to the size of the whole),
//! that the type is `Copy` (a supertrait, which also excludes `Drop`).

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{
    Attribute, Data, DataEnum, DataStruct, DeriveInput, Error, Fields, Generics, Ident, Index,
    Member, Meta, Path, Result, Token, Type, parse_quote, punctuated::Punctuated,
};

/// The integers that an enum may be represented by.
const INTEGERS: [&str; 10] = [
    "u8", "u16", "u32", "u64", "usize", "i8", "i16", "i32", "i64", "isize",
];

/// The implementation of `Shareable` for a struct or an enum.
pub fn expand(item: TokenStream) -> Result<TokenStream> {
    let input: DeriveInput = syn::parse2(item)?;
    if let Some(lifetime) = input.generics.lifetimes().next() {
        return Err(Error::new_spanned(
            lifetime,
            "a shared type cannot borrow: what it points at belongs to one process",
        ));
    }
    match &input.data {
        Data::Struct(data) => expand_struct(&input, data),
        Data::Enum(data) => expand_enum(&input, data),
        Data::Union(data) => Err(Error::new_spanned(
            data.union_token,
            "a union cannot be shared: which of its fields is valid is not in its bytes",
        )),
    }
}

fn expand_struct(input: &DeriveInput, data: &DataStruct) -> Result<TokenStream> {
    let representations = representations(&input.attrs)?;
    if !representations
        .iter()
        .any(|r| r == "C" || r == "transparent")
    {
        return Err(Error::new_spanned(
            &input.ident,
            "a shared struct needs `#[repr(C)]`: without it each build of a program may place the \
             fields elsewhere",
        ));
    }
    let fields = fields(&data.fields);
    if fields.is_empty() {
        return Err(Error::new_spanned(
            &input.ident,
            "a struct without fields has no bytes to share",
        ));
    }
    for (_, ty) in &fields {
        refuse_private(ty)?;
    }
    let (members, types): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
    let names = members.iter().map(|m| m.to_token_stream().to_string());
    let name = &input.ident;
    let padding = format!(
        "`{name}` has padding, bytes that belong to no field: order the fields from large to \
         small, or give the gap a name with a field such as `_gap: [u8; 4]`"
    );

    let mut generics = input.generics.clone();
    for parameter in generics.type_params_mut() {
        parameter
            .bounds
            .push(parse_quote!(::pumasi::heap::shareable::Shareable));
    }
    let body = quote! {
        const TYPE_ID: u64 = {
            ::core::assert!(
                ::core::mem::size_of::<Self>() == 0 #(+ ::core::mem::size_of::<#types>())*,
                #padding
            );
            ::pumasi::heap::shareable::TypeHash::new(
                ::core::stringify!(#name),
                ::core::mem::size_of::<Self>(),
                ::core::mem::align_of::<Self>(),
            )
            #(.part(
                #names,
                ::core::mem::offset_of!(Self, #members) as u64,
                <#types as ::pumasi::heap::shareable::Shareable>::TYPE_ID,
            ))*
            .finish()
        };

        fn is_valid(bytes: &[u8]) -> bool {
            bytes.len() == ::core::mem::size_of::<Self>()
                #(&& {
                    let start = ::core::mem::offset_of!(Self, #members);
                    let end = start + ::core::mem::size_of::<#types>();
                    <#types as ::pumasi::heap::shareable::Shareable>::is_valid(&bytes[start..end])
                })*
        }
    };
    Ok(implementation(name, &generics, &body))
}

fn expand_enum(input: &DeriveInput, data: &DataEnum) -> Result<TokenStream> {
    let representations = representations(&input.attrs)?;
    let Some(integer) = representations
        .iter()
        .find(|r| INTEGERS.contains(&r.as_str()))
    else {
        return Err(Error::new_spanned(
            &input.ident,
            "a shared enum needs an integer of a fixed size to be represented by, such as \
             `#[repr(u8)]`",
        ));
    };
    let integer = Ident::new(integer, Span::call_site());
    if data.variants.is_empty() {
        return Err(Error::new_spanned(
            &input.ident,
            "an enum without variants has no value to share",
        ));
    }
    if let Some(variant) = data.variants.iter().find(|v| !v.fields.is_empty()) {
        return Err(Error::new_spanned(
            variant,
            "a variant with data leaves bytes unused in the other variants: share a \
             `#[repr(C)]` struct of an enum without data and the fields",
        ));
    }
    let name = &input.ident;
    let variants: Vec<_> = data.variants.iter().map(|v| &v.ident).collect();
    let body = quote! {
        const TYPE_ID: u64 = ::pumasi::heap::shareable::TypeHash::new(
            ::core::stringify!(#name),
            ::core::mem::size_of::<Self>(),
            ::core::mem::align_of::<Self>(),
        )
        #(.part(
            ::core::stringify!(#variants),
            Self::#variants as #integer as u64,
            <#integer as ::pumasi::heap::shareable::Shareable>::TYPE_ID,
        ))*
        .finish();

        fn is_valid(bytes: &[u8]) -> bool {
            match ::core::convert::TryFrom::try_from(bytes) {
                ::core::result::Result::Ok(bytes) => {
                    let found = #integer::from_ne_bytes(bytes);
                    #(found == Self::#variants as #integer)||*
                }
                ::core::result::Result::Err(_) => false,
            }
        }
    };
    Ok(implementation(name, &input.generics, &body))
}

/// Wraps the trait's items, and has the checks of a type without parameters run at once.
fn implementation(name: &Ident, generics: &Generics, body: &TokenStream) -> TokenStream {
    let (parameters, arguments, conditions) = generics.split_for_impl();
    let check = generics.params.is_empty().then(|| {
        quote! {
            const _: u64 = <#name as ::pumasi::heap::shareable::Shareable>::TYPE_ID;
        }
    });
    quote! {
        #[automatically_derived]
        // SAFETY: the layout is fixed (checked by the derive), each field is Shareable and no
        // byte is padding (checked in TYPE_ID), and `is_valid` asks every field.
        unsafe impl #parameters ::pumasi::heap::shareable::Shareable for #name #arguments
        #conditions
        {
            #body
        }
        #check
    }
}

/// What stands in the `#[repr(..)]` attributes, without arguments.
fn representations(attributes: &[Attribute]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for attribute in attributes.iter().filter(|a| a.path().is_ident("repr")) {
        let parts = attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)?;
        found.extend(
            parts
                .iter()
                .filter_map(|p| p.path().get_ident().map(Ident::to_string)),
        );
    }
    Ok(found)
}

/// Name and type of each field.
fn fields(fields: &Fields) -> Vec<(Member, &Type)> {
    fields
        .iter()
        .enumerate()
        .map(|(at, field)| {
            let member = field
                .ident
                .clone()
                .map_or_else(|| Member::Unnamed(Index::from(at)), Member::Named);
            (member, &field.ty)
        })
        .collect()
}

/// Refuses what is recognisably private to a process, with the way out. The rest the compiler
/// refuses, as not being `Shareable`.
fn refuse_private(ty: &Type) -> Result<()> {
    let refuse = |why: String| Err(Error::new_spanned(ty, why));
    match ty {
        Type::Reference(_) | Type::Ptr(_) => refuse(
            "an address means nothing in another process: share the value itself, or an index \
             into a shared container"
                .into(),
        ),
        Type::FnPtr(_) => refuse(
            "a function lies at another address in another process: share a number that names it"
                .into(),
        ),
        Type::Tuple(_) => refuse(
            "the compiler may place the parts of a tuple as it likes: use a `#[repr(C)]` struct"
                .into(),
        ),
        Type::Array(array) => refuse_private(&array.elem),
        Type::Paren(inner) => refuse_private(&inner.elem),
        Type::Group(inner) => refuse_private(&inner.elem),
        Type::Path(path) => match instead_of(&path.path) {
            Some(instead) => refuse(format!(
                "what a `{}` holds lies in the memory of one process: {instead}",
                path.path
                    .segments
                    .last()
                    .map_or(String::new(), |s| s.ident.to_string()),
            )),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// What to use instead of a well-known type that lives outside its own bytes.
fn instead_of(path: &Path) -> Option<&'static str> {
    Some(match path.segments.last()?.ident.to_string().as_str() {
        "Box" | "Rc" | "Arc" => "put the value itself into the struct",
        "Vec" | "VecDeque" => "use an array `[T; N]`, or a shared list beside the struct",
        "String" | "OsString" | "PathBuf" => {
            "use an array of bytes `[u8; N]`, or store the text in a shared container"
        }
        "HashMap" | "BTreeMap" | "HashSet" | "BTreeSet" => "use a shared dict beside the struct",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(item: TokenStream) -> String {
        expand(item).unwrap_err().to_string()
    }

    #[test]
    fn every_field_is_named_in_the_hash_and_in_the_check() {
        let text = expand(quote! { #[repr(C)] struct P { x: f64, y: u64 } })
            .unwrap()
            .to_string();
        for part in [
            "\"x\"",
            "\"y\"",
            "offset_of ! (Self , y)",
            "size_of :: < u64 >",
        ] {
            assert!(text.contains(part), "no `{part}` in {text}");
        }
        let text = expand(quote! { #[repr(transparent)] struct P(u64); })
            .unwrap()
            .to_string();
        assert!(text.contains("offset_of ! (Self , 0)"), "{text}");
    }

    #[test]
    fn parameters_are_bound_and_checked_on_use() {
        let text = expand(quote! { #[repr(C)] struct P<T, const N: usize> { x: [T; N] } })
            .unwrap()
            .to_string();
        assert!(text.contains("T : :: pumasi"), "{text}");
        assert!(!text.contains("const _ : u64"), "{text}");
    }

    #[test]
    fn what_cannot_be_shared_is_told_why() {
        for (item, expected) in [
            (quote! { struct P { x: u8 } }, "needs `#[repr(C)]`"),
            (
                quote! { #[repr(packed)] struct P { x: u8 } },
                "needs `#[repr(C)]`",
            ),
            (quote! { #[repr(C)] struct P; }, "no bytes"),
            (
                quote! { #[repr(C)] struct P<'a> { x: &'a u8 } },
                "cannot borrow",
            ),
            (
                quote! { #[repr(C)] struct P { x: &'static u8 } },
                "an address",
            ),
            (
                quote! { #[repr(C)] struct P { x: [*const u8; 2] } },
                "an address",
            ),
            (
                quote! { #[repr(C)] struct P { x: fn() } },
                "another address",
            ),
            (quote! { #[repr(C)] struct P { x: (u8, u8) } }, "repr(C)"),
            (quote! { #[repr(C)] struct P { x: Box<u8> } }, "itself"),
            (
                quote! { #[repr(C)] struct P { x: std::vec::Vec<u8> } },
                "[T; N]",
            ),
            (quote! { #[repr(C)] struct P { x: String } }, "[u8; N]"),
            (
                quote! { #[repr(C)] struct P { x: HashMap<u8, u8> } },
                "shared dict",
            ),
            (quote! { #[repr(C)] union P { x: u8 } }, "union"),
            (quote! { enum E { A } }, "#[repr(u8)]"),
            (quote! { #[repr(C)] enum E { A } }, "#[repr(u8)]"),
            (quote! { #[repr(u8)] enum E {} }, "without variants"),
            (quote! { #[repr(u8)] enum E { A, B(u8) } }, "with data"),
        ] {
            let error = error(item);
            assert!(error.contains(expected), "`{error}` lacks `{expected}`");
        }
    }
}
