//! QR codes, on a terminal or as a picture.

use qrcode::{Color, EcLevel, QrCode};

/// The light border that cameras need, in modules.
const BORDER: usize = 4;
/// The side of a module in a picture, in pixels.
const PIXELS: usize = 8;

/// A code, module by module.
#[derive(Debug)]
pub struct Code {
    modules: Vec<bool>,
    width: usize,
}

impl Code {
    /// The code of a text; `None` if the text is too long.
    pub fn of(text: &str) -> Option<Self> {
        let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
        let width = code.width();
        let modules = code.to_colors().into_iter().map(|color| color == Color::Dark).collect();
        Some(Self { modules, width })
    }

    fn is_dark(&self, x: usize, y: usize) -> bool {
        let inside = |at: usize| at.checked_sub(BORDER).filter(|at| *at < self.width);
        let (Some(x), Some(y)) = (inside(x), inside(y)) else { return false };
        self.modules.get(y * self.width + x).copied().unwrap_or_default()
    }

    fn side(&self) -> usize {
        self.width + 2 * BORDER
    }

    /// Two rows of modules per line, for a dark terminal; cameras also read the negative on a light one.
    pub fn lines(&self) -> Vec<String> {
        let cell = |x, y| match (self.is_dark(x, y), self.is_dark(x, y + 1)) {
            (false, false) => '█',
            (false, true) => '▀',
            (true, false) => '▄',
            (true, true) => ' ',
        };
        (0..self.side()).step_by(2).map(|y| (0..self.side()).map(|x| cell(x, y)).collect()).collect()
    }

    /// A PNG with one bit per pixel. It is small, so its data are stored without compression.
    pub fn png(&self) -> Vec<u8> {
        let side = self.side() * PIXELS;
        let mut rows = Vec::new();
        for y in 0..side {
            // Without a filter.
            rows.push(0);
            for byte in 0..side.div_ceil(8) {
                let is_light = |bit: usize| !self.is_dark((byte * 8 + bit) / PIXELS, y / PIXELS);
                rows.push((0..8).fold(0, |bits, bit| bits << 1 | u8::from(is_light(bit))));
            }
        }
        let length = u32::try_from(side).unwrap_or(u32::MAX).to_be_bytes();
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        chunk(&mut png, b"IHDR", &[&length[..], &length, &[1, 0, 0, 0, 0]].concat());
        chunk(&mut png, b"IDAT", &stored(&rows));
        chunk(&mut png, b"IEND", &[]);
        png
    }
}

fn chunk(png: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    png.extend_from_slice(&u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes());
    let begin = png.len();
    png.extend_from_slice(kind);
    png.extend_from_slice(data);
    let sum = crc32(&png[begin..]);
    png.extend_from_slice(&sum.to_be_bytes());
}

/// The data in zlib's format, not compressed.
fn stored(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let mut blocks = data.chunks(0xFFFF).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(u8::from(blocks.peek().is_none()));
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(block);
    }
    let (a, b) = data.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    out.extend_from_slice(&(b << 16 | a).to_be_bytes());
    out
}

fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_standards() {
        // The check values of CRC-32 and of RFC 1950's Adler-32.
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(stored(b"Wikipedia")[16..], [0x11, 0xE6, 0x03, 0x98]);
    }

    #[test]
    fn a_code_is_square_and_has_its_border() {
        let code = Code::of("https://192.168.1.20:11437/#0123456789").unwrap();
        let lines = code.lines();
        assert!(lines.iter().all(|line| line.chars().count() == code.side()));
        assert_eq!(lines.len(), code.side().div_ceil(2));
        assert!(lines[0].chars().chain(lines[1].chars()).all(|cell| cell == '█'));
        // The corner of a code is always dark.
        assert!(code.is_dark(BORDER, BORDER) && !code.is_dark(BORDER - 1, BORDER));
        assert!(Code::of(&"x".repeat(10_000)).is_none());
    }
}
