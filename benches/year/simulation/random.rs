//! Chance that repeats: the same seed gives the same year with every version of every dependency. Logarithms come from
//! the C library, so another one may change a last digit and with it the chance.

/// A generator of 64 bits of state. Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators"
/// (2014), SplitMix64.
#[derive(Debug)]
pub(super) struct Random(u64);

/// Mean above which a Poisson number is drawn from the normal distribution instead, which is close enough there.
const MANY: f64 = 30.0;

impl Random {
    /// Returns one of many independent generators of a seed.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut random = Self(seed ^ stream.wrapping_mul(0xd134_2543_de82_ef95));
        // Streams with neighbouring numbers begin far apart.
        let start = random.next() ^ stream;
        Self(start)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number above 0 and at most 1.
    fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + self.unit() * (high - low)
    }

    /// Returns a whole number of seconds.
    pub(super) fn seconds(&mut self, low: i64, high: i64) -> i64 {
        self.between(low as f64, high as f64).round() as i64
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() <= probability
    }

    pub(super) fn one_of<T: Copy>(&mut self, list: &[T]) -> T {
        let index = (self.unit() * list.len() as f64).ceil() as usize;
        list[index.saturating_sub(1).min(list.len() - 1)]
    }

    /// Returns an exponential gap with mean 1.
    pub(super) fn gap(&mut self) -> f64 {
        -self.unit().ln()
    }

    /// Returns a number of the normal distribution, to within what many coins give.
    fn normal(&mut self) -> f64 {
        const COINS: f64 = 256.0;
        let heads: u32 = (0..4).map(|_| self.next().count_ones()).sum();
        // Between two numbers of heads all are as likely.
        let between = self.unit() - 0.5;
        (f64::from(heads) - COINS / 2.0 + between) / (COINS / 4.0).sqrt()
    }

    pub(super) fn poisson(&mut self, mean: f64) -> f64 {
        if mean <= 0.0 {
            return 0.0;
        }
        if mean >= MANY {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0);
        }
        // The first count whose chance, with those of all below it, reaches a number between 0 and 1.
        let reached = self.unit();
        let (mut chance, mut count) = ((-mean).exp(), 0.0);
        let mut sum = chance;
        while sum < reached && chance > 0.0 {
            count += 1.0;
            chance *= mean / count;
            sum += chance;
        }
        count
    }

    /// Returns how many of `total` events happen when each does with a probability; its cost goes with the answer.
    pub(super) fn binomial(&mut self, total: f64, probability: f64) -> f64 {
        if probability > 0.5 {
            return total - self.binomial(total, 1.0 - probability);
        }
        if probability <= 0.0 {
            return 0.0;
        }
        let scale = -(-probability).ln_1p();
        let (mut at, mut count) = (0.0, 0.0);
        loop {
            at += (self.gap() / scale).floor() + 1.0;
            if at > total {
                return count;
            }
            count += 1.0;
        }
    }
}
