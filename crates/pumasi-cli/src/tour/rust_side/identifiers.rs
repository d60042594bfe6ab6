//! Counts the identifiers in Python files, by the same rules as `count_identifiers.py`, so that the
//! counts of both languages can be compared byte by byte.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// How often each identifier was found.
pub(super) type Counts = HashMap<String, u64>;

/// The keywords of Python, the same from 3.10 to 3.13.
const KEYWORDS: [&[u8]; 35] = [
    b"False",
    b"None",
    b"True",
    b"and",
    b"as",
    b"assert",
    b"async",
    b"await",
    b"break",
    b"class",
    b"continue",
    b"def",
    b"del",
    b"elif",
    b"else",
    b"except",
    b"finally",
    b"for",
    b"from",
    b"global",
    b"if",
    b"import",
    b"in",
    b"is",
    b"lambda",
    b"nonlocal",
    b"not",
    b"or",
    b"pass",
    b"raise",
    b"return",
    b"try",
    b"while",
    b"with",
    b"yield",
];
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const LEFT_OUT: [&str; 3] = ["site-packages", "dist-packages", "__pycache__"];

/// The .py files below a folder, the largest first.
pub(super) fn library_files(folder: &Path, at_most: Option<usize>) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    collect(folder, &mut found)?;
    found.sort_by(|(a, a_size), (b, b_size)| b_size.cmp(a_size).then_with(|| a.cmp(b)));
    found.truncate(at_most.unwrap_or(usize::MAX));
    Ok(found.into_iter().map(|(path, _)| path).collect())
}

fn collect(folder: &Path, found: &mut Vec<(PathBuf, u64)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let (entry, path) = entry.map(|entry| (entry.file_type(), entry.path()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if entry?.is_dir() {
            if !LEFT_OUT.contains(&&*name) {
                collect(&path, found)?;
            }
        } else if name.ends_with(".py") {
            let metadata = fs::metadata(&path)?;
            if !metadata.is_dir() {
                found.push((path, metadata.len()));
            }
        }
    }
    Ok(())
}

/// The counts of one file.
pub(super) fn count_file(path: &Path) -> io::Result<Counts> {
    let source = fs::read(path)?;
    let mut counts: HashMap<&[u8], u64> = HashMap::new();
    for name in Names::of(source.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&source)) {
        *counts.entry(name).or_default() += 1;
    }
    for keyword in KEYWORDS {
        counts.remove(keyword);
    }
    let named = |(name, n)| (String::from_utf8_lossy(name).into_owned(), n);
    Ok(counts.into_iter().map(named).collect())
}

/// The counts of several files together.
pub(super) fn count_files<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> io::Result<Counts> {
    let mut counts = Counts::new();
    for path in paths {
        merge(&mut counts, count_file(path)?);
    }
    Ok(counts)
}

/// Adds one count to another.
pub(super) fn merge(counts: &mut Counts, more: Counts) {
    for (name, n) in more {
        *counts.entry(name).or_default() += n;
    }
}

/// One number for a whole count: the CRC-32 of its lines `name count` in the order of the names.
pub(super) fn digest(counts: &Counts) -> u32 {
    let mut lines: Vec<_> = counts.iter().collect();
    lines.sort_unstable();
    let bytes = lines
        .iter()
        .flat_map(|(name, n)| format!("{name} {n}\n").into_bytes());
    !bytes.fold(!0, |crc, byte| {
        CRC_TABLE[usize::from((crc as u8) ^ byte)] ^ (crc >> 8)
    })
}

/// The CRC-32 of each byte, with the polynomial which zlib uses.
const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                0xEDB8_8320 ^ (crc >> 1)
            } else {
                crc >> 1
            };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
};

/// The names in a Python source, in their order; what is in strings and comments is not among them.
struct Names<'a> {
    source: &'a [u8],
    at: usize,
}

impl<'a> Names<'a> {
    fn of(source: &'a [u8]) -> Self {
        Self { source, at: 0 }
    }

    fn byte(&self, at: usize) -> u8 {
        self.source.get(at).copied().unwrap_or(0)
    }

