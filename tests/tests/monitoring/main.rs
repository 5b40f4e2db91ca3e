//! What an operator sees. A real Prometheus scrapes a gateway: all that the page on
//! metrics names is there, and all that the alerts and the dashboard ask for.

mod alerts;
mod dashboard;
mod grafana;
mod listener;
mod log;
mod metrics;

use std::thread;
use std::time::Duration;

use keyhole_tests::prometheus::Prometheus;
use keyhole_tests::stack::Stack;

/// Each selector of it has found something.
pub(crate) fn exists(prometheus: &Prometheus, expression: &str) {
    let selectors = prometheus.selectors(expression).unwrap();
    assert!(!selectors.is_empty(), "{expression}");
    for selector in selectors {
        let series = prometheus.series(&selector).unwrap();
        assert!(!series.is_empty(), "{expression}: there is no {selector}");
    }
}

#[test]
fn a_real_prometheus_finds_what_the_page_the_alerts_and_the_dashboard_name() {
    let stack = Stack::own("monitoring", &["--live"]).unwrap();
    let prometheus = Prometheus::watching(&stack).unwrap();
    let client = stack.client();
    let ask_some = || {
        assert_eq!(client.get("/version").unwrap().status, 200);
        assert_eq!(client.get("/api/v1/secrets").unwrap().status, 403);
        assert_eq!(stack.anonymous().get("/version").unwrap().status, 401);
    };
    // A rate is seen between two of them.
    for _ in 0..4 {
        ask_some();
        thread::sleep(Duration::from_millis(1500));
    }
    prometheus
        .until("it sees the last requests, and the tokens", || {
            let count = r#"keyhole_decisions_total{outcome="forbidden"} == 4 and on () keyhole_tokens_held == 1"#;
            prometheus.query(count).is_ok_and(|samples| !samples.is_empty())
        })
        .unwrap();
    log::the_filter_has_nothing_to_warn_of(&stack);
    log::a_request_is_looked_up_by_its_id(&stack);
    alerts::a_refused_policy_fires_its_alert(&stack, &prometheus);
    alerts::a_token_that_is_stale_is_seen(&stack, &prometheus);
    metrics::the_page_names_what_is_exposed(&stack, &prometheus);
    dashboard::every_panel_shows_something(&prometheus);
    alerts::every_alert_can_fire(&prometheus);
    log::so_is_one_that_was_lost(&stack);
}
