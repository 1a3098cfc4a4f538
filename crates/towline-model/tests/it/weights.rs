//! The weights in the binary are the ones named beside them.

use sha2::{Digest, Sha256};
use towline_model::Config;

use crate::server::Running;

const SUMS: &str = include_str!("../../../../models/SHA256SUMS");
const WEIGHTS: &[u8] = include_bytes!("../../../../models/brook-q8_0.gguf");

#[test]
fn the_weights_have_the_sum_that_is_written_beside_them() {
    let sum: String = Sha256::digest(WEIGHTS).iter().map(|byte| format!("{byte:02x}")).collect();
    let line = SUMS.lines().find(|line| line.ends_with("brook-q8_0.gguf")).unwrap();
    assert_eq!(line.split_whitespace().next(), Some(sum.as_str()));
    let server = Running::start(Config::default());
    assert_eq!(server.client().get("/api/tags").json()["models"][0]["digest"], sum.as_str());
}