    /// The end of the string which begins here, if one does.
    fn string(&self) -> Option<usize> {
        let (first, second) = (self.byte(self.at), self.byte(self.at + 1));
        let prefix = match (first.to_ascii_lowercase(), second.to_ascii_lowercase()) {
            (b'"' | b'\'', _) => 0,
            (b'r' | b'b' | b'f' | b'u', b'"' | b'\'') => 1,
            (b'r', b'b' | b'f') | (b'b' | b'f', b'r') => 2,
            _ => return None,
        };
        let start = self.at + prefix;
        let quote = self.byte(start);
        if quote != b'"' && quote != b'\'' {
            return None;
        }
        let three = [quote; 3];
        let long = if self.source[start..].starts_with(&three) {
            self.end_of_string(start + 3, &three, true)
        } else {
            None
        };
        long.or_else(|| self.end_of_string(start + 1, &[quote], false))
    }

    /// The place after the closing quotes, looked for from here; a backslash hides what follows it.
    fn end_of_string(&self, mut at: usize, quotes: &[u8], lines: bool) -> Option<usize> {
        while at < self.source.len() {
            if self.source[at..].starts_with(quotes) {
                return Some(at + quotes.len());
            }
            match self.source[at] {
                b'\\' if at + 1 < self.source.len() => at += 2,
                b'\\' => return None,
                b'\n' if !lines => return None,
                _ => at += 1,
            }
        }
        None
    }

    /// The first place from `at` on whose byte is not of this kind.
    fn end_of(&self, at: usize, kind: impl Fn(u8) -> bool) -> usize {
        let length = self.source[at..].iter().position(|byte| !kind(*byte));
        length.map_or(self.source.len(), |length| at + length)
    }
}

impl<'a> Iterator for Names<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while self.at < self.source.len() {
            let start = self.at;
            let byte = self.source[start];
            if let Some(end) = self.string() {
                self.at = end;
            } else if byte == b'#' {
                self.at = self.end_of(start, |byte| byte != b'\n');
            } else if byte.is_ascii_digit() {
                self.at = self.end_of(start, |b| {
                    b.is_ascii_alphanumeric() || b == b'_' || b == b'.'
                });
            } else if is_letter(byte) {
                self.at = self.end_of(start, |byte| is_letter(byte) || byte.is_ascii_digit());
                return Some(&self.source[start..self.at]);
            } else {
                self.at += 1;
            }
        }
        None
    }
}

/// Every byte above 127 counts as a letter, as in the first step of Python's own tokenizer.
fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(source: &str) -> Vec<String> {
        Names::of(source.as_bytes())
            .map(|name| String::from_utf8_lossy(name).into())
            .collect()
    }

    #[test]
    fn names_are_found_and_nothing_else() {
        assert_eq!(names("a = b1 + _c  # d\ne"), ["a", "b1", "_c", "e"]);
        assert_eq!(names("x = 0x1F + 1e5 + 1_000j"), ["x"]);
        assert_eq!(names("변수 = 1"), ["변수"]);
    }

    #[test]
    fn strings_are_skipped_with_their_prefixes() {
        assert_eq!(names(r#"a "b" 'c' rb"d" Rf'e' u"f" g"h""#), ["a", "g"]);
        assert_eq!(names("a '''b\n\"c\" ''' d"), ["a", "d"]);
        assert_eq!(names(r#"a "b\" c" d"#), ["a", "d"]);
    }

    #[test]
    fn strings_without_an_end_are_no_strings() {
        assert_eq!(names("a 'b\nc"), ["a", "b", "c"]);
        assert_eq!(names("rb'c"), ["rb", "c"]);
        assert_eq!(names("\"\"\"a"), ["a"]);
        assert_eq!(names("'a\\"), ["a"]);
        assert_eq!(names("r"), ["r"]);
    }

    #[test]
    fn the_digest_is_that_of_zlib() {
        let counts = Counts::from([("self".to_owned(), 3), ("name".to_owned(), 1)]);
        assert_eq!(digest(&counts), 0xdef4_90a2);
        assert_eq!(digest(&Counts::new()), 0);
    }
}
