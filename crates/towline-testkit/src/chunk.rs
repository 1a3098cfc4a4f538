//! Ways to split a byte slice into pieces, as a network might.
//!
//! A chunking is the list of pieces in order; none is empty, and together they are the input.

/// The input in one piece, byte by byte, with every single cut, and with `random` seeded random sets of cuts.
///
/// The number of chunkings grows with the input's length, and each is as long as the input, so use it for
/// inputs of up to some tens of kilobytes.
pub fn all(bytes: &[u8], seed: u64, random: usize) -> impl Iterator<Item = Vec<&[u8]>> {
    let whole = if bytes.is_empty() { Vec::new() } else { vec![bytes] };
    [whole, byte_by_byte(bytes)].into_iter().chain(single_cuts(bytes)).chain(random_cuts(bytes, seed, random))
}

/// Every way to cut the input into two.
pub fn single_cuts(bytes: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    (1..bytes.len()).map(|at| vec![&bytes[..at], &bytes[at..]])
}

/// Every byte a piece of its own.
pub fn byte_by_byte(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.chunks(1).collect()
}

/// Pieces of a fixed size in bytes, the last one shorter.
pub fn sized(bytes: &[u8], piece_bytes: usize) -> Vec<&[u8]> {
    bytes.chunks(piece_bytes.max(1)).collect()
}

/// `count` chunkings with random cuts. The same seed always gives the same chunkings.
pub fn random_cuts(bytes: &[u8], seed: u64, count: usize) -> impl Iterator<Item = Vec<&[u8]>> {
    let mut random = SplitMix64(seed);
    (0..count).map(move |_| {
        // Maximum length of a piece: mostly short, occasionally the whole input.
        let scale = 1 << random.below(16);
        let longest = 1 + random.below(scale).min(bytes.len() as u64);
        let mut pieces = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let length = (1 + random.below(longest)) as usize;
            let (piece, after) = rest.split_at(length.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces
    })
}

/// Steele, Lea and Flood's generator: enough for choosing cuts, and fixed.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which must not be 0.
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
