//! How long the work may run before it is stopped for a moment, where no cgroup limits its processor time.
//!
//! A closed loop over the processor time that the kernel measured: credit comes in with the clock and goes out with use,
//! so that what one quantum ran over is taken from the next and the average holds.

const MILLISECOND: u64 = 1_000_000;
/// The longest the work runs or stands at a time.
pub const QUANTUM: u64 = 20 * MILLISECOND;
/// Shortest run worth two signals.
const SHORTEST_RUN: i64 = MILLISECOND as i64;
/// A timer later than this is not made up for.
const LATEST: i64 = 100 * MILLISECOND as i64;
/// Credit kept for work that waited: more would become a burst.
const MOST_CREDIT: i64 = 10 * MILLISECOND as i64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Runs; look again after this many nanoseconds.
    Run(u64),
    /// Stands; look again after this many nanoseconds.
    Stand(u64),
}

/// Nanoseconds throughout.
pub struct DutyCycle {
    percent: u32,
    credit: i64,
    last_clock: u64,
    last_used: u64,
    stands: bool,
}

impl DutyCycle {
    /// Begins now: what the work used before is not counted.
    pub fn new(percent: u32, clock: u64, used: u64) -> Self {
        Self { percent, credit: 0, last_clock: clock, last_used: used, stands: false }
    }

    /// Time from here to the next [`Self::next`] gives no credit: the work was frozen.
    pub fn skip_to(&mut self, clock: u64) {
        self.last_clock = clock;
    }

    /// @param used processor time of the work so far; a new process of it may start again at less
    pub fn next(&mut self, clock: u64, used: u64) -> Turn {
        let elapsed = clock.saturating_sub(self.last_clock);
        let spent = used.saturating_sub(self.last_used);
        (self.last_clock, self.last_used) = (clock, used);
        let income = i64::try_from(elapsed * u64::from(self.percent) / 100).unwrap_or(i64::MAX);
        self.credit = self.credit.saturating_add(income).saturating_sub_unsigned(spent);
        // What it did not use because it waited by itself is gone; what our late timer took from it comes back, up to
        // a tenth of a second.
        let waited = !self.stands && spent < elapsed / 8;
        let most = if waited { MOST_CREDIT } else { LATEST * i64::from(self.percent) / 100 };
        self.credit = self.credit.min(most.max(SHORTEST_RUN));
        let run = self.run_length();
        if self.credit <= 0 || (self.stands && self.credit < run) {
            self.stands = true;
            let missing = (run - self.credit) as u64 * 100 / u64::from(self.percent);
            return Turn::Stand(missing.clamp(MILLISECOND / 2, QUANTUM));
        }
        self.stands = false;
        // Running costs 1 and earns percent/100 a nanosecond.
        let lasts = self.credit as u64 * 100 / u64::from(100 - self.percent.min(99));
        Turn::Run(lasts.clamp(MILLISECOND / 2, QUANTUM))
    }

    /// So that run and stand together fit into a quantum where they can.
    fn run_length(&self) -> i64 {
        (QUANTUM as i64 * i64::from(self.percent) / 100).clamp(SHORTEST_RUN, MOST_CREDIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Work that always wants the processor, on a machine whose timer is late by `late` nanoseconds.
    fn share(percent: u32, late: u64) -> f64 {
        let mut cycle = DutyCycle::new(percent, 0, 0);
        let (mut clock, mut used) = (0u64, 0u64);
        while clock < 20_000 * MILLISECOND {
            match cycle.next(clock, used) {
                Turn::Run(span) => {
                    clock += span + late;
                    used += span + late;
                }
                Turn::Stand(span) => clock += span + late,
            }
        }
        100.0 * used as f64 / clock as f64
    }

    #[test]
    fn gov_7_the_average_is_the_limit_also_with_late_timers() {
        for percent in [1, 5, 10, 25, 50, 75, 90] {
            for late in [0, 100_000, 3_000_000] {
                let measured = share(percent, late);
                let allowed = f64::from(percent) * 0.03 + 0.3;
                assert!((measured - f64::from(percent)).abs() < allowed, "{percent} % late {late}: {measured}");
            }
        }
    }

    #[test]
    fn gov_7_neither_runs_nor_stands_longer_than_a_quantum() {
        let mut cycle = DutyCycle::new(30, 0, 0);
        let (mut clock, mut used) = (0, 0);
        for _ in 0..10_000 {
            let turn = cycle.next(clock, used);
            let (Turn::Run(span) | Turn::Stand(span)) = turn;
            assert!(span <= QUANTUM);
            clock += span;
            used += if matches!(turn, Turn::Run(_)) { span } else { 0 };
        }
    }

    #[test]
    fn gov_7_a_pause_of_the_work_is_no_licence_for_a_burst() {
        let mut cycle = DutyCycle::new(10, 0, 0);
        cycle.next(0, 0);
        cycle.next(60_000 * MILLISECOND, 0);
        let mut used = 0;
        let mut clock = 60_000 * MILLISECOND;
        while let Turn::Run(span) = cycle.next(clock, used) {
            clock += span;
            used += span;
        }
        assert!(used <= 2 * QUANTUM, "ran {used} ns in one go");
    }
}
