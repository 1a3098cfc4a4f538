//! Reads the bytes of files and pipes as texts or images.

pub mod fetch;

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::ValueEnum;
use towline_app::text::units;

/// Maximum size of an image, in bytes.
pub const IMAGE_BYTES: u64 = 64 << 20;

/// The encoding of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Encoding {
    #[value(name = "utf-8", alias = "utf8")]
    Utf8,
    // Little-endian, unless a byte order mark says otherwise. (A doc comment would make the help long.)
    #[value(name = "utf-16", alias = "utf16")]
    Utf16,
    // As browsers read it: Windows-1252, in which the bytes 80 to 9F are characters too.
    #[value(name = "latin-1", aliases = ["latin1", "iso-8859-1", "windows-1252"])]
    Latin1,
}

/// A text, and the number of invalid places that U+FFFD has replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    pub text: String,
    pub replaced: usize,
}

impl Text {
    /// The warning if anything was replaced; `source` names the text.
    pub fn warning(&self, source: &str) -> Option<String> {
        let places = match self.replaced {
            0 => return None,
            1 => "1 place".to_owned(),
            count => format!("{count} places"),
        };
        Some(format!("{source} is not UTF-8 text: unreadable bytes became U+FFFD in {places}"))
    }
}

/// Decodes a text: in `encoding` if given, else by its byte order mark, else as UTF-8. `None` if it is not a
/// text.
pub fn text(bytes: &[u8], encoding: Option<Encoding>) -> Option<Text> {
    let marked = match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Encoding::Utf16,
        _ => Encoding::Utf8,
    };
    match encoding.unwrap_or(marked) {
        Encoding::Utf8 => utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)),
        Encoding::Utf16 => Some(utf16(bytes)),
        Encoding::Latin1 => {
            Some(Text { text: bytes.iter().map(|&byte| windows_1252(byte)).collect(), replaced: 0 })
        }
    }
}

fn utf8(bytes: &[u8]) -> Option<Text> {
    let mut text = Text { text: String::with_capacity(bytes.len()), replaced: 0 };
    for chunk in bytes.utf8_chunks() {
        text.text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.text.push(char::REPLACEMENT_CHARACTER);
            text.replaced += 1;
        }
    }
    // Text in old encodings has no NUL bytes, but images, programs and archives have.
    (text.replaced == 0 || !bytes.contains(&0)).then_some(text)
}

fn utf16(bytes: &[u8]) -> Text {
    let (big, bytes) = match bytes {
        [0xfe, 0xff, rest @ ..] => (true, rest),
        [0xff, 0xfe, rest @ ..] => (false, rest),
        all => (false, all),
    };
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units =
        pairs.iter().map(|&pair| if big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) });
    let mut replaced = rest.len();
    let mut text: String = char::decode_utf16(units)
        .map(|decoded| {
            decoded.unwrap_or_else(|_lone| {
                replaced += 1;
                char::REPLACEMENT_CHARACTER
            })
        })
        .collect();
    text.extend(rest.iter().map(|_| char::REPLACEMENT_CHARACTER));
    Text { text, replaced }
}

/// A byte of Windows-1252 (the encoding standard's index); bytes without a character map to themselves.
fn windows_1252(byte: u8) -> char {
    const FROM_80: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
        '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => FROM_80[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

/// A file's bytes.
///
/// # Errors
/// If it cannot be read or exceeds the limit; names the file.
pub fn bytes(path: &Path, limit_bytes: u64) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let unreadable = |error: std::io::Error| format!("{shown} cannot be read: {error}");
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(limit_bytes + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > limit_bytes {
        return Err(format!("{shown} is larger than {} MiB", limit_bytes >> 20));
    }
    Ok(bytes)
}

/// The image in a data URL (`data:image/png;base64,…`); `None` if the text is not such a URL.
pub fn data_url(text: &str) -> Option<Result<Vec<u8>, String>> {
    let (head, data) = text.strip_prefix("data:")?.split_once(',')?;
    let Some(kind) = head.strip_suffix(";base64") else {
        return Some(Err(format!("the data URL (data:{head}) has no base64 text")));
    };
    let data: String = data.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    Some(STANDARD.decode(data).map_err(|error| format!("the data URL (data:{kind}) is damaged: {error}")))
}

/// An image from a file or a data URL.
///
/// # Errors
/// If there is none; names the source.
pub fn image(named: &Path) -> Result<Vec<u8>, String> {
    let bytes = match named.to_str().and_then(data_url) {
        Some(image) => image?,
        None => bytes(named, IMAGE_BYTES)?,
    };
    if bytes.is_empty() { Err(format!("the image {} is empty", image_name(named))) } else { Ok(bytes) }
}

/// Whether the bytes begin like an image in a format that servers accept.
pub fn is_image(bytes: &[u8]) -> bool {
    let begins: [&[u8]; 3] = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8"];
    begins.iter().any(|begin| bytes.starts_with(begin))
        || (bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP"))
}

/// The content of an attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileContent {
    pub input: FileInput,
    /// A note about the extracted part, if it is not the file itself.
    pub note: Option<String>,
}

/// An attached file or page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileInput {
    Image(Vec<u8>),
    Text(Text),
}

