//! Each panel of the dashboard shows something.

use std::collections::BTreeSet;
use std::fs;

use keyhole_tests::prometheus::Prometheus;
use keyhole_tests::stack::root;
use serde_json::Value;

use crate::exists;
use crate::grafana::{Dashboard, Place, Variable};

/// An expression of the dashboard, with all variables as they are at first.
fn chosen(expression: &str) -> String {
    let mut chosen = expression.replace("$__rate_interval", "1m");
    for name in ["$namespace", "$instance", "$client"] {
        chosen = chosen.replace(name, ".*");
    }
    assert!(!chosen.contains('$'), "{expression}");
    chosen
}

pub(crate) fn every_panel_shows_something(prometheus: &Prometheus) {
    let file = root().join("k8s/components/monitoring-common/dashboard.json");
    let dashboard: Dashboard =
        serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let ids: BTreeSet<u32> = dashboard.panels.iter().map(|panel| panel.id).collect();
    assert_eq!(ids.len(), dashboard.panels.len());
    let mut taken = BTreeSet::new();
    for panel in &dashboard.panels {
        let Place { x, y, w, h } = panel.grid_pos;
        assert!(x + w <= 24, "{}", panel.title);
        for place in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(place), "{} lies on another panel", panel.title);
        }
        assert!(!panel.targets.is_empty(), "{}", panel.title);
        for target in &panel.targets {
            let expression = chosen(&target.expr);
            exists(prometheus, &expression);
            let samples = prometheus.query(&expression).unwrap();
            let number = |sample: &Value| {
                sample["value"][1].as_str().and_then(|text| text.parse::<f64>().ok())
            };
            assert!(!samples.is_empty(), "{}: {expression} shows nothing", panel.title);
            assert!(
                samples.iter().all(|sample| number(sample).is_some_and(f64::is_finite)),
                "{}: {expression}: {samples:?}",
                panel.title
            );
        }
    }
    for annotation in &dashboard.annotations.list {
        let expression = chosen(&annotation.expr);
        exists(prometheus, &expression);
        prometheus.query(&expression).unwrap();
    }
    for variable in &dashboard.templating.list {
        if let Variable::Query { query, .. } = variable {
            let asked = query.query.strip_prefix("label_values(").unwrap();
            let (selector, label) = asked.trim_end_matches(')').rsplit_once(", ").unwrap();
            let series = prometheus.series(&chosen(selector)).unwrap();
            assert!(series.iter().any(|series| !series[label].is_null()), "{}", query.query);
        }
    }
}
