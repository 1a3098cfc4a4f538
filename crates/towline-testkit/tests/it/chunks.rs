use towline_testkit::chunk;

#[test]
fn every_chunking_is_the_input() {
    for length in [0, 1, 2, 3, 300] {
        let input: Vec<u8> = (0..length).map(|nth| nth as u8).collect();
        for pieces in chunk::all(&input, 7, 100) {
            assert_eq!(pieces.concat(), input);
            assert!(pieces.iter().all(|piece| !piece.is_empty()));
        }
    }
}

#[test]
fn single_cuts_are_all_there() {
    let cuts: Vec<_> = chunk::single_cuts(b"abc").collect();
    assert_eq!(cuts, [[&b"a"[..], b"bc"], [b"ab", b"c"]]);
}

#[test]
fn sizes_are_kept() {
    assert_eq!(chunk::byte_by_byte(b"abc"), [b"a", b"b", b"c"]);
    assert_eq!(chunk::sized(b"abcde", 2), [&b"ab"[..], b"cd", b"e"]);
}

#[test]
fn a_seed_always_gives_the_same_cuts() {
    let input = [0; 40];
    let lengths = |seed| -> Vec<Vec<usize>> {
        chunk::random_cuts(&input, seed, 3)
            .map(|pieces| pieces.iter().map(|piece| piece.len()).collect())
            .collect()
    };
    assert_eq!(lengths(1), lengths(1));
    assert_ne!(lengths(1), lengths(2));
}
