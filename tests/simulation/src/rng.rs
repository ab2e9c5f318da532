//! Randomness from a seed (splitmix64): the only chance there is in a run.

#[derive(Debug, Clone)]
pub struct Rng(pub u64);

/// One generator for each category of faults. An event more or less in one category does not change the others, so that a
/// scenario with an act left out stays much the same.
pub struct Streams {
    /// Deaths of the worker, and what survives them.
    pub worker: Rng,
    pub clock: Rng,
    pub timers: Rng,
    pub disk: Rng,
    pub messages: Rng,
    pub network: Rng,
    /// The entropy that the engine is given.
    pub entropy: Rng,
}

impl Streams {
    pub fn of(seed: u64) -> Streams {
        let mut seeds = Rng(seed);
        let mut next = || Rng(seeds.next());
        Streams {
            worker: next(),
            clock: next(),
            timers: next(),
            disk: next(),
            messages: next(),
            network: next(),
            entropy: next(),
        }
    }
}

impl Rng {
    #[expect(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// True in so many of a thousand cases. A chance of zero draws no number.
    pub fn chance(&mut self, thousandths: u64) -> bool {
        thousandths > 0 && self.below(1000) < thousandths
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// One of these, as often as its weight says.
    pub fn weighted<T: Copy>(&mut self, weights: &[(T, u64)]) -> T {
        let mut left = self.below(weights.iter().map(|(_, weight)| weight).sum());
        let heavier = |(_, weight): &&(T, u64)| {
            let found = left < *weight;
            left = left.saturating_sub(*weight);
            found
        };
        weights.iter().find(heavier).expect("a weight").0
    }
}
