//! An answer as models write them, without end.

/// Blocks that are gone through again and again; `#` becomes their number.
const BLOCKS: &[&str] = &[
    "## Part #: what a weir does\n\n",
    "A **weir** is a low dam that a river flows over. It keeps the water above it at a *steady level*, so boats \
     can pass, mills can turn, and the one who measures the flow has a place to do it (note #). Most are older than \
     the towns beside them, and nobody remembers who paid for the first stones.\n\n",
    "- one thing, with `code` in it\n- another thing, number #\n  - which has a part\n  - and **another** part\n\
     - a last thing, see [the page](https://example.org/#)\n\n",
    "```rust\n/// The flow over a weir, in cubic metres a second (#).\nfn flow(width: f64, head: f64) -> f64 {\n    \
     let coefficient = 1.84; // broad crest\n    coefficient * width * head.powf(1.5)\n}\n\nfn main() {\n    \
     for head in 1..10 {\n        println!(\"{head} {:.3}\", flow(2.5, f64::from(head)));\n    }\n}\n```\n\n",
    "1. Look at the gauge.\n2. Write down the number (#).\n3. Come back in an hour, and look at it again.\n\n",
    "| weir | width | head |\n|---|---:|---:|\n| upper | 12.5 m | 0.31 m |\n| lower | 9 m | 0.4 m |\n| # | 3 m | 1 m |\n\n",
    "> What is written on the stone is not what the water reads. (#)\n\n",
    "So the level above depends on the width and on what comes down the river, and hardly at all on what \
     happens below, until the water below stands as high as the crest. From then on it is *drowned*, and the \
     formula no longer holds; see part #.\n\n",
];

/// An answer without end, the same for the same seed.
#[derive(Debug)]
pub(crate) struct Endless {
    block: usize,
    text: String,
    at: usize,
    length: usize,
}

impl Endless {
    pub(crate) fn new(seed: usize) -> Self {
        Self { block: seed, text: String::new(), at: 0, length: seed }
    }

    /// The next token: 3 to 7 bytes.
    pub(crate) fn token(&mut self) -> String {
        if self.at == self.text.len() {
            self.text = BLOCKS[self.block % BLOCKS.len()].replace('#', &self.block.to_string());
            // A heading's own marks are not its number.
            if self.block.is_multiple_of(BLOCKS.len()) {
                self.text = format!("## Part {}: what a weir does\n\n", self.block);
            }
            self.block += 1;
            self.at = 0;
        }
        self.length += 1;
        let end = (self.at + 3 + self.length * 7 % 5).min(self.text.len());
        let token = self.text[self.at..end].to_owned();
        self.at = end;
        token
    }
}
