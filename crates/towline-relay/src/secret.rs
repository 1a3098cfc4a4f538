//! Secrets that the relay makes, and digests as text.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// 256 random bits: 43 letters, digits, `-` and `_`.
///
/// # Panics
/// If the operating system provides no randomness, because guessable secrets would let strangers in.
pub(crate) fn random() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<32>())
}

/// Random bytes.
///
/// # Panics
/// As [`random`].
pub(crate) fn bytes<const COUNT: usize>() -> [u8; COUNT] {
    let mut bytes = [0; COUNT];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
