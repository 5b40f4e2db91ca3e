//! docs/metrics.md names what is exposed.

use std::collections::BTreeSet;

use keyhole_tests::page::page;
use keyhole_tests::prometheus::Prometheus;
use keyhole_tests::stack::Stack;

use crate::listener::get;

/// A row of the tables of metrics: name, labels, type.
fn documented() -> Vec<(String, String, String)> {
    let page = page("docs/metrics.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let rows = rows.filter_map(|row| {
        let (metric, rest) = row.split_once("` | ")?;
        let (kind, _) = rest.split_once(" | ")?;
        let (name, labels) = metric.split_once('{').unwrap_or((metric, "}"));
        let labels = labels.trim_end_matches('}');
        matches!(kind, "counter" | "gauge" | "histogram")
            .then(|| (name.to_owned(), labels.to_owned(), kind.to_owned()))
    });
    rows.collect()
}

pub(crate) fn the_page_names_what_is_exposed(stack: &Stack, prometheus: &Prometheus) {
    let exposed = get(stack.var("KEYHOLE_MONITORING"), "/stats/prometheus").body;
    let exposed = String::from_utf8(exposed).unwrap();
    let types: BTreeSet<&str> =
        exposed.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let own = |name: &str| name.starts_with("keyhole_");
    let (ours, envoys): (Vec<_>, Vec<_>) =
        documented().into_iter().partition(|(name, ..)| own(name));

    // Ours: all of them, each with its labels.
    let expected: BTreeSet<String> =
        ours.iter().map(|(name, _, kind)| format!("{name} {kind}")).collect();
    let seen: BTreeSet<String> =
        types.iter().filter(|name| own(name)).map(|name| (*name).to_owned()).collect();
    assert_eq!(seen, expected);
    for (name, labels, _) in &ours {
        for series in prometheus.series(name).unwrap() {
            let mut seen: Vec<&str> =
                series.as_object().unwrap().keys().map(String::as_str).collect();
            seen.retain(|label| !["__name__", "instance", "job", "namespace"].contains(label));
            let mut expected: Vec<&str> =
                labels.split(',').filter(|label| !label.is_empty()).collect();
            expected.sort_unstable();
            assert_eq!(seen, expected, "{name}");
        }
    }
    // Envoy's: as the page selects them.
    assert_eq!(envoys.len(), 10);
    for (name, labels, kind) in &envoys {
        assert!(types.contains(&*format!("{name} {kind}")), "{name} is no {kind}");
        let suffix = if kind == "histogram" { "_bucket" } else { "" };
        let selector = format!("{name}{suffix}{{{labels}}}");
        assert!(!prometheus.series(&selector).unwrap().is_empty(), "{selector}");
    }
}
