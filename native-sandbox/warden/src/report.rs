//! Which layers hold the work, and the tier they amount to. A layer counts only when it was seen in force.

use std::fmt::Write;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    Contained,
    Process,
}

impl Tier {
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "contained" => Some(Self::Contained),
            "process" => Some(Self::Process),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Contained => "contained",
            Self::Process => "process",
        }
    }

    /// Whether work that demands `self` may run under `reached`.
    pub fn is_met_by(self, reached: Self) -> bool {
        self == Self::Process || reached == Self::Contained
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// In force; the text says how, and may be empty.
    Enforced(String),
    /// Not in force; the text says why.
    Missing(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    pub name: &'static str,
    pub state: State,
}

impl Layer {
    pub fn enforced(name: &'static str, how: impl Into<String>) -> Self {
        Self { name, state: State::Enforced(how.into()) }
    }

    pub fn missing(name: &'static str, why: impl Into<String>) -> Self {
        Self { name, state: State::Missing(why.into()) }
    }

    pub fn is_enforced(&self) -> bool {
        matches!(self.state, State::Enforced(_))
    }
}

/// What must be in force for work to be more than in a process of its own.
pub struct Demands {
    pub all: &'static [&'static str],
    /// One of these keeps files away; none is asked for where `all` does.
    pub one_of: &'static [&'static str],
    /// Not of every process; where one is told of, it must be in force.
    pub where_told: &'static [&'static str],
}

const LINUX: Demands = Demands {
    all: &[
        "user-namespace",
        "pid-namespace",
        "network-namespace",
        "mount-namespace",
        "no-capabilities",
        "no-new-privileges",
        "seccomp",
        "parent-death",
        "data-limit",
        "stack-limit",
    ],
    one_of: &["empty-root", "listed-root", "landlock"],
    where_told: &["cpu-time-limit"],
};
const WINDOWS: Demands = Demands {
    all: &[
        "app-container",
        "no-capabilities",
        "low-integrity",
        "job",
        "parent-death",
        "no-children",
        "handle-list",
    ],
    one_of: &[],
    where_told: &[],
};
const MACOS: Demands =
    Demands { all: &["sandbox", "parent-death", "own-descriptors", "rlimits"], one_of: &[], where_told: &[] };

const HERE: &Demands = if cfg!(target_os = "windows") {
    &WINDOWS
} else if cfg!(target_os = "macos") {
    &MACOS
} else {
    &LINUX
};

pub struct Report {
    pub layers: Vec<Layer>,
}

impl Report {
    pub fn tier(&self) -> Tier {
        self.tier_under(HERE)
    }

    fn tier_under(&self, demands: &Demands) -> Tier {
        let holds =
            |name: &&'static str| self.layers.iter().any(|layer| layer.name == *name && layer.is_enforced());
        let keeps_files = demands.one_of.is_empty() || demands.one_of.iter().any(&holds);
        let is_lacking = |layer: &Layer| demands.where_told.contains(&layer.name) && !layer.is_enforced();
        let holds_all = keeps_files && demands.all.iter().all(&holds) && !self.layers.iter().any(is_lacking);
        if holds_all { Tier::Contained } else { Tier::Process }
    }

    /// Names of what keeps the tier down.
    pub fn lacking(&self) -> String {
        let missing = self.layers.iter().filter_map(|layer| match &layer.state {
            State::Missing(why) => Some(format!("{}: {why}", layer.name)),
            State::Enforced(_) => None,
        });
        missing.collect::<Vec<_>>().join("; ")
    }

    /// `{"tier":…,"layers":[{"name":…,"state":"enforced"|"missing","detail":…},…]}`
    pub fn to_json(&self) -> String {
        let mut out = format!("{{\"tier\":\"{}\",\"layers\":[", self.tier().name());
        for (index, layer) in self.layers.iter().enumerate() {
            let (state, detail) = match &layer.state {
                State::Enforced(how) => ("enforced", how),
                State::Missing(why) => ("missing", why),
            };
            let comma = if index == 0 { "" } else { "," };
            let _ = write!(
                out,
                "{comma}{{\"name\":\"{}\",\"state\":\"{state}\",\"detail\":\"{}\"}}",
                layer.name,
                escape(detail)
            );
        }
        out + "]}"
    }
}

/// Text for between the quotes of a JSON string.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            control if control < ' ' => {
                let _ = write!(out, "\\u{:04x}", control as u32);
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYSTEMS: [&Demands; 3] = [&LINUX, &WINDOWS, &MACOS];

    fn full(demands: &Demands) -> Vec<Layer> {
        demands.all.iter().chain(demands.one_of).map(|name| Layer::enforced(name, "")).collect()
    }

    #[test]
    fn sbx_3_any_needed_layer_missing_lowers_the_tier() {
        for demands in SYSTEMS {
            assert_eq!(Report { layers: full(demands) }.tier_under(demands), Tier::Contained);
            for name in demands.all {
                let mut layers = full(demands);
                layers.iter_mut().filter(|layer| layer.name == *name).for_each(|layer| {
                    layer.state = State::Missing("test".to_owned());
                });
                assert_eq!(Report { layers }.tier_under(demands), Tier::Process, "{name}");
                let layers = full(demands).into_iter().filter(|layer| layer.name != *name).collect();
                assert_eq!(Report { layers }.tier_under(demands), Tier::Process, "{name}");
            }
        }
    }

    #[test]
    fn sbx_3_a_limit_of_processor_time_that_was_asked_for_must_hold() {
        let with = |layer: Option<Layer>| {
            let layers = full(&LINUX).into_iter().chain(layer).collect();
            Report { layers }.tier_under(&LINUX)
        };
        assert_eq!(with(None), Tier::Contained, "a runner has none");
        assert_eq!(with(Some(Layer::enforced("cpu-time-limit", "30 s"))), Tier::Contained);
        assert_eq!(with(Some(Layer::missing("cpu-time-limit", "EPERM"))), Tier::Process);
    }

    #[test]
    fn sbx_3_an_empty_root_or_landlock_is_enough_but_not_neither() {
        let files = LINUX.one_of;
        for (absent, tier) in
            [(&files[..1], Tier::Contained), (&files[1..], Tier::Contained), (files, Tier::Process)]
        {
            let layers = full(&LINUX).into_iter().filter(|layer| !absent.contains(&layer.name)).collect();
            assert_eq!(Report { layers }.tier_under(&LINUX), tier);
        }
    }

    #[test]
    fn sbx_3_report_is_json_whatever_the_reason_holds() {
        let layers = vec![Layer::missing("landlock", "a \"quote\"\n\\")];
        let json = Report { layers }.to_json();
        let expected = r#"{"tier":"process","layers":[{"name":"landlock","state":"missing","detail":"a \"quote\"\u000a\\"}]}"#;
        assert_eq!(json, expected);
    }
}