/// A text or an image.
///
/// # Errors
/// If it is neither, or cannot be read; names the file, and what to do.
pub fn file(path: &Path, encoding: Option<Encoding>) -> Result<FileContent, String> {
    content(&path.display().to_string(), bytes(path, IMAGE_BYTES)?, "", encoding)
}

/// The content of a file or a page: an image, a text, the text of a PDF, or the text of an HTML page. A file
/// has no content type.
///
/// # Errors
/// If it is none of these; names the file, and what to do.
pub fn content(
    shown: &str,
    bytes: Vec<u8>,
    content_type: &str,
    encoding: Option<Encoding>,
) -> Result<FileContent, String> {
    if is_image(&bytes) {
        return Ok(FileContent { input: FileInput::Image(bytes), note: None });
    }
    let from = |what: &str, text: &str| {
        let (text, of) = (units::bytes(text.len() as u64), units::bytes(bytes.len() as u64));
        Some(format!("{shown}: {text} of text from {what} of {of}"))
    };
    if bytes.starts_with(b"%PDF-") {
        let text = pdf_text(&bytes).map_err(|why| format!("{shown} is a PDF, and {why}"))?;
        let note = from("a PDF", &text);
        return Ok(FileContent { input: FileInput::Text(Text { text, replaced: 0 }), note });
    }
    let charset = content_type.to_ascii_lowercase();
    let charset = charset.split(';').find_map(|part| part.trim().strip_prefix("charset="));
    let named = charset.and_then(|name| Encoding::from_str(name.trim_matches('"'), true).ok());
    let mut text = text(&bytes, encoding.or(named))
        .ok_or_else(|| format!("{shown} is neither text, a PDF, nor a PNG, JPEG, WebP or GIF image"))?;
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !matches!(media_type.as_str(), "text/html" | "application/xhtml+xml") {
        return Ok(FileContent { input: FileInput::Text(text), note: None });
    }
    text.text = nanohtml2text::html2text(&text.text);
    let note = from("a page", &text.text);
    Ok(FileContent { input: FileInput::Text(text), note })
}

/// The text of a PDF, from Poppler's program.
fn pdf_text(bytes: &[u8]) -> Result<String, String> {
    let command = || {
        let mut command = Command::new("pdftotext");
        command.args(["-enc", "UTF-8", "-nopgbrk", "-", "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        command
    };
    let failed = |error: std::io::Error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            "its text is read by pdftotext, which is not installed (poppler-utils, or poppler)".to_owned()
        } else {
            format!("pdftotext cannot be run: {error}")
        }
    };
    let mut child = command().spawn().map_err(failed)?;
    let stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            // If it does not read all input, its exit status tells.
            stdin.map(|mut stdin| stdin.write_all(bytes))
        });
        child.wait_with_output()
    });
    let output = output.map_err(failed)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    match (output.status.success(), text.trim().is_empty()) {
        (false, _) => Err("pdftotext cannot read it".to_owned()),
        (true, true) => Err("it has no text; maybe its pages are images".to_owned()),
        (true, false) => Ok(text),
    }
}

/// The name of an image for messages: a data URL without its data.
pub fn image_name(named: &Path) -> String {
    let shown = named.display().to_string();
    match shown.split_once(',') {
        Some((head, _)) if head.starts_with("data:") => head.to_owned(),
        _ => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_in_the_encoding_it_has() {
        for (bytes, encoding, expected, replaced) in [
            (&b"caf\xc3\xa9"[..], None, "café", 0),
            (b"\xef\xbb\xbfmarked", None, "marked", 0),
            (b"\xff\xfeh\0i\0", None, "hi", 0),
            (b"\xfe\xff\0h\0i", None, "hi", 0),
            (b"h\0i\0", Some(Encoding::Utf16), "hi", 0),
            (b"\xff\xfe\x3d\xd8!\0?", None, "\u{fffd}!\u{fffd}", 2),
            (b"Caf\xe9 \x96 na\xefve", None, "Caf\u{fffd} \u{fffd} na\u{fffd}ve", 3),
            (b"Caf\xe9 \x96 na\xefve", Some(Encoding::Latin1), "Café – naïve", 0),
            (b"a\0b", None, "a\0b", 0),
        ] {
            let read = text(bytes, encoding).unwrap();
            assert_eq!((read.text.as_str(), read.replaced), (expected, replaced), "{bytes:?}");
        }
        assert_eq!(text(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", None), None);
    }

    #[test]
    fn data_urls_are_images() {
        let of = |text: &str| data_url(text).map(|image| image.map_err(|error| error.len() > 10));
        assert_eq!(of("data:image/png;base64,aGk="), Some(Ok(b"hi".to_vec())));
        assert_eq!(of("data:image/png;base64,aGVs\nbG8="), Some(Ok(b"hello".to_vec())));
        assert_eq!(of("data:image/svg+xml,<svg>"), Some(Err(true)));
        assert_eq!(of("data.png"), None);
    }
}
