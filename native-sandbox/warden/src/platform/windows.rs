//! Containment on Windows: nothing yet. It refuses every task, so that nothing runs uncontained.

use crate::report::{Layer, Report};

/// Refuses: exit code 1, and no frame.
pub fn run() -> i32 {
    1
}

pub fn probe() -> Report {
    Report { layers: vec![Layer::missing("start", "no containment is built for Windows")] }
}
