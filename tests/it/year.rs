//! A few weeks of services whose truth is known: nothing is rolled back that is not to blame, and what is gets caught.
//! `scripts/bench.sh --year` does the same for years.

#[path = "../../benches/year/simulation/mod.rs"]
mod simulation;

use simulation::{Subject, Tally, simulate};

/// Days with passes of each service.
const DAYS: i64 = 14;

/// How many times as much goes wrong as in a usual year: about one bad release every two days.
const TROUBLE: u32 = 8;

/// Every traffic at every health, once; but for the services that always burn their budget five times too fast, which
/// have too few bad releases here to judge them by.
const SERVICES: u64 = 30;

/// Share of the bad releases that has to be caught by the first or the second pass that can (0..1): less than in
/// years, because here some sixty releases stand close together.
const CAUGHT_SOON: f64 = 0.9;

#[test]
fn weeks_of_passes_blame_nobody_who_is_not_to_blame() {
    let mut all = Tally::default();
    for number in 0..SERVICES {
        all.join(simulate(Subject {
            seed: 1,
            number,
            days: DAYS,
            trouble: TROUBLE,
        }));
    }
    assert_eq!(
        all.failures(CAUGHT_SOON),
        Vec::<String>::new(),
        "\n{}{}",
        all.report(),
        all.findings(3)
    );
}
