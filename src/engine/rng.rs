//! Random numbers from the bits that came with an input: splitmix64, so that a run can be repeated exactly.

use std::fmt::Write;

/// Seeded by each input.
#[derive(Debug)]
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 128 random bits as 32 hexadecimal digits.
    pub fn id(&mut self) -> String {
        let mut id = String::with_capacity(32);
        for half in [self.next(), self.next()] {
            let _ = write!(id, "{half:016x}");
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_ids_of_32_digits() {
        let ids = |seed| (Rng(seed).id(), Rng(seed).id());
        let (one, other) = ids(7);
        assert_eq!(one, other);
        assert_ne!(one, ids(8).0);
        assert_eq!(one.len(), 32);
        assert!(one.bytes().all(|digit| digit.is_ascii_hexdigit()));
    }
}
